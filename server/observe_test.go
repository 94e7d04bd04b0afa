package server

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestWhoHangsUpIsNoFaultOfOurs(t *testing.T) {
	w := newTown(t)
	var log bytes.Buffer
	w.Log = slog.New(slog.NewJSONHandler(&log, nil))
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "https://id.example/", nil)
	r.AddCookie(&http.Cookie{Name: sessionCookie, Value: "any"})
	w.Handler().ServeHTTP(httptest.NewRecorder(), r)
	if !strings.Contains(log.String(), `"status":503`) || strings.Contains(log.String(), "ERROR") {
		t.Errorf("logged as %s", &log)
	}
}
