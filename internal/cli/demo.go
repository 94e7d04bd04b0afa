package cli

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// demoEmail is the person that --dev keeps.
const demoEmail = "demo@example.com"

// greet waits until the server is ready and then says what to do next. It returns at once
// when ctx ends.
func (in *installation) greet(ctx context.Context, address net.Addr) error {
	for in.served.Load() == nil || in.server.Ready(ctx) != nil {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(5 * time.Millisecond):
		}
	}
	debug.FreeOSMemory() // what the start alone needed
	in.log.Info("ready", "issuer", in.issuer, "listen", address.String())
	if !in.dev {
		return nil
	}
	password, err := in.demoPerson(ctx)
	if err != nil {
		return fmt.Errorf("keep %s: %w", demoEmail, err)
	}
	return printGuide(in.out, in.guide(password))
}

// demoPerson gives demo@example.com a new random password, and makes the person first if
// there is none.
func (in *installation) demoPerson(ctx context.Context) (password string, err error) {
	text := strings.ToLower(rand.Text())
	password = text[:5] + "-" + text[5:10] + "-" + text[10:15]
	_, err = people.Create(ctx, in.db, people.NewUser{
		Email: demoEmail, Name: "Demo Person", Password: password, By: "operator", Now: time.Now(),
	})
	if !errors.Is(err, store.ErrConflict) {
		return password, err
	}
	u, err := in.db.UserByEmail(ctx, demoEmail)
	if err != nil {
		return "", err
	}
	ev := store.Event{Time: time.Now(), Actor: "operator", Action: "user.password-set", Target: u.ID, Outcome: "ok"}
	return password, in.db.SetPassword(ctx, u.ID, u.PasswordHash, people.Hash(password), ev)
}

// guide is what the printed commands are filled with.
type guide struct {
	Issuer, Email, Password string
	DeviceClient            string // a public client of the device flow
	MachineClient           string // a client with a secret of its own
	SecretFile, SecretKey   string // where the secret of MachineClient is written
	Organization, Other     string // slugs: the clients' organization, and one that is not theirs
	Program                 string // as it was started
	Change                  string // what to do next
}

// guide picks, of what is served, what a newcomer can try: the first organization that
// the demo person belongs to, its clients, and one that they do not belong to.
func (in *installation) guide(password string) guide {
	g := guide{Issuer: in.issuer, Email: demoEmail, Password: password, Program: os.Args[0], Change: "Apply or change a resource: it is served at once."}
	if in.manifests != "" {
		g.Change = "Edit the manifests: a change is served as soon as the file is saved."
	}
	demo := model.Person{Addresses: []model.ProvenAddress{{Address: demoEmail}}}
	for _, o := range slices.SortedFunc(in.served.Load().Organizations(), bySlug) {
		switch member := len(o.RolesOf(demo, time.Now())) > 0; {
		case !member:
			g.Other = cmp.Or(g.Other, o.Slug)
		case g.Organization == "":
			g.Organization = o.Slug
			in.clientsOf(o, &g)
		}
	}
	return g
}

func (in *installation) clientsOf(o *model.Organization, g *guide) {
	for _, a := range slices.SortedFunc(o.Applications(), byClientID) {
		switch {
		case a.Public() && a.Allows(oauth.DeviceCode):
			g.DeviceClient = cmp.Or(g.DeviceClient, a.ClientID)
		case a.Allows(oauth.ClientCredentials) && g.MachineClient == "":
			if file, key := in.secretOf(a); file != "" {
				g.MachineClient, g.SecretFile, g.SecretKey = a.ClientID, file, key
			}
		}
	}
}

func bySlug(a, b *model.Organization) int    { return cmp.Compare(a.Slug, b.Slug) }
func byClientID(a, b *model.Application) int { return cmp.Compare(a.ClientID, b.ClientID) }

func printGuide(w io.Writer, g guide) error { return guideText.Execute(w, g) }

// guideText is what a newcomer reads first. Commands are indented by four spaces; a test
// runs every one of them.
var guideText = template.Must(template.New("guide").Parse(`
Gatehouse is ready at {{.Issuer}}  (Ctrl-C stops it)

A person to sign in as:  {{.Email}}   password: {{.Password}}   (new at each start)
{{- if .MachineClient}}

1. A service gets a token for itself, and uses it:

    SECRET=$(sed -n 's/^ *{{.SecretKey}}: *//p' {{.SecretFile}} | head -n 1)
    TOKEN=$(curl -s -u "{{.MachineClient}}:$SECRET" -d grant_type=client_credentials {{.Issuer}}/oauth/token/ | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
    curl -s -H "Authorization: Bearer $TOKEN" {{.Issuer}}/api/0/organizations/{{.Organization}}/
{{- if .Other}}

   It is refused elsewhere, with insufficient_scope, because it belongs to {{.Organization}}:

    curl -s -H "Authorization: Bearer $TOKEN" {{.Issuer}}/api/0/organizations/{{.Other}}/
{{- end}}
{{- end}}
{{- if .DeviceClient}}

2. A command line tool signs a person in. It asks for a code:

    DEVICE=$(curl -s -d client_id={{.DeviceClient}} {{.Issuer}}/oauth/device/code/); echo "$DEVICE"

   Open the printed verification_uri_complete in a browser, sign in and approve. Then:

    CODE=$(echo "$DEVICE" | sed 's/.*"device_code":"\([^"]*\)".*/\1/')
    curl -s -d client_id={{.DeviceClient}} -d grant_type=urn:ietf:params:oauth:grant-type:device_code -d device_code=$CODE {{.Issuer}}/oauth/token/

   Before the approval the answer is authorization_pending; asked again within 5 s, slow_down.
   All of it in one, with tokens that are kept and refreshed (docs/login.md):
   {{.Program}} login --issuer {{.Issuer}} --client-id {{.DeviceClient}}
{{- end}}

{{.Change}}
`))
