package compile

import (
	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// Input is everything that Compile looks at. Its objects are read-only: they may be
// shared with a watch cache. The order of its slices has no meaning.
type Input struct {
	Organizations []*v1alpha1.Organization
	Applications  []*v1alpha1.ApiApplication
	Roles         []*v1alpha1.Role
	Providers     []*v1alpha1.AuthProvider

	Secrets    []Secret    // those labelled `input`
	Outputs    []Output    // those labelled `output`, and those known to stand in their way
	Namespaces []Namespace // every namespace that can be read

	// Adopted says under which ID an object goes on, by its UID: that of the first object of
	// its name, which an administrator had it be. Every other object's ID is its UID.
	Adopted map[string]string

	// Unread are namespaces of which nothing is known: what they declare is not here, and is
	// not gone either.
	Unread []string
	// SystemNamespace holds the installation-wide AuthProviders.
	SystemNamespace string
	// AnySlug admits every slug without a grant by its Namespace (standalone mode).
	AnySlug bool
	// Issuer is the name of the installation, whose URIs no application may take for an
	// audience; empty where it is not known.
	Issuer string
	// Dev: it is for trying out; what only weakens one that people use is not flagged.
	Dev bool
	// AssumeOutputs takes the Secrets that Gatehouse writes to be there: whoever judges
	// declarations without serving them sees what will be served.
	AssumeOutputs bool
	// NoCluster: there is no cluster whose ServiceAccounts could prove an application
	// (standalone mode).
	NoCluster bool
	// DigestKey is the key under which client secrets are digested.
	DigestKey model.Sensitive
}

// Secret is a Kubernetes Secret labelled `input`.
type Secret struct {
	Namespace, Name string
	// Version changes whenever the content does (the resourceVersion, or a hash).
	Version string
	Data    map[string]model.Sensitive
}

// Output is a Kubernetes Secret labelled `output`, by what tells no secret; or one that is
// not to be seen, known only because it stands where one is to be written.
type Output struct {
	Namespace, Name string
	// Version changes whenever the Secret does.
	Version string
	// Owner is the UID of the ApiApplication that it was made for; empty if it was not made
	// by Gatehouse.
	Owner string
	// Credentials is the annotation that lists digests; see internal/credential.
	Credentials string
	// Values are the digests of its values, by key, under the DigestKey.
	Values map[string]model.SecretDigest
}

// Namespace is what a cluster administrator says of a namespace.
type Namespace struct {
	Name   string
	Labels map[string]string
	Slugs  []string // granted besides its own name
}
