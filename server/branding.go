package server

import (
	"cmp"
	"net/http"
	"path"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/authorization"
	"github.com/gatehouse-dev/gatehouse/server/pages"
)

// brandOf is how an organization is seen on the pages that are for its applications; nobody
// without a branding has a name there.
func brandOf(o *model.Organization) pages.Brand {
	if o == nil || o.Branding.PrimaryColor == "" && o.Branding.LogoPath == "" && o.Branding.SupportURL == "" {
		return pages.Brand{}
	}
	return pages.Brand{
		Name: cmp.Or(o.DisplayName, o.Slug), LogoPath: o.Branding.LogoPath,
		StylePath: o.Branding.StylePath, SupportURL: o.Branding.SupportURL,
	}
}

// brandFor is that of the organization that a request is for, or else of the application's
// own. Only a request that proves its application has one: nobody borrows it by a link.
func brandFor(req *authorization.Request) pages.Brand {
	if req.Organization != nil {
		return brandOf(req.Organization)
	}
	return brandOf(req.Owner)
}

// branding serves logos and colours. What is not declared any more is not served.
func branding(r *request) (answer, error) {
	content := r.Branding(model.BrandingPath + r.PathValue("file"))
	if content == nil {
		return nil, &refusal{words: oauth.Refuse(oauth.InvalidRequest, "there is nothing at this path"), status: http.StatusNotFound}
	}
	kind := "image/png"
	if path.Ext(r.PathValue("file")) == ".css" {
		kind = "text/css; charset=utf-8"
	}
	return brandingFile{kind, content}, nil
}

// brandingFile is what a tenant wrote, as far as it was let: as nothing but what it is, on a
// page of its own no more than a picture.
type brandingFile struct {
	kind    string
	content []byte
}

func (f brandingFile) write(w http.ResponseWriter, _ *request) {
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "public, max-age=31536000, immutable") // its name changes with it
	_, _ = w.Write(f.content)                                     // a peer that is gone needs no answer
}
