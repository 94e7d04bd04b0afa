package compile

import (
	"bytes"
	"cmp"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// credentials reads how the application proves itself, and reports whether it declares
// to prove itself at all. Credentials restrict: without good ones it is not served.
func (t *tenancy) credentials(o *v1alpha1.ApiApplication, app *model.Application, r *Report) (confidential bool) {
	c := o.Spec.Credentials
	if c == nil {
		c = &v1alpha1.Credentials{}
	}
	source := cmp.Or(c.Source, defaultSource(o.Spec.Type))
	readWithItsSource(c, source, r)
	r.Output = &Wanted{} // none, unless one is declared or the source is Generated
	switch source {
	case v1alpha1.CredentialsNone:
		if needsSecret(o.Spec.Type) {
			r.refuse(v1alpha1.ReasonInvalidSpec, "spec.credentials.source", "an application of type %s proves itself; leave the field out, or use Generated, FromSecret, PublicKey or ServiceAccount", o.Spec.Type)
		}
		t.output(o, app, source, model.Sensitive{}, r)
		return false
	case v1alpha1.CredentialsFromSecret, v1alpha1.CredentialsGenerated, v1alpha1.CredentialsPublicKey, v1alpha1.CredentialsServiceAccount:
		if keepsNoSecret(o.Spec.Type) {
			// RFC 6749 section 2.1: whoever has its code has its secret.
			r.refuse(v1alpha1.ReasonInvalidSpec, "spec.credentials.source", "an application of type %s cannot keep a secret; use None, or create it as type Web if it runs on a server", o.Spec.Type)
			return false
		}
		switch {
		case source == v1alpha1.CredentialsGenerated:
			t.generated(o, app, r)
		case source == v1alpha1.CredentialsPublicKey:
			publicKeys(c.PublicKey, app, r)
			t.output(o, app, source, model.Sensitive{}, r)
		case source == v1alpha1.CredentialsServiceAccount:
			t.serviceAccounts(o, app, r)
			t.output(o, app, source, model.Sensitive{}, r)
		case c.FromSecret != nil:
			t.output(o, app, source, t.secret(o, app, r), r)
		}
		return true
	default:
		use := "None, Generated, FromSecret, PublicKey or ServiceAccount"
		switch {
		case needsSecret(o.Spec.Type):
			use = "Generated, FromSecret, PublicKey or ServiceAccount"
		case keepsNoSecret(o.Spec.Type):
			use = "None"
		}
		r.refuse(v1alpha1.ReasonUnsupportedValue, "spec.credentials.source", "%s is not served by this version; use %s", quote(source), use)
		return false
	}
}

// defaultSource is how an application of the type proves itself if it does not say.
func defaultSource(applicationType string) string {
	if needsSecret(applicationType) {
		return v1alpha1.CredentialsGenerated
	}
	return v1alpha1.CredentialsNone
}

// readWithItsSource refuses what says something about credentials of another source.
func readWithItsSource(c *v1alpha1.Credentials, source string, r *Report) {
	const rotation = "spec.credentials.rotation"
	for _, part := range []struct {
		name, source string
		declared     bool
	}{
		{"fromSecret", v1alpha1.CredentialsFromSecret, c.FromSecret != nil},
		{"publicKey", v1alpha1.CredentialsPublicKey, c.PublicKey != nil},
		{"serviceAccounts", v1alpha1.CredentialsServiceAccount, len(c.ServiceAccounts) > 0},
	} {
		field := "spec.credentials." + part.name
		switch {
		case part.declared && source != part.source:
			r.refuse(v1alpha1.ReasonInvalidSpec, field, "is only read with source: %s; remove it, or set source: %s", part.source, part.source)
		case !part.declared && source == part.source && part.name == "fromSecret":
			r.refuse(v1alpha1.ReasonInvalidSpec, field, "must name a Secret and a key with source: FromSecret")
		}
	}
	switch {
	case c.Rotation == nil || source == v1alpha1.CredentialsGenerated:
	case source == v1alpha1.CredentialsFromSecret && c.FromSecret != nil:
		r.refuse(v1alpha1.ReasonInvalidSpec, rotation, "Gatehouse replaces only secrets that it makes; remove it and replace the secret in Secret %s, or set source: Generated", quote(c.FromSecret.Name))
	default:
		r.refuse(v1alpha1.ReasonInvalidSpec, rotation, "is only read with source: Generated; remove it, or set source: Generated")
	}
}

// needsSecret reports whether applications of the type are never public.
func needsSecret(applicationType string) bool {
	return applicationType == v1alpha1.TypeWeb || applicationType == v1alpha1.TypeMachine
}

// keepsNoSecret reports whether applications of the type are in the hands of whoever uses
// them, and so always public.
func keepsNoSecret(applicationType string) bool {
	return applicationType == v1alpha1.TypeSPA || applicationType == v1alpha1.TypeNative
}

// secretCure is how an application of the type comes to have a secret.
func secretCure(applicationType string) string {
	if keepsNoSecret(applicationType) {
		return "create it as type Web, which has one"
	}
	return "set spec.credentials to source: Generated or FromSecret"
}

// secret digests the client secret of a Secret in the application's own namespace, and
// returns it. A Secret that is missing is waited for; one is never invented.
func (t *tenancy) secret(o *v1alpha1.ApiApplication, app *model.Application, r *Report) (plain model.Sensitive) {
	const field = "spec.credentials.fromSecret"
	name, key := secretName(o), o.Spec.Credentials.FromSecret.Key
	secret, found := t.findSecret(name)
	if !found {
		r.refuse(v1alpha1.ReasonSecretNotFound, field, "no Secret %s with the label %s: %s; create it or add the label, Gatehouse waits for it",
			show(name), v1alpha1.SecretLabel, v1alpha1.SecretInput)
		return plain
	}
	value, found := secret.Data[key]
	if !found {
		r.refuse(v1alpha1.ReasonSecretKeyMissing, field, "Secret %s has no key %s; add it", show(name), quote(key))
		return plain
	}
	read := withoutLineEnd(value.Reveal())
	if !presentable(read) {
		r.refuse(v1alpha1.ReasonSecretKeyMissing, field, "key %s of Secret %s must hold %d to %d printable ASCII characters without spaces; correct it there",
			quote(key), show(name), secretLengthLeast, secretLengthMost)
		return plain
	}
	app.Secrets = []model.ClientSecret{{Digest: t.digestKey.Digest(read)}}
	return model.NewSensitive(read)
}

// withoutLineEnd forgives one line end after the secret: editors and `echo` leave one in
// the file that `kubectl create secret --from-file` reads, and no client ever sends it.
// Nothing else is trimmed, so no character that was meant is lost.
func withoutLineEnd(secret []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(secret, []byte("\n")), []byte("\r"))
}

// presentable reports whether every client can send the secret unchanged (RFC 6749
// appendix A.2, without the space) and nobody can guess it.
func presentable(secret []byte) bool {
	if len(secret) < secretLengthLeast || len(secret) > secretLengthMost {
		return false
	}
	for _, c := range secret {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}
