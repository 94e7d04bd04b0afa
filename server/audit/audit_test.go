package audit

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// log is one whose events are in memory.
type log struct {
	mu     sync.Mutex
	events []store.Event
	read   int64
	moved  bool // somebody else reads under the same name
}

func (l *log) add(actions ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range actions {
		l.events = append(l.events, store.Event{ID: int64(len(l.events) + 1), Time: noon, Action: a, Outcome: "ok"})
	}
}

func (l *log) ReadTo(context.Context, string) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.read, nil
}

func (l *log) EventsAfter(_ context.Context, id int64, limit int) ([]store.Event, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rest := l.events[id:]
	return rest[:min(len(rest), limit)], nil
}

func (l *log) HaveRead(_ context.Context, _ string, from, to int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.moved || l.read != from {
		l.moved = false
		return store.ErrConflict
	}
	l.read = to
	return nil
}

// teller keeps what it is told, and fails as often as it should.
type teller struct {
	told []string
	fail int
}

func (r *teller) Tell(_ context.Context, events []Event) error {
	if r.fail > 0 {
		r.fail--
		return errors.New("away")
	}
	for _, ev := range events {
		r.told = append(r.told, ev.Action)
	}
	return nil
}

// A receiver that is away misses nothing and gets everything in order; each failure waits
// longer, and the log says so once.
func TestWhatFailsIsToldAgainInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, to, said := &log{}, &teller{fail: 3}, &bytes.Buffer{}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			done <- Follower{Name: "x", Log: l, Teller: to, Report: slog.New(slog.NewTextHandler(said, nil))}.Run(ctx)
		}()
		l.add("one", "two")
		began := time.Now()
		time.Sleep(2*time.Second + 4*time.Second + 8*time.Second - time.Millisecond)
		synctest.Wait()
		if len(to.told) != 0 {
			t.Errorf("told after %s", time.Since(began))
		}
		l.add("three")
		time.Sleep(time.Second)
		synctest.Wait()
		if got := strings.Join(to.told, " "); got != "one two three" {
			t.Errorf("told %q", got)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if n := strings.Count(said.String(), "do not arrive"); n != 1 || !strings.Contains(said.String(), "arrive again") {
			t.Errorf("the log says so %d times: %s", n, said)
		}
	})
}

func TestAReplicaThatWasSecondIsNoFailure(t *testing.T) {
	l, to := &log{moved: true}, &teller{}
	l.add("one")
	if n, err := (Follower{Log: l, Teller: to}).step(t.Context()); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

func TestLinesAreOneObjectEach(t *testing.T) {
	var out bytes.Buffer
	err := Lines{&out}.Tell(t.Context(), []Event{Show(store.Event{ID: 7, Time: noon, Action: "session.started", Outcome: "refused", Reason: "two\nlines"}), {ID: 8}})
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if err != nil || len(lines) != 2 || lines[0] != `{"id":7,"time":"2026-03-01T12:00:00Z","action":"session.started","outcome":"refused","reason":"two\nlines"}` {
		t.Errorf("%v %q", err, lines)
	}
}

// The signature is that of Standard Webhooks 1.0, over what arrived.
func TestAWebhookIsSignedAndToldAgainUnderTheSameID(t *testing.T) {
	secret := model.NewSensitive("a secret of twenty-four bytes and more")
	var ids []string
	answer := http.StatusBadGateway
	receiver := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		id, at := r.Header.Get("Webhook-Id"), r.Header.Get("Webhook-Timestamp")
		sum := secret.Digest([]byte(id + "." + at + "." + string(body)))
		if got := r.Header.Get("Webhook-Signature"); got != "v1,"+base64.StdEncoding.EncodeToString(sum[:]) || at != "1772366400" {
			t.Errorf("signature %s at %s", got, at)
		}
		var in struct{ Events []Event }
		if err := json.Unmarshal(body, &in); err != nil || len(in.Events) != 2 || in.Events[1].Action != "b" || r.Method != http.MethodPost {
			t.Errorf("%s: %s, %v", r.Method, body, err)
		}
		ids = append(ids, id)
		w.WriteHeader(answer)
		_, _ = io.WriteString(w, "words of the receiver")
	}))
	defer receiver.Close()
	roots := receiver.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	hook := NewWebhook(receiver.URL+"/private", secret, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, func() time.Time { return noon })
	events := []Event{{ID: 3, Action: "a"}, {ID: 4, Action: "b"}}
	for answer = range map[int]bool{http.StatusBadGateway: true, http.StatusFound: true} {
		err := hook.Tell(t.Context(), events)
		if err == nil || strings.Contains(err.Error(), "words") || strings.Contains(err.Error(), "private") {
			t.Errorf("answered %d: %v", answer, err)
		}
	}
	answer = http.StatusNoContent
	if err := hook.Tell(t.Context(), events); err != nil {
		t.Error(err)
	}
	if len(ids) != 3 || ids[0] != ids[2] || ids[0] != "audit_3_4" {
		t.Errorf("IDs %q", ids)
	}
	receiver.Close()
	if err := hook.Tell(t.Context(), events); err == nil || strings.Contains(err.Error(), "private") {
		t.Errorf("away: %v", err)
	}
}

// The real log: a restart goes on where it was.
func TestARestartGoesOn(t *testing.T) {
	db, err := store.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "gatehouse.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	to := &teller{}
	follow := func() {
		t.Helper()
		if _, err := (Follower{Name: "webhook", Log: db, Teller: to}).step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	record := func(action string) {
		t.Helper()
		if err := db.Record(t.Context(), store.Event{Time: noon, Action: action, Outcome: "ok"}); err != nil {
			t.Fatal(err)
		}
	}
	record("before anybody followed")
	follow()
	record("one")
	follow()
	record("two")
	record("three")
	follow()
	follow()
	if got := strings.Join(to.told, " "); got != "one two three" {
		t.Errorf("told %q", got)
	}
}
