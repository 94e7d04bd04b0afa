package compile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/jwk"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// Bounds of what the schema bounds too: files are read without an API server.
const (
	jwksMost            = 16384
	uriMost             = 1024
	serviceAccountsMost = 16
)

// publicKeys reads the keys whose private half proves the application (RFC 7523). Every one
// must be good: which of them an application uses is not known here.
func publicKeys(declared *v1alpha1.PublicKeySource, app *model.Application, r *Report) {
	const field = "spec.credentials.publicKey"
	switch {
	case declared == nil || declared.JWKS == "" && declared.JWKSURI == "":
		r.refuse(v1alpha1.ReasonInvalidSpec, field, "must give the application's public keys in jwks, or where it publishes them in jwksURI, with source: PublicKey")
	case declared.JWKS != "" && declared.JWKSURI != "":
		r.refuse(v1alpha1.ReasonInvalidSpec, field, "has both jwks and jwksURI; remove one of them")
	case declared.JWKSURI != "":
		app.Proofs.KeysURI = keysURI(declared.JWKSURI, field+".jwksURI", r)
	case len(declared.JWKS) > jwksMost:
		r.refuse(v1alpha1.ReasonInvalidSpec, field+".jwks", "must have at most %d bytes; list fewer keys, or publish them and use jwksURI", jwksMost)
	default:
		keys, problems := jwk.Parse([]byte(declared.JWKS))
		for _, p := range problems {
			at := field + ".jwks"
			if p.Path != "" {
				at += "." + p.Path
			}
			r.refuse(v1alpha1.ReasonInvalidSpec, at, "%s", p.Message)
		}
		app.Proofs.Keys = keys
	}
}

// keysURI admits what is fetched over TLS alone: whoever changes the answer on its way is
// the application. Which addresses it may lead to is seen where it is fetched.
func keysURI(raw, field string, r *Report) string {
	wrong := notFetched(raw)
	switch {
	case wrong == "":
		return raw
	case strings.Contains(raw, "@"): // what stands before it may be a password
		r.refuse(v1alpha1.ReasonInvalidSpec, field, "%s", wrong)
	default:
		r.refuse(v1alpha1.ReasonInvalidSpec, field, "%s %s", quote(raw), wrong)
	}
	return ""
}

// notFetched says why nothing is sent to a URI; empty: it is.
func notFetched(raw string) string {
	u, wrong := readURI(raw)
	switch {
	case wrong != "":
		return wrong
	case len(raw) > uriMost:
		return "is too long; use at most 1024 characters"
	case u.Scheme != "https":
		return "must use https"
	}
	return checkAuthority(raw, u)
}

// serviceAccounts reads whose projected tokens prove the application. To list one is to give
// away what the application may do, so a foreign namespace needs nobody's leave but that of
// who writes here.
func (t *tenancy) serviceAccounts(o *v1alpha1.ApiApplication, app *model.Application, r *Report) {
	const field = "spec.credentials.serviceAccounts"
	listed := o.Spec.Credentials.ServiceAccounts
	switch {
	case t.noCluster:
		r.refuse(v1alpha1.ReasonUnsupportedValue, "spec.credentials.source", "ServiceAccount needs a cluster, whose tokens prove the application, and these declarations are served from files; use Generated, FromSecret or PublicKey")
	case len(listed) == 0:
		r.refuse(v1alpha1.ReasonInvalidSpec, field, "must list a ServiceAccount with source: ServiceAccount")
	case len(listed) > serviceAccountsMost:
		r.refuse(v1alpha1.ReasonInvalidSpec, field, "must list at most %d ServiceAccounts", serviceAccountsMost)
		return
	}
	var all []model.ServiceAccount
	for i, s := range listed {
		account := model.ServiceAccount{Namespace: cmp.Or(s.Namespace, o.Namespace), Name: s.Name}
		switch {
		case len(validation.IsDNS1123Label(account.Namespace)) > 0:
			r.refuse(v1alpha1.ReasonInvalidSpec, fmt.Sprintf("%s[%d]", field, i)+".namespace", "%s is no name of a namespace; use lower-case letters, digits and '-'", quote(account.Namespace))
		case len(validation.IsDNS1123Subdomain(account.Name)) > 0:
			r.refuse(v1alpha1.ReasonInvalidSpec, fmt.Sprintf("%s[%d]", field, i)+".name", "%s is no name of a ServiceAccount; use lower-case letters, digits, '-' and '.'", quote(account.Name))
		default:
			all = append(all, account)
		}
	}
	slices.SortFunc(all, model.ServiceAccount.Compare)
	app.Proofs.ServiceAccounts = slices.Compact(all)
}
