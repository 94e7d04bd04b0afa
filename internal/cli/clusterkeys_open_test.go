package cli

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/gatehouse-dev/gatehouse/controllers"
	"github.com/gatehouse-dev/gatehouse/internal/keyring"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// The Secret is made once, for all replicas: what is put there by mistake is not taken back.
func TestKeysThatTheStoreDoesNotKnowAreNeverPutIntoTheSecret(t *testing.T) {
	var made atomic.Int64
	there := "" // the Secret
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Method == http.MethodPost {
			made.Add(1)
			body, _ := io.ReadAll(r.Body)
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write(body)
			return
		}
		_, _ = io.WriteString(w, `{"kind":"SecretList","apiVersion":"v1","metadata":{},"items":[`+there+`]}`)
	}))
	t.Cleanup(api.Close)
	secret, err := controllers.NewKeyringSecret(&rest.Config{Host: api.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"}}, "gatehouse-system")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	db, err := store.OpenSQLite(t.Context(), filepath.Join(dir, "gatehouse.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	local, err := keyring.Open(dir, func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	c := &clusterKeys{secret, dir, db}
	if err := db.RememberKey(t.Context(), "0123456789abcdef"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.open(t.Context()); err == nil || !strings.Contains(err.Error(), "0123456789abcdef") || made.Load() > 0 {
		t.Errorf("keys of another store: %v, %d Secrets made", err, made.Load())
	}
	if err := db.RememberKey(t.Context(), local.Fingerprint()); err != nil {
		t.Fatal(err)
	}
	if keys, err := c.open(t.Context()); err != nil || !keys.Same(local) || made.Load() != 1 {
		t.Errorf("keys of this store: %v, %d Secrets made", err, made.Load())
	}

	// The Secret is right, and the copy beside the store is of somebody else.
	data, err := local.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	there = fmt.Sprintf(`{"metadata":{"name":"gatehouse-keyring"},"data":{"keyring.json":%q}}`, base64.StdEncoding.EncodeToString(data))
	if err := os.Remove(filepath.Join(dir, keyring.FileName)); err != nil {
		t.Fatal(err)
	}
	if _, err := keyring.Open(dir, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := c.open(t.Context()); err == nil || !strings.Contains(err.Error(), "move the file away") {
		t.Errorf("a copy of another installation: %v", err)
	}
}
