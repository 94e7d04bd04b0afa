package controllers

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/test/localkube"
)

// rulesTripped has at least one object for each CEL rule. Without update it is refused at
// its creation; with one, its update is.
var rulesTripped = []struct {
	kind, field  string
	name         string // default: x
	spec, update string
}{
	{kindOrganization, "", "a.b", `{slug: acme}`, ""},
	{kindOrganization, "", strings.Repeat("a", 64), `{slug: acme}`, ""},
	{kindOrganization, "spec.slug", "", `{slug: acme}`, `{slug: other}`},
	{kindOrganization, "spec.allowedNamespaces.apiApplications.selector", "", `{slug: acme, allowedNamespaces: {apiApplications: {from: Selector}}}`, ""},
	{kindOrganization, "spec.allowedNamespaces.apiApplications.selector", "", `{slug: acme, allowedNamespaces: {apiApplications: {from: All, selector: {}}}}`, ""},
	{kindOrganization, "spec.allowedNamespaces.apiApplications.selector.matchExpressions.values", "", `{slug: acme, allowedNamespaces: {apiApplications: {from: Selector, selector: {matchExpressions: [{key: team, operator: In}]}}}}`, ""},
	{kindOrganization, "spec.allowedNamespaces.roles.selector", "", `{slug: acme, allowedNamespaces: {roles: {from: Selector}}}`, ""},
	{kindOrganization, "spec.allowedNamespaces.roles.selector.matchExpressions.values", "", `{slug: acme, allowedNamespaces: {roles: {from: Selector, selector: {matchExpressions: [{key: team, operator: Exists, values: [a]}]}}}}`, ""},
	{kindOrganization, "spec.externalApplications.clientIDs", "", `{slug: acme, externalApplications: {from: List}}`, ""},
	{kindOrganization, "spec.externalApplications.clientIDs", "", `{slug: acme, externalApplications: {from: All, clientIDs: [globex.dashboard]}}`, ""},

	{kindApplication, "", "a.b", `{organizationRef: {name: acme}, type: Device, scopes: ["org:read"]}`, ""},
	{kindApplication, "spec.organizationRef", "", `{organizationRef: {name: acme}, type: Device, scopes: ["org:read"]}`, `{organizationRef: {name: other}, type: Device, scopes: ["org:read"]}`},
	{kindApplication, "spec.type", "", `{organizationRef: {name: acme}, type: Device, scopes: ["org:read"]}`, `{organizationRef: {name: acme}, type: Machine, scopes: ["org:read"]}`},
	{kindApplication, "spec.clientID", "", `{organizationRef: {name: acme}, type: Device, scopes: ["org:read"]}`, `{organizationRef: {name: acme}, type: Device, scopes: ["org:read"], clientID: acme.cli}`},
	{kindApplication, "spec.clientID", "", `{organizationRef: {name: acme}, type: Device, scopes: ["org:read"], clientID: acme.cli}`, `{organizationRef: {name: acme}, type: Device, scopes: ["org:read"]}`},
	{kindApplication, "spec.clientID", "", `{organizationRef: {name: acme}, type: Device, scopes: ["org:read"], clientID: acme.cli}`, `{organizationRef: {name: acme}, type: Device, scopes: ["org:read"], clientID: acme.other}`},
	{kindApplication, "spec.credentials.fromSecret", "", `{organizationRef: {name: acme}, type: Machine, scopes: ["org:read"], credentials: {source: FromSecret}}`, ""},
	{kindApplication, "spec.credentials.fromSecret", "", `{organizationRef: {name: acme}, type: Device, scopes: ["org:read"], credentials: {source: None, fromSecret: {name: a, key: b}}}`, ""},
	{kindApplication, "spec.credentials.output.secretName", "", `{organizationRef: {name: acme}, type: Machine, scopes: ["org:read"], credentials: {source: FromSecret, fromSecret: {name: a, key: b}, output: {secretName: a}}}`, ""},
	{kindApplication, "spec.credentials.publicKey", "", `{organizationRef: {name: acme}, type: Machine, scopes: ["org:read"], credentials: {source: PublicKey}}`, ""},
	{kindApplication, "spec.credentials.publicKey", "", `{organizationRef: {name: acme}, type: Machine, scopes: ["org:read"], credentials: {publicKey: {jwksURI: "https://ci.example/jwks"}}}`, ""},
	{kindApplication, "spec.credentials.publicKey.jwksURI", "", `{organizationRef: {name: acme}, type: Machine, scopes: ["org:read"], credentials: {source: PublicKey, publicKey: {}}}`, ""},
	{kindApplication, "spec.credentials.publicKey.jwksURI", "", `{organizationRef: {name: acme}, type: Machine, scopes: ["org:read"], credentials: {source: PublicKey, publicKey: {jwks: '{"keys":[]}', jwksURI: "https://ci.example/jwks"}}}`, ""},
	{kindApplication, "spec.credentials.publicKey.jwks", "", `{organizationRef: {name: acme}, type: Machine, scopes: ["org:read"], credentials: {source: PublicKey, publicKey: {jwks: '{"keys":[{"kty":"EC","d" : "x"}]}'}}}`, ""},
	{kindApplication, "spec.credentials.publicKey.jwks", "", `{organizationRef: {name: acme}, type: Machine, scopes: ["org:read"], credentials: {source: PublicKey, publicKey: {jwks: '{"keys":[{"kty":"oct","k":"x"}]}'}}}`, ""},
	{kindApplication, "spec.credentials.serviceAccounts", "", `{organizationRef: {name: acme}, type: Machine, scopes: ["org:read"], credentials: {source: ServiceAccount}}`, ""},
	{kindApplication, "spec.credentials.serviceAccounts", "", `{organizationRef: {name: acme}, type: Machine, scopes: ["org:read"], credentials: {source: None, serviceAccounts: [{name: ci}]}}`, ""},
	{kindApplication, "spec.credentials.output.labels", "", `{organizationRef: {name: acme}, type: Machine, scopes: ["org:read"], credentials: {output: {labels: {argocd.argoproj.io/secret-type: cluster}}}}`, ""},
	{kindApplication, "spec.credentials.output.labels", "", `{organizationRef: {name: acme}, type: Machine, scopes: ["org:read"], credentials: {output: {labels: {auth.gatehouse.dev/secret: keyring}}}}`, ""},
	{kindApplication, "spec.credentials.output.annotations", "", `{organizationRef: {name: acme}, type: Machine, scopes: ["org:read"], credentials: {output: {annotations: {kubernetes.io/service-account.name: default}}}}`, ""},
	{kindApplication, "spec.credentials.output.annotations", "", `{organizationRef: {name: acme}, type: Machine, scopes: ["org:read"], credentials: {output: {annotations: {x.k8s.io/y: z}}}}`, ""},

	{kindRole, "", "a.b", `{organizationRef: {name: acme}}`, ""},
	{kindRole, "spec.organizationRef", "", `{organizationRef: {name: acme}}`, `{organizationRef: {name: acme, namespace: other}}`},
	{kindRole, "spec.subjects.provider", "", `{organizationRef: {name: acme}, subjects: [{kind: Group, name: platform}]}`, ""},
	{kindRole, "spec.subjects.provider", "", `{organizationRef: {name: acme}, subjects: [{kind: User, name: ann@acme.com, provider: {name: okta}}]}`, ""},
	{kindRole, "spec.subjects.namespace", "", `{organizationRef: {name: acme}, subjects: [{kind: User, name: ann@acme.example, namespace: acme}]}`, ""},

	{kindProvider, "", "a.b", `{type: Local}`, ""},
	{kindProvider, "spec.type", "", `{type: Local}`, `{type: OIDC}`},
	{kindProvider, "spec.local", "", `{type: OIDC, local: {}}`, ""},
	{kindProvider, "spec.oidc.issuer", "", `{type: OIDC, oidc: {issuer: "https://a.example", clientID: a}}`, `{type: OIDC, oidc: {issuer: "https://b.example", clientID: a}}`},
	{kindProvider, "spec.oauth2.userInfoURL", "", `{type: OAuth2, oauth2: {authorizationURL: "https://a.example/a", tokenURL: "https://a.example/t", userInfoURL: "https://a.example/u", clientID: a, clientSecretRef: {name: a, key: b}}}`, `{type: OAuth2, oauth2: {authorizationURL: "https://a.example/a", tokenURL: "https://a.example/t", userInfoURL: "https://b.example/u", clientID: a, clientSecretRef: {name: a, key: b}}}`},
	{kindProvider, "spec.github.baseURL", "", `{type: GitHub, github: {clientID: a, clientSecretRef: {name: a, key: b}}}`, `{type: GitHub, github: {clientID: a, clientSecretRef: {name: a, key: b}, baseURL: "https://git.example"}}`},
	{kindProvider, "spec.oidc", "", `{type: OIDC}`, ""},
	{kindProvider, "spec.oidc", "", `{type: Local, oidc: {issuer: "https://a.example", clientID: a}}`, ""},
	{kindProvider, "spec.oauth2", "", `{type: OAuth2}`, ""},
	{kindProvider, "spec.github", "", `{type: GitHub}`, ""},
	{kindProvider, "spec.saml", "", `{type: SAML}`, ""},
	{kindProvider, "spec.saml", "", `{type: LDAP, saml: {metadataURL: "https://a.example"}}`, ""},
	{kindProvider, "spec.ldap", "", `{type: LDAP}`, ""},
	{kindProvider, "spec.saml.metadataURL", "", `{type: SAML, saml: {}}`, ""},
	{kindProvider, "spec.saml.metadataURL", "", `{type: SAML, saml: {metadata: x, metadataURL: "https://a.example"}}`, ""},
	{kindProvider, "spec.ldap.bindPasswordRef", "", `{type: LDAP, ldap: {url: "ldaps://a.example", bindDN: cn=a, userSearch: {baseDN: ou=a}}}`, ""},
	{kindProvider, "spec.ldap.bindPasswordRef", "", `{type: LDAP, ldap: {url: "ldaps://a.example", bindPasswordRef: {name: a, key: b}, userSearch: {baseDN: ou=a}}}`, ""},
	{kindProvider, "spec.mapping", "", `{type: Local, mapping: {}}`, ""},
	{kindProvider, "spec.provisioning", "", `{type: Local, provisioning: {}}`, ""},
	{kindProvider, "spec.groupsMaxAge", "", `{type: Local, groupsMaxAge: 1h}`, ""},
	{kindProvider, "spec.organizationRef", "", `{type: Local, organizationRef: {name: acme}}`, `{type: Local}`},
	{kindProvider, "spec.organizationRef", "", `{type: Local}`, `{type: Local, organizationRef: {name: acme}}`},
	{kindProvider, "spec.organizationRef", "", `{type: Local, organizationRef: {name: acme}}`, `{type: Local, organizationRef: {name: other}}`},
	{kindOrganization, "spec.allowedNamespaces.authProviders.selector", "", `{slug: acme, allowedNamespaces: {authProviders: {from: Selector}}}`, ""},
	{kindOrganization, "spec.allowedNamespaces.authProviders.selector.matchExpressions.values", "", `{slug: acme, allowedNamespaces: {authProviders: {from: Selector, selector: {matchExpressions: [{key: team, operator: In}]}}}}`, ""},
}

func TestEveryRuleOfTheSchemaIsTrippedWithItsMessage(t *testing.T) {
	rules, tripped := schemaRules(t), map[string]bool{}
	b := newBench(t, kube)
	b.namespace("rules")
	for i, r := range rulesTripped {
		name := r.name
		if name == "" {
			name = fmt.Sprintf("x%d", i)
		}
		err := b.trip(r.kind, name, r.spec, r.update)
		place := r.kind + " " + r.field
		tripped[place] = true
		if rules[place] == "" {
			t.Errorf("%s has no rule", place)
		} else if why := refusedBy(err, r.field, rules[place]); why != "" {
			t.Errorf("%s %s %s → %s: %s", r.kind, name, r.spec, r.update, why)
		}
	}
	for place, message := range rules {
		if !tripped[place] {
			t.Errorf("no object trips the rule at %s: %s", place, message)
		}
	}
}

// trip creates the object, or creates it and updates it, and returns the last answer.
func (b *bench) trip(kind, name, spec, update string) error {
	b.t.Helper()
	object := func(spec string) *unstructured.Unstructured {
		return documents(fmt.Appendf(nil, "{apiVersion: %s, kind: %s, metadata: {name: %s, namespace: rules}, spec: %s}", v1alpha1.GroupVersion, kind, name, spec))[0]
	}
	o := object(spec)
	if update == "" {
		return b.Create(b.t.Context(), o, client.DryRunAll)
	}
	if err := b.Create(b.t.Context(), o); err != nil {
		b.t.Fatalf("%s: %v", spec, err)
	}
	next := object(update)
	next.SetResourceVersion(o.GetResourceVersion())
	return b.Update(b.t.Context(), next, client.DryRunAll)
}

var index = regexp.MustCompile(`\[[0-9]+\]`)

// refusedBy says what is wrong with a refusal: it must be for this field with this message.
func refusedBy(err error, field, message string) string {
	var status apierrors.APIStatus
	if !apierrors.IsInvalid(err) || !errors.As(err, &status) {
		return fmt.Sprintf("not refused as invalid: %v", err)
	}
	if field == "" {
		field = "<nil>" // as the API server calls the object itself
	}
	for _, cause := range status.Status().Details.Causes {
		if index.ReplaceAllString(cause.Field, "") == field && strings.Contains(cause.Message, message) {
			return ""
		}
	}
	return fmt.Sprintf("refused, but not at %q with %q: %v", field, message, err)
}

// schemaRules finds every CEL rule: "Kind field" → its message.
func schemaRules(t *testing.T) map[string]string {
	t.Helper()
	definitions, err := localkube.Definitions()
	if err != nil {
		t.Fatal(err)
	}
	rules := map[string]string{}
	for _, d := range definitions {
		walk(d.Spec.Versions[0].Schema.OpenAPIV3Schema, "", func(field, message string) {
			place := d.Spec.Names.Kind + " " + field
			if rules[place] != "" {
				t.Fatalf("%s has two rules: this test tells them apart by their place", place)
			}
			rules[place] = message
		})
	}
	return rules
}

func walk(s *apiextensionsv1.JSONSchemaProps, field string, found func(field, message string)) {
	for _, r := range s.XValidations {
		found(strings.TrimPrefix(field+r.FieldPath, "."), r.Message)
	}
	if s.Items != nil {
		walk(s.Items.Schema, field, found)
	}
	for name, p := range s.Properties {
		walk(&p, strings.TrimPrefix(field+"."+name, "."), found)
	}
}
