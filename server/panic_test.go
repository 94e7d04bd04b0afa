package server

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/decide"
)

func TestAPanicIsAFaultThatIsLoggedAndAnswered(t *testing.T) {
	var log bytes.Buffer
	s := &Server{Config: Config{Issuer: "https://auth.example.com", Now: time.Now, Log: slog.New(slog.NewTextHandler(&log, nil))}}
	s.router = newRouter([]route{{path: "/bad", get: func(*request) (answer, error) { panic("out of luck") }}})
	s.world.Store(&decide.World{})
	out := httptest.NewRecorder()
	s.Handler().ServeHTTP(out, httptest.NewRequest(http.MethodGet, "/bad", nil))
	id := out.Header().Get("X-Request-Id")
	if out.Code != http.StatusInternalServerError || !strings.Contains(out.Body.String(), id) || strings.Contains(out.Body.String(), "luck") {
		t.Errorf("answered %d %s, want 500 with the request id and no more", out.Code, out.Body)
	}
	if !strings.Contains(log.String(), id) || !strings.Contains(log.String(), "out of luck") {
		t.Errorf("logged %s, want the request id and the panic", &log)
	}
}
