package pages

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"strings"
	"time"
)

// StaticPath is where Static is to be served.
const StaticPath = "/static/"

//go:embed static
var files embed.FS

type asset struct {
	name    string
	content []byte
}

var (
	assetPaths = map[string]string{} // name → path with the hash of the content in it
	assets     = map[string]asset{}  // that path → content
)

func init() {
	entries, err := files.ReadDir("static")
	if err != nil {
		panic(err) // they are embedded
	}
	for _, e := range entries {
		content, err := files.ReadFile("static/" + e.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(content)
		ext := path.Ext(e.Name())
		p := StaticPath + strings.TrimSuffix(e.Name(), ext) + "." + hex.EncodeToString(sum[:6]) + ext
		assetPaths[e.Name()], assets[p] = p, asset{e.Name(), content}
	}
}

// Asset returns the path of an embedded file.
func Asset(name string) string { return assetPaths[name] }

// Static serves the embedded files. Their names change with their content, so browsers
// may keep them for good.
func Static() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := assets[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		http.ServeContent(w, r, a.name, time.Time{}, bytes.NewReader(a.content))
	})
}
