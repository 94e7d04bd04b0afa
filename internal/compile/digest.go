package compile

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// digest identifies what is served of an organization, nil for nothing: what
// model.Describe shows, what that keeps to itself, and every object that was judged.
func digest(o *model.Organization, reports []*Report, key model.Sensitive) string {
	h := sha256.New()
	var objects strings.Builder
	for _, r := range reports {
		for _, part := range []string{r.Object.Kind, r.Object.Namespace, r.Object.Name, r.Object.UID} {
			objects.WriteString(part)
			objects.WriteByte(0)
		}
	}
	_, _ = io.WriteString(h, objects.String())
	if o == nil {
		return hex.EncodeToString(h.Sum(nil))
	}
	_, _ = io.WriteString(h, o.Describe())
	fmt.Fprintf(h, "%q %d\n", o.ID, o.CreatedAt.UnixNano())
	for _, p := range o.Providers {
		digestProvider(h, p, key)
	}
	applications := slices.SortedFunc(o.Applications(), func(a, b *model.Application) int { return strings.Compare(a.UID, b.UID) })
	for _, a := range applications {
		fmt.Fprintf(h, "%q\n", a.UID)
		for _, s := range a.Secrets {
			fmt.Fprintf(h, "%x %d %d\n", s.Digest, s.NotBefore.UnixNano(), s.NotAfter.UnixNano())
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// digestAll combines digests, so that one change costs its organization.
func digestAll(digests []string, providers []*model.Provider, key model.Sensitive) string {
	slices.Sort(digests)
	h := sha256.New()
	for _, d := range digests {
		_, _ = io.WriteString(h, d)
	}
	for _, p := range providers {
		digestProvider(h, p, key)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// digestProvider adds its secret under the key: a digest is shown, and a password may be
// weak enough to be found by trying.
func digestProvider(h io.Writer, p *model.Provider, key model.Sensitive) {
	fmt.Fprintf(h, "%q %s\n%x\n", p.UID, p.Describe(), key.Digest(p.Secret().Reveal()))
}
