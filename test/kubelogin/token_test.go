package kubelogin

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	authentication "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	clientauthentication "k8s.io/client-go/pkg/apis/clientauthentication/v1"
	"k8s.io/client-go/rest"

	"github.com/gatehouse-dev/gatehouse/internal/keyring"
	"github.com/gatehouse-dev/gatehouse/internal/login"
	"github.com/gatehouse-dev/gatehouse/server/tokens"
	"github.com/gatehouse-dev/gatehouse/test/leaks"
	"github.com/gatehouse-dev/gatehouse/test/process"
)

var invitation = regexp.MustCompile(`or open +(\S+)`)

// signIn runs gatehouse login for Ann with each client, all at once: each waits five seconds
// before it asks for the first time.
func (h *house) signIn(clients ...string) {
	h.t.Helper()
	var waits []func() error
	for _, client := range clients {
		var printed process.Output
		cmd := h.hers(h.t.Context(), h.gatehousePath, "login", "--issuer", h.issuer, "--client-id", client, "--store", "file")
		cmd.Stdout, cmd.Stderr = &printed, &printed
		h.must(cmd.Start())
		h.soon(func() error {
			found := invitation.FindStringSubmatch(printed.String())
			if found == nil {
				return errors.New("no invitation: " + printed.String())
			}
			return h.person.Approve(h.t.Context(), found[1], ann, password)
		})
		waits = append(waits, func() error {
			if err := cmd.Wait(); err != nil {
				return errors.Join(err, errors.New(printed.String()))
			}
			if said := "Signed in as " + ann + " at acme."; !strings.Contains(printed.String(), said) {
				return errors.New("not " + said + ": " + printed.String())
			}
			return nil
		})
	}
	for _, wait := range waits {
		h.must(wait())
	}
}

// idToken returns the ID token of Ann's login, as kubectl gets it.
func (h *house) idToken(client string) string {
	h.t.Helper()
	var c clientauthentication.ExecCredential
	out := h.gatehouse("", "token", "--output", "exec-credential", "--issuer", h.issuer, "--client-id", client)
	h.must(json.Unmarshal([]byte(out), &c))
	leaks.Remember(c.Status.Token)
	return c.Status.Token
}

func (h *house) accessToken(client string) string {
	h.t.Helper()
	token := strings.TrimSpace(h.gatehouse("", "token", "--issuer", h.issuer, "--client-id", client))
	leaks.Remember(token)
	return token
}

// age lets the tokens that are kept of a login end now, so that the next use refreshes it.
func (h *house) age(client string) {
	h.t.Helper()
	book := login.Book{Dir: filepath.Join(h.home, ".config", "gatehouse", "logins")}
	file := book.Path(login.Login{Issuer: h.issuer, ClientID: client})
	kept, err := os.ReadFile(file)
	h.must(err)
	var t login.Tokens
	h.must(json.Unmarshal(kept, &t))
	leaks.Remember(string(t.Refresh), string(t.Access), string(t.ID))
	t.IDExpires, t.AccessExpires = time.Now(), time.Now()
	aged, err := json.Marshal(t)
	h.must(err, os.WriteFile(file, aged, 0o600))
}

// ask asks kube-apiserver whom it takes the bearer of a token for.
func (h *house) ask(token string) (authentication.UserInfo, error) {
	h.t.Helper()
	client, err := kubernetes.NewForConfig(&rest.Config{
		Host: h.kube.Config.Host, TLSClientConfig: rest.TLSClientConfig{CAData: h.kube.Config.CAData}, BearerToken: token,
	})
	h.must(err)
	review, err := client.AuthenticationV1().SelfSubjectReviews().Create(context.Background(), &authentication.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return authentication.UserInfo{}, err
	}
	return review.Status.UserInfo, nil
}

// isAnn is nil if kube-apiserver takes the token for Ann in these groups.
func (h *house) isAnn(token string, groups ...string) error {
	h.t.Helper()
	who, err := h.ask(token)
	if err != nil {
		return err
	}
	want := append(groups, "system:authenticated")
	if who.Username != "gatehouse:"+ann || !strings.HasPrefix(who.UID, "usr_") || !slices.Equal(who.Groups, want) {
		return errors.New("it is " + who.String())
	}
	return nil
}

// minter signs with the keys that Gatehouse itself has.
func (h *house) minter(issuer string) *tokens.Minter {
	h.t.Helper()
	keys, err := keyring.Open(h.data, func() error { return errors.New("there is no keyring") })
	h.must(err)
	return tokens.NewMinter(issuer, keys)
}

// mint makes an ID token of Ann's, changed in one way: nothing else can be why it is refused.
func (h *house) mint(t *testing.T, m *tokens.Minter, change func(*tokens.IDToken)) string {
	t.Helper()
	now := time.Now()
	claims := &tokens.IDToken{
		Subject: "usr_minted", Audience: kubectl, IssuedAt: now, ExpiresAt: now.Add(10 * time.Minute), AuthTime: now,
		OrganizationSlug: "acme", OrganizationID: h.organizationID,
		Email: ann, EmailVerified: true, Groups: []string{"role:deployer", "role:member"},
	}
	change(claims)
	token, err := m.MintIDToken(keyring.RS256, claims)
	if err != nil {
		t.Fatal(err)
	}
	return token
}
