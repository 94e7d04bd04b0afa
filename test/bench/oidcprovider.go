package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gatehouse-dev/gatehouse/test/process"
)

// oidcProvider is npm oidc-provider with its own adapter, in memory. That adapter keeps
// the last thousand or two of whatever was stored, so every operation gets what it needs
// right before it is measured.
type oidcProvider struct {
	*process.Process
	browsers      [concurrency]browser
	refreshTokens [concurrency]string
	accessToken   string
	deviceCodes   []string
}

// startOIDCProvider installs the npm packages outside the tree, once, and starts
// peers/oidc-provider/server.mjs with them.
func startOIDCProvider(ctx context.Context, root, dir string) (*subject, error) {
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, fmt.Errorf("%s is not installed", program)
		}
	}
	source := filepath.Join(root, "test/bench/peers/oidc-provider")
	install := exec.CommandContext(ctx, filepath.Join(root, "hack/need-npm.sh"), source)
	install.Stderr = os.Stderr
	modules, err := install.Output()
	if err != nil {
		return nil, fmt.Errorf("install npm packages: %w", err)
	}
	// Node looks for packages beside the script.
	script, err := os.ReadFile(filepath.Join(source, "server.mjs"))
	if err != nil {
		return nil, err
	}
	at := filepath.Join(dir, "oidc-provider")
	if err := errors.Join(os.Mkdir(at, 0o700), os.WriteFile(filepath.Join(at, "server.mjs"), script, 0o600),
		os.Symlink(strings.TrimSpace(string(modules)), filepath.Join(at, "node_modules"))); err != nil {
		return nil, err
	}
	address, err := process.FreeAddress()
	if err != nil {
		return nil, err
	}
	issuer, p := "http://"+address, &oidcProvider{}
	began := time.Now()
	p.Process, err = process.Start(ctx, issuer, issuer+"/.well-known/openid-configuration", "node", filepath.Join(at, "server.mjs"), issuer, redirectURI)
	if err != nil {
		return nil, err
	}
	return newSubject(oidcProviderName, p.operations(), time.Since(began), p.Process)
}

func (p *oidcProvider) operations() map[string]operation {
	token := func(form url.Values) func() *http.Request {
		return func() *http.Request { return post(p.URL+"/token", form, "machine", peerSecret) }
	}
	introspect := simple(p.Process, func() *http.Request {
		return post(p.URL+"/token/introspection", url.Values{"token": {p.accessToken}}, "web-ES256", peerSecret)
	})
	userinfo := simple(p.Process, func() *http.Request { return get(p.URL+"/me", p.accessToken) })
	introspect.prepare, userinfo.prepare = p.signIn(withIDToken), p.signIn(withIDToken)
	return map[string]operation{
		metadata:          simple(p.Process, func() *http.Request { return get(p.URL+"/.well-known/openid-configuration", "") }),
		jwks:              simple(p.Process, func() *http.Request { return get(p.URL+"/jwks", "") }),
		clientCredentials: simple(p.Process, token(url.Values{"grant_type": {"client_credentials"}})),
		clientCredentialsJWT: simple(p.Process, token(url.Values{
			"grant_type": {"client_credentials"}, "resource": {"urn:bench:api"}, "scope": {"read"},
		})),
		introspection: introspect,
		userinfoCall:  userinfo,
		refresh:       {server: p.Process, prepare: p.signIn(withoutIDToken), once: p.refresh},
		deviceRequest: simple(p.Process, p.deviceRequest),
		pendingPoll:   {server: p.Process, prepare: p.askForDevices, once: pollPending(p.poll)},
		codeFlowES256: p.codeFlow("web-ES256"),
		codeFlowRS256: p.codeFlow("web-RS256"),
		codeFlowSignIn: {server: p.Process, once: func(_ int, send sender) error {
			_, err := p.signInOnce(newBrowser(), "web-ES256", withIDToken, send)
			return err
		}},
	}
}

// Scopes of the code flows; as server.mjs has it, a refresh token comes with the second.
const (
	withIDToken    = "openid profile email"
	withoutIDToken = "read"
)

// signIn signs every worker in, afresh, and gets tokens for it.
func (p *oidcProvider) signIn(scope string) func(context.Context) error {
	return func(context.Context) error {
		for w := range concurrency {
			t, err := p.signInOnce(newBrowser(), "web-ES256", scope, send)
			if err != nil {
				return err
			}
			p.accessToken, p.refreshTokens[w] = t.Access, t.Refresh
		}
		return nil
	}
}

// signInOnce is a code flow with the sign-in and the consent of the package's development
// interaction. The pages are not loaded: their forms are posted at once.
func (p *oidcProvider) signInOnce(b browser, clientID, scope string, send sender) (issued, error) {
	to, err := b.visit(get(p.URL+"/auth?"+authorization(clientID, scope).Encode(), ""), send)
	for _, form := range []url.Values{{"prompt": {"login"}, "login": {"demo"}, "password": {"any"}}, {"prompt": {"consent"}}} {
		if err == nil {
			to, err = b.visit(post(to.String(), form, "", ""), send)
		}
		if err == nil {
			to, err = b.visit(get(to.String(), ""), send)
		}
	}
	if err != nil {
		return issued{}, err
	}
	code, err := codeIn(to)
	if err != nil {
		return issued{}, err
	}
	return redeem(exchange(p.URL+"/token", code, clientID, peerSecret), scope == withIDToken, send)
}

// codeFlow is the flow of somebody who has signed in and consented before.
func (p *oidcProvider) codeFlow(clientID string) operation {
	request := authorization(clientID, withIDToken).Encode()
	return operation{
		server: p.Process,
		prepare: func(context.Context) error {
			for w := range concurrency {
				p.browsers[w] = newBrowser()
				if _, err := p.signInOnce(p.browsers[w], clientID, withIDToken, send); err != nil {
					return err
				}
			}
			return nil
		},
		once: func(worker int, send sender) error {
			to, err := p.browsers[worker].visit(get(p.URL+"/auth?"+request, ""), send)
			if err != nil {
				return err
			}
			code, err := codeIn(to)
			if err != nil {
				return err
			}
			_, err = redeem(exchange(p.URL+"/token", code, clientID, peerSecret), true, send)
			return err
		},
	}
}

func (p *oidcProvider) refresh(worker int, send sender) error {
	_, err := rotate(refreshing(p.URL+"/token", p.refreshTokens[worker], "web-ES256", peerSecret), &p.refreshTokens[worker], send)
	return err
}

func (p *oidcProvider) deviceRequest() *http.Request {
	return post(p.URL+"/device/auth", url.Values{"scope": {"openid"}}, "device", peerSecret)
}

func (p *oidcProvider) askForDevices(context.Context) (err error) {
	p.deviceCodes, err = deviceCodes(p.deviceRequest, 4*concurrency)
	return err
}

func (p *oidcProvider) poll(i int) *http.Request {
	return post(p.URL+"/token", url.Values{"grant_type": {deviceGrant}, "device_code": {p.deviceCodes[i%len(p.deviceCodes)]}}, "device", peerSecret)
}
