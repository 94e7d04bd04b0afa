package hostile

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
)

// Whoever is there first does not matter: the slug is the namespace's own, or granted.
func TestASlugCannotBeTakenBeforeItsOwnerComes(t *testing.T) {
	w := here
	w.before(t)
	t.Cleanup(func() { w.clean(t) })
	if err := w.apply(w.owner, organization("squat", "evil", "hooli")); err != nil {
		t.Fatal(err)
	}
	w.becomes(t, "Organization evil/squat", "SlugNotGranted")
	if err := w.apply(w.admin, "{apiVersion: v1, kind: Namespace, metadata: {name: hooli}}\n---\n"+organization("hooli", "hooli", "hooli")); err != nil {
		t.Fatal(err)
	}
	w.becomes(t, "Organization hooli/hooli", "True")
	squat, _ := w.judged(t, "Organization evil/squat")
	if c := ready(squat); c.Reason != "SlugNotGranted" {
		t.Errorf("that somebody has it now is shown: %+v", c)
	}
	if o := w.snapshot().OrganizationBySlug("hooli"); o == nil || o.Namespace != "hooli" {
		t.Errorf("the slug is served for %+v", o)
	}
}

func organization(name, namespace, slug string) string {
	return fmt.Sprintf("{apiVersion: auth.gatehouse.dev/v1alpha1, kind: Organization, metadata: {name: %s, namespace: %s}, spec: {slug: %s}}", name, namespace, slug)
}

// oracle is a declaration that refers to THERE, which exists and is none of mallory's
// business, or to something that does not exist. What is told must be the same.
type oracle struct{ name, spec, there, absent string }

var oracles = []oracle{
	{"an application and an Organization", app + `{organizationRef: {name: THERE, namespace: acme}, type: Device, scopes: ["org:read"]}`, "acme", "acmx"},
	{"a Role and an Organization", role + `{organizationRef: {name: THERE, namespace: acme}}`, "acme", "acmx"},
	{"an application and a namespace", app + `{organizationRef: {name: acme, namespace: THERE}, type: Device, scopes: ["org:read"]}`, "acme", "acmx"},
	{"a subject", role + `{organizationRef: {name: evil}, subjects: [{kind: ApiApplication, name: THERE, namespace: acme}]}`, "ci", "cx"},
	{"a Role to inherit from", role + `{organizationRef: {name: evil}, inherits: [{name: THERE, namespace: acme}]}`, "reader", "readex"},
	{"a way to sign in", org + `{slug: evil-THERE, login: {authProviders: [{name: THERE, namespace: acme}]}}`, "okta", "oktx"},
	{"a way to sign in of one's own", idp + `{organizationRef: {name: THERE, namespace: acme}, type: OIDC, oidc: {issuer: "https://evil.example", clientID: a}}`, "acme", "acmx"},
	{"a way to sign in and its Secret", idp + `{organizationRef: {name: evil}, type: GitHub, github: {clientID: a, clientSecretRef: {name: THERE, key: secret}}}`, "ci", "cx"},
	{"a resource", app + `{organizationRef: {name: evil}, type: Device, scopes: ["org:read"], resources: ["https://api.THERE.example"]}`, "acme", "acmx"},
	{"a Secret of another namespace", machine + `{source: FromSecret, fromSecret: {name: THERE, key: secret}}}`, "ci", "cx"},
	{"an application that is let in", org + `{slug: evil-THERE, externalApplications: {from: List, clientIDs: [acme.THERE]}}`, "web", "wex"},
	{"a slug", org + `{slug: THERE}`, "acme", "acmx"},
	{"a person", role + `{organizationRef: {name: evil}, subjects: [{kind: User, name: THERE@acme.example}]}`, "ann", "anx"},
}

func TestWhatExistsElsewhereCannotBeFoundOut(t *testing.T) {
	w := here
	w.before(t)
	t.Cleanup(func() { w.clean(t) })
	if err := w.apply(w.owner, ownOrganization); err != nil {
		t.Fatal(err)
	}
	w.becomes(t, "Organization evil/evil", "True")
	for i, o := range oracles {
		t.Run(o.name, func(t *testing.T) {
			var answers []string
			for j, name := range []string{o.there, o.absent} {
				answers = append(answers, w.told(t, o, fmt.Sprintf("oracle-%d-%d", i, j), name))
			}
			if diff := cmp.Diff(answers[0], strings.ReplaceAll(answers[1], o.absent, o.there)); diff != "" {
				t.Errorf("what is there is told apart:\n%s", diff)
			}
		})
	}
}

var moments = regexp.MustCompile(`"lastTransitionTime":"[^"]*"`)

// told is everything that anybody can read about a declaration of mallory's, without the
// name of the object.
func (w *world) told(t *testing.T, o oracle, object, name string) string {
	t.Helper()
	kind, spec, _ := strings.Cut(strings.ReplaceAll(o.spec, "THERE", name), ": ")
	manifest := fmt.Sprintf("{apiVersion: %s, kind: %s, metadata: {name: %s, namespace: evil}, spec: %s}", v1alpha1.GroupVersion, kind, object, spec)
	if err := w.apply(w.owner, manifest); err != nil {
		t.Fatal(err)
	}
	u, _ := w.judged(t, kind+" evil/"+object)
	text, err := json.Marshal(u.Object["status"])
	if err != nil {
		t.Fatal(err)
	}
	all := moments.ReplaceAllString(string(text), "") // an Event says what Ready says
	return strings.NewReplacer(object, "OBJECT", string(u.GetUID()), "ID").Replace(all)
}

// What comes and goes elsewhere writes nothing that mallory can read: not even the version
// of her object tells that there is an Organization of the name now.
func TestWhatComesAndGoesElsewhereIsNotSeen(t *testing.T) {
	w := here
	w.before(t)
	t.Cleanup(func() { w.clean(t) })
	waiting := `{apiVersion: auth.gatehouse.dev/v1alpha1, kind: ApiApplication, metadata: {name: waiting, namespace: evil}, spec: {organizationRef: {name: new, namespace: piper}, type: Device, scopes: ["org:read"]}}`
	if err := w.apply(w.editor, waiting); err != nil {
		t.Fatal(err)
	}
	w.becomes(t, "ApiApplication evil/waiting", "NotAdmitted")
	was, _ := w.judged(t, "ApiApplication evil/waiting")
	if err := w.apply(w.admin, "{apiVersion: v1, kind: Namespace, metadata: {name: piper}}\n---\n"+organization("new", "piper", "piper")); err != nil {
		t.Fatal(err)
	}
	w.becomes(t, "Organization piper/new", "True")
	o := &v1alpha1.Organization{}
	o.Name, o.Namespace = "new", "piper"
	if err := w.admin.Delete(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	eventually(t, "gone", func() error {
		if w.snapshot().OrganizationBySlug("piper") != nil {
			return fmt.Errorf("still served")
		}
		return nil
	})
	w.flush(t)
	if now, _ := w.judged(t, "ApiApplication evil/waiting"); now.GetResourceVersion() != was.GetResourceVersion() {
		t.Error("mallory's object was written for it")
	}
}

var flushes atomic.Int64

// flush has a declaration of the administrator's judged and its status written: what was
// to be written before has been.
func (w *world) flush(t *testing.T) {
	t.Helper()
	name := fmt.Sprintf("flush-%d", flushes.Add(1))
	if err := w.apply(w.admin, fmt.Sprintf("{apiVersion: auth.gatehouse.dev/v1alpha1, kind: Role, metadata: {name: %s, namespace: open}, spec: {organizationRef: {name: open}}}", name)); err != nil {
		t.Fatal(err)
	}
	w.becomes(t, "Role open/"+name, "True")
}
