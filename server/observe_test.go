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

func TestAPanicCostsItsRequestAndIsLoggedUnderItsID(t *testing.T) {
	w := newTown(t)
	var log bytes.Buffer
	w.Log = slog.New(slog.NewJSONHandler(&log, nil))
	w.router["/broken"] = &route{path: "/broken", get: func(*request) (answer, error) { panic("broken on purpose") }}
	answer := w.open().get("/broken/")
	id := answer.Header().Get("X-Request-Id")
	want(t, "the answer", answer, http.StatusInternalServerError, id)
	if strings.Contains(answer.Body.String(), "on purpose") {
		t.Errorf("the caller is told the cause: %s", answer.Body)
	}
	for _, part := range []string{`"level":"ERROR"`, id, "broken on purpose", "observe_test.go"} {
		if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), part) {
			t.Errorf("the log lacks %s, or is not one line: %s", part, &log)
		}
	}
}

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
