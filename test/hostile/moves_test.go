package hostile

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
)

// move is something that mallory declares. %[1]s in it is a name that no other move has.
type move struct {
	name  string
	first string // what is declared before, if anything
	spec  string // of the object that is judged, "Kind: spec"
	// refused is what the API server says; else the object gets a verdict.
	refused string
	reason  string // that Ready is False for
	says    string // part of the message
	silent  string // what the message must not have
}

const (
	app  = "ApiApplication: "
	role = "Role: "
	org  = "Organization: "
	idp  = "AuthProvider: "

	ownOrganization = `
apiVersion: auth.gatehouse.dev/v1alpha1
kind: Organization
metadata: {name: evil, namespace: evil}
spec: {slug: evil}
`
	machine = app + `{organizationRef: {name: evil}, type: Machine, scopes: ["org:read"], credentials: `
)

// secretOf is a Secret of mallory's own.
func secretOf(name, more string) string {
	return fmt.Sprintf("{apiVersion: v1, kind: Secret, metadata: {name: %s, namespace: evil%s}, stringData: {secret: mallory-mallory-mallory-mallory-mallory}}", name, more)
}

// references are moves to have a Secret used that is not mallory's, or was not consented to.
var references = []move{
	{
		name: "the Secret of another namespace cannot be named",
		spec: machine + `{source: FromSecret, fromSecret: {name: ci, namespace: acme, key: secret}}}`, reason: "SecretNotFound", says: "no Secret evil/ci with",
	}, {
		name: "nor by a path",
		spec: machine + `{source: FromSecret, fromSecret: {name: "../acme/ci", key: secret}}}`, reason: "SecretNotFound", says: "no Secret evil/../acme/ci with",
	}, {
		name: "the Secret of the same name in one's own namespace must be there", // as acme/ci is
		spec: machine + `{source: FromSecret, fromSecret: {name: unlabelled, key: secret}}}`, reason: "SecretNotFound", says: "no Secret evil/unlabelled with",
	}, {
		name: "a Secret without the label", first: secretOf("plain", ""),
		spec: machine + `{source: FromSecret, fromSecret: {name: plain, key: secret}}}`, reason: "SecretNotFound", says: "auth.gatehouse.dev/secret: input",
	}, {
		name: "a Secret labelled keyring", first: secretOf("keys", ", labels: {auth.gatehouse.dev/secret: keyring}"),
		spec: machine + `{source: FromSecret, fromSecret: {name: keys, key: secret}}}`, reason: "SecretNotFound", says: "no Secret evil/keys with",
	}, {
		name: "the keyring of the installation",
		spec: machine + `{source: FromSecret, fromSecret: {name: gatehouse-keyring, key: secret}}}`, reason: "SecretNotFound", says: "no Secret evil/gatehouse-keyring with",
	}, {
		name: "a Secret labelled output", first: secretOf("forged", ", labels: {auth.gatehouse.dev/secret: output}"),
		spec: machine + `{source: FromSecret, fromSecret: {name: forged, key: secret}}}`, reason: "SecretNotFound", says: "no Secret evil/forged with",
	}, {
		name: "a Secret of another namespace for a way to sign in",
		spec: idp + `{organizationRef: {name: evil}, type: GitHub, github: {clientID: a, clientSecretRef: {name: ci, key: secret}}}`, reason: "SecretNotFound", says: "no Secret evil/ci with",
	}, {
		name: "the keyring, sent to a token endpoint of one's choosing",
		spec: idp + `{organizationRef: {name: evil}, type: OAuth2, oauth2: {clientID: a, authorizationURL: "https://evil.example", tokenURL: "https://evil.example", userInfoURL: "https://evil.example", clientSecretRef: {name: gatehouse-keyring, key: secret}}}`, reason: "SecretNotFound", says: "no Secret evil/gatehouse-keyring with",
	}, {
		name: "a Secret without the label, sent to a directory of one's choosing", first: secretOf("bare", ""),
		spec: idp + `{organizationRef: {name: evil}, type: LDAP, ldap: {url: "ldaps://evil.example", bindDN: cn=a, bindPasswordRef: {name: bare, key: secret}, userSearch: {baseDN: ou=a}}}`, reason: "SecretNotFound", says: "auth.gatehouse.dev/secret: input",
	}, {
		name: "a key of a Secret that is no path", first: secretOf("mine", ", labels: {auth.gatehouse.dev/secret: input}"),
		spec: machine + `{source: FromSecret, fromSecret: {name: mine, key: "../secret"}}}`, refused: "spec.credentials.fromSecret.key",
	},
}

// outputs are moves to have Gatehouse write a Secret that gives power, or over another one.
var outputs = []move{
	privileged("labels", "kubernetes.io/service-account.name: admin"),
	privileged("annotations", "kubernetes.io/service-account.name: admin"),
	privileged("annotations", "x.k8s.io/y: z"),
	privileged("labels", "argocd.argoproj.io/secret-type: cluster"),
	privileged("labels", "auth.gatehouse.dev/secret: input"),
	privileged("labels", "auth.gatehouse.dev/secret: keyring"),
	privileged("annotations", "auth.gatehouse.dev/credentials: '[]'"),
	{
		name: "labels in capitals", spec: machine + `{output: {labels: {KUBERNETES.IO/x: z}}}}`, reason: "InvalidSpec", says: "is no key",
	}, {
		name: "a type cannot be asked for", // the field is unknown, so the API server drops it
		spec: machine + `{output: {type: kubernetes.io/service-account-token, secretName: "%[1]s", labels: {k8s.io: x}}}}`, refused: "keys may not contain",
	}, {
		name: "the name of somebody else's Secret", first: secretOf("theirs", ""),
		spec: machine + `{output: {secretName: theirs}}}`, reason: "SecretNotOwned", says: "evil/theirs",
	}, {
		name: "of one labelled as input", first: secretOf("input", ", labels: {auth.gatehouse.dev/secret: input}"),
		spec: machine + `{output: {secretName: input}}}`, reason: "SecretNotOwned", says: "evil/input",
	}, {
		name:  "of one labelled as output that Gatehouse did not make",
		first: secretOf("fake", ", labels: {auth.gatehouse.dev/secret: output}, ownerReferences: [{apiVersion: auth.gatehouse.dev/v1alpha1, kind: ApiApplication, name: ci, uid: 5f0e8a0e-0000-4000-8000-000000000001}]"),
		spec:  machine + `{output: {secretName: fake}}}`, reason: "SecretNotOwned", says: "evil/fake",
	}, {
		name:  "of another application's",
		first: `{apiVersion: auth.gatehouse.dev/v1alpha1, kind: ApiApplication, metadata: {name: first, namespace: evil}, spec: {organizationRef: {name: evil}, type: Machine, scopes: ["org:read"], credentials: {output: {secretName: shared}}}}`,
		spec:  machine + `{output: {secretName: shared}}}`, reason: "SecretNotOwned", says: "evil/shared",
	}, {
		name: "the name of a Secret of another namespace", spec: machine + `{output: {secretName: acme/ci}}}`, refused: "spec.credentials.output.secretName",
	},
}

func privileged(field, entry string) move {
	return move{
		name: field + " " + entry, spec: machine + fmt.Sprintf("{output: {%s: {%s}}}}", field, entry),
		refused: "keys may not contain kubernetes.io, k8s.io, argoproj.io or gatehouse.dev; choose others",
	}
}

// strangers are moves into another's organization.
var strangers = []move{
	{
		name: "an application in another organization",
		spec: app + `{organizationRef: {name: acme, namespace: acme}, type: Device, scopes: ["org:read"]}`, reason: "NotAdmitted", says: "no Organization acme/acme admits this namespace",
	}, {
		name:   "a Role in another organization",
		spec:   role + `{organizationRef: {name: acme, namespace: acme}, rules: [{scopes: ["org:admin"]}], subjects: [{kind: User, name: mallory@evil.example}]}`,
		reason: "NotAdmitted", says: "no Organization acme/acme admits this namespace",
	}, {
		name: "a Role in an organization that admits applications from everywhere",
		spec: role + `{organizationRef: {name: open, namespace: open}, rules: [{scopes: ["org:admin"]}]}`, reason: "NotAdmitted", says: "no Organization open/open admits this namespace",
	}, {
		name:   "another's application as a subject",
		spec:   role + `{organizationRef: {name: evil}, rules: [{scopes: ["org:read"]}], subjects: [{kind: ApiApplication, name: ci, namespace: acme}]}`,
		reason: "RefNotFound", says: "no ApiApplication acme/ci is accepted by the Organization",
	}, {
		name:   "inheriting another's Role",
		spec:   role + `{organizationRef: {name: evil}, inherits: [{name: reader, namespace: acme}]}`,
		reason: "RefNotFound", says: "acme/reader",
	}, {
		name:   "asking for tokens for another's API",
		spec:   app + `{organizationRef: {name: evil}, type: Device, scopes: ["org:read"], resources: ["https://api.acme.example"]}`,
		reason: "RefNotFound", says: "no ApiApplication of Organization evil/evil has the audience",
	}, {
		name:   "posing as another's API",
		spec:   app + `{organizationRef: {name: evil}, type: Device, scopes: ["org:read"], audiences: ["https://api.acme.example"]}`,
		reason: "AudienceConflict", says: "belongs to an older ApiApplication", silent: "acme/ci",
	}, {
		name: "posing as the issuer",
		spec: app + `{organizationRef: {name: evil}, type: Device, scopes: ["org:read"], audiences: ["` + "%[2]s/organizations/acme" + `"]}`, reason: "InvalidSpec", says: "is at or below the issuer",
	}, {
		name: "a way to sign in of one's own", spec: "AuthProvider: {type: Local, local: {minLength: 8}}", reason: "NotAdmitted", says: "gatehouse-system",
	}, {
		name: "another's way to sign in",
		spec: org + `{slug: evil, login: {authProviders: [{name: okta, namespace: acme}]}}`,
		says: "no AuthProvider acme/okta of this Organization or of the installation is served", // of two findings: the slug has an owner
	}, {
		name: "a way to sign in to another organization",
		spec: idp + `{organizationRef: {name: acme, namespace: acme}, type: OIDC, oidc: {issuer: "https://evil.example", clientID: a}}`, reason: "NotAdmitted", says: "no Organization acme/acme admits this namespace",
	}, {
		name: "a way to sign in to an organization that admits applications from everywhere",
		spec: idp + `{organizationRef: {name: open, namespace: open}, type: OIDC, oidc: {issuer: "https://evil.example", clientID: a}}`, reason: "NotAdmitted", says: "no Organization open/open admits this namespace",
	}, {
		name: "a way to sign in to everything",
		spec: idp + `{type: OIDC, oidc: {issuer: "https://evil.example", clientID: a}}`, reason: "NotAdmitted", says: `accepted only in namespace "gatehouse-system"`,
	}, {
		name: "somebody's account by their address",
		spec: idp + `{organizationRef: {name: evil}, type: OIDC, oidc: {issuer: "https://evil.example", clientID: a}, provisioning: {linkBy: VerifiedEmail}}`, reason: "InvalidSpec", says: "only for an AuthProvider of the installation",
	}, {
		name: "passwords of one's own",
		spec: idp + `{organizationRef: {name: evil}, type: Local}`, reason: "InvalidSpec", says: "for the whole installation",
	}, {
		name: "what loops in what is asked of everybody who signs in",
		spec: idp + `{organizationRef: {name: evil}, type: OIDC, oidc: {issuer: "https://evil.example", clientID: a}, mapping: {groups: "claims.a.filter(x, claims.a.exists(y, claims.a.exists(z, x == z)))"}}`, reason: "InvalidSpec", says: "use fewer loops inside one another",
	}, {
		name: "what shares its parts a million times",
		spec: idp + `{organizationRef: {name: evil}, type: OIDC, oidc: {issuer: "https://evil.example", clientID: a}, mapping: {require: "[[1]]` + strings.Repeat(".map(x, x + x)", 40) + `.exists(x, x == x)"}}`, reason: "InvalidSpec", says: "use at most 8",
	},
}

// squats are moves to have a name that people know as another's.
var squats = []move{
	{name: "another's slug", spec: org + `{slug: acme}`, reason: "SlugNotGranted", says: `"acme" is not granted to namespace evil`},
	{name: "a slug that nobody has yet", spec: org + `{slug: initech}`, reason: "SlugNotGranted", says: `"initech" is not granted to namespace evil`},
	{
		name: "a client ID under another's slug",
		spec: app + `{organizationRef: {name: evil}, clientID: acme.cli, type: Device, scopes: ["org:read"]}`, reason: "InvalidSpec", says: `must be the Organization's slug, a dot and one label, such as "evil.cli"`,
	}, {
		name: "another's client ID",
		spec: app + `{organizationRef: {name: evil}, clientID: acme.web, type: Device, scopes: ["org:read"]}`, reason: "InvalidSpec", says: `"acme.web"`,
	}, {
		name: "another's default client ID",
		spec: app + `{organizationRef: {name: evil}, clientID: acme.acme.ci, type: Device, scopes: ["org:read"]}`, refused: "spec.clientID",
	}, {
		name:   "a client ID of an organization that admits everybody",
		spec:   app + `{organizationRef: {name: open, namespace: open}, clientID: open.cli, type: Device, scopes: ["org:read"]}`,
		reason: "ClientIDConflict", says: `"open.cli" belongs to an older ApiApplication`, silent: "open/first",
	},
}

func TestAForeignOrUnconsentedSecretNeverResolves(t *testing.T) { here.try(t, references) }
func TestNoPrivilegedOrForeignSecretIsWritten(t *testing.T)     { here.try(t, outputs) }
func TestNothingReachesIntoAnotherOrganization(t *testing.T)    { here.try(t, strangers) }
func TestNoNameOfAnotherIsTaken(t *testing.T)                   { here.try(t, squats) }

// try plays every move, as the person who may do it at all.
func (w *world) try(t *testing.T, moves []move) {
	w.before(t)
	t.Cleanup(func() { w.clean(t) })
	if err := w.apply(w.owner, ownOrganization); err != nil {
		t.Fatal(err)
	}
	w.becomes(t, "Organization evil/evil", "True")
	for i, m := range moves {
		t.Run(m.name, func(t *testing.T) { w.play(t, m, fmt.Sprintf("m%d", i)) })
	}
}

func (w *world) play(t *testing.T, m move, name string) {
	if m.first != "" {
		if err := w.apply(w.editor, m.first); err != nil {
			t.Fatal(err)
		}
		w.settled(t, m.first)
	}
	kind, spec, _ := strings.Cut(m.spec, ": ")
	spec = strings.NewReplacer("%[1]s", name, "%[2]s", w.issuer).Replace(spec)
	as := w.owner
	if kind == "ApiApplication" {
		as = w.editor
	}
	err := w.apply(as, fmt.Sprintf("{apiVersion: %s, kind: %s, metadata: {name: %s, namespace: evil}, spec: %s}", v1alpha1.GroupVersion, kind, name, spec))
	if m.refused != "" {
		if err == nil || !strings.Contains(err.Error(), m.refused) {
			t.Errorf("answered %v, want a refusal with %q", err, m.refused)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	of := kind + " evil/" + name
	var u *unstructured.Unstructured
	var c metav1.Condition
	eventually(t, "refused: "+of, func() error { // a Secret that is in the way is met only by writing
		u, c = w.judged(t, of)
		if c.Status != metav1.ConditionFalse || m.reason != "" && c.Reason != m.reason {
			return fmt.Errorf("Ready is %s %s: %s", c.Status, c.Reason, c.Message)
		}
		return nil
	})
	if !strings.Contains(c.Message, m.says) {
		t.Errorf("the message does not name %q: %s", m.says, c.Message)
	}
	text, err := json.Marshal(u)
	if err != nil {
		t.Fatal(err)
	}
	if m.silent != "" && strings.Contains(string(text), m.silent) {
		t.Errorf("it shows %q: %s", m.silent, text)
	}
	w.nothingShown(t, text)
	if m.first != "" && strings.Contains(m.first, "kind: Secret") {
		w.untouched(t, m.first)
	}
}

// settled waits until what was declared before a move is served.
func (w *world) settled(t *testing.T, manifest string) {
	t.Helper()
	u := decode(t, manifest)
	if u.GetKind() == "ApiApplication" {
		w.becomes(t, "ApiApplication evil/"+u.GetName(), "True")
	}
}

// untouched fails if a Secret is not as mallory declared it.
func (w *world) untouched(t *testing.T, manifest string) {
	t.Helper()
	u := decode(t, manifest)
	if s := w.secret(t, "evil/"+u.GetName()); string(s.Data["secret"]) != "mallory-mallory-mallory-mallory-mallory" || len(s.Data) != 1 {
		t.Errorf("the Secret was written: it has %d keys", len(s.Data))
	}
}

func decode(t *testing.T, manifest string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(manifest), &u.Object); err != nil {
		t.Fatal(err)
	}
	return u
}

// What RBAC keeps from a person who edits a namespace; each is asked for in earnest.
func TestWhoEditsANamespaceMayDoNothingElse(t *testing.T) {
	w := here
	w.before(t)
	t.Cleanup(func() { w.clean(t) })
	ctx := context.Background()
	own := `{apiVersion: auth.gatehouse.dev/v1alpha1, kind: ApiApplication, metadata: {name: own, namespace: evil}, spec: {organizationRef: {name: evil}, type: Device, scopes: ["org:read"]}%s}`
	if err := w.apply(w.editor, fmt.Sprintf(own, ", status: {observedGeneration: 1, clientID: acme.web, conditions: [{type: Ready, status: 'True', reason: Programmed, message: forged, lastTransitionTime: '2026-01-01T00:00:00Z'}]}")); err != nil {
		t.Fatal(err)
	}
	u, c := w.judged(t, "ApiApplication evil/own")
	if c.Reason != "NotAdmitted" || strings.Contains(fmt.Sprint(u.Object["status"]), "forged") {
		t.Errorf("a status that was forged at the creation stands: %v", u.Object["status"])
	}
	for name, act := range map[string]func(*person) error{
		"label another's Secret": func(p *person) error {
			s := w.secret(t, "acme/unlabelled")
			s.Labels = map[string]string{v1alpha1.SecretLabel: v1alpha1.SecretInput}
			return p.Update(ctx, s)
		},
		"read another's Secret":            func(p *person) error { return p.Get(ctx, key("acme/ci"), w.secret(t, "acme/ci")) },
		"read the Secret made for another": func(p *person) error { return p.Get(ctx, key("acme/web-credentials"), w.secret(t, "acme/ci")) },
		"read the keyring": func(p *person) error {
			return p.Get(ctx, key("gatehouse-system/gatehouse-keyring"), w.secret(t, "acme/ci"))
		},
		"see another's applications":   func(p *person) error { return p.List(ctx, &v1alpha1.ApiApplicationList{}, inNamespace("acme")) },
		"see everybody's applications": func(p *person) error { return p.List(ctx, &v1alpha1.ApiApplicationList{}) },
		"declare an application for another": func(p *person) error {
			return w.apply(p, strings.Replace(fmt.Sprintf(own, ""), "namespace: evil", "namespace: acme", 1))
		},
		"forge its own status": func(p *person) error {
			o, _ := w.judged(t, "ApiApplication evil/own")
			return p.Status().Update(ctx, o)
		},
		"take a slug in its Namespace": func(p *person) error { return annotate(ctx, w, p) },
		"take an Event's place":        func(p *person) error { return p.List(ctx, eventList(), inNamespace("acme")) },
		"take the Lease":               func(p *person) error { return p.Get(ctx, key("gatehouse-system/gatehouse-hostile"), lease()) },
		"declare a way to sign in for all": func(p *person) error {
			return w.apply(p, `{apiVersion: auth.gatehouse.dev/v1alpha1, kind: AuthProvider, metadata: {name: x, namespace: gatehouse-system}, spec: {type: Local}}`)
		},
		"give itself more in its own namespace": func(p *person) error {
			return w.apply(p, `{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: more, namespace: evil}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}, subjects: [{kind: User, name: mallory-the-editor}]}`)
		},
	} {
		for _, p := range []*person{w.editor, w.owner} {
			if err := act(p); !apierrors.IsForbidden(err) {
				t.Errorf("%s: answered %v", name, err)
			}
		}
	}
	for _, kind := range []string{"Organization: {slug: evil}", "Role: {organizationRef: {name: evil}}", "AuthProvider: {type: Local}"} {
		kind, spec, _ := strings.Cut(kind, ": ")
		err := w.apply(w.editor, fmt.Sprintf("{apiVersion: %s, kind: %s, metadata: {name: x, namespace: evil}, spec: %s}", v1alpha1.GroupVersion, kind, spec))
		if !apierrors.IsForbidden(err) {
			t.Errorf("the editor may declare %s: %v", kind, err)
		}
	}
}
