package store_test

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/store/storetest"
)

// crashHere tells the test binary to be the process that is killed.
const crashHere = "GATEHOUSE_CRASH_HERE"

func TestMain(m *testing.M) {
	if place := os.Getenv(crashHere); place != "" {
		actUntilKilled(place)
	}
	os.Exit(m.Run())
}

// actUntilKilled consumes device codes, redeems authorization codes, rotates, and revokes, and prints each act after
// the store acknowledged it.
func actUntilKilled(place string) {
	ctx := context.Background()
	db, err := store.OpenSQLite(ctx, path(place))
	if err != nil {
		panic(err)
	}
	users, err := db.Users(ctx)
	if err != nil {
		panic(err)
	}
	var out sync.Mutex
	say := func(act string, id []byte) {
		out.Lock()
		defer out.Unlock()
		fmt.Printf("%s %s\n", act, hex.EncodeToString(id))
	}
	for range 8 {
		go func() {
			for {
				if err := oneLife(ctx, db, users[0], say); err != nil {
					panic(err)
				}
			}
		}()
	}
	select {}
}

func oneLife(ctx context.Context, db *store.DB, u store.User, say func(string, []byte)) error {
	d, g := storetest.Pending(), storetest.GrantOf(u)
	now := storetest.Noon
	if err := db.CreateDeviceCode(ctx, d); err != nil {
		return err
	}
	if err := db.ApproveDeviceCode(ctx, d.Hash, now, storetest.ApprovalOf(u), storetest.Act("device.approved")); err != nil {
		return err
	}
	if err := db.ConsumeDeviceCode(ctx, d.Hash, storetest.Application, now, g, target("grant.created", g.ID[:])); err != nil {
		return err
	}
	say("consumed", d.Hash)
	say("granted", g.ID[:])
	if err := db.RotateGrant(ctx, g.ID, 1, now, now.Add(time.Hour), target("grant.rotated", g.ID[:])); err != nil {
		return err
	}
	say("rotated", g.ID[:])
	if err := db.RevokeGrant(ctx, g.ID, now, "test", target("grant.revoked", g.ID[:])); err != nil {
		return err
	}
	say("revoked", g.ID[:])
	r := store.Revocation{Serial: [12]byte(d.Hash[:12]), ExpiresAt: now.Add(time.Hour)}
	if err := db.RevokeToken(ctx, r, target("token.revoked", r.Serial[:])); err != nil {
		return err
	}
	say("token", r.Serial[:])
	return oneCode(ctx, db, u, say)
}

func oneCode(ctx context.Context, db *store.DB, u store.User, say func(string, []byte)) error {
	s, g := storetest.SessionOf(u), storetest.GrantOf(u)
	if err := db.CreateSession(ctx, s, storetest.Act("session.created")); err != nil {
		return err
	}
	c := storetest.CodeOf(s)
	remember := storetest.ConsentOf(c)
	if err := db.CreateAuthorizationCode(ctx, c, &remember, target("code.created", c.Hash)); err != nil {
		return err
	}
	say("approved", c.Hash)
	err := db.RedeemAuthorizationCode(ctx, c.Hash, storetest.Application, storetest.Noon, g, target("grant.created", g.ID[:]))
	if err != nil {
		return err
	}
	say("redeemed", c.Hash)
	say("granted", g.ID[:])
	return nil
}

func target(action string, id []byte) store.Event {
	ev := storetest.Act(action)
	ev.Target = hex.EncodeToString(id)
	return ev
}

// TestNothingAcknowledgedIsLostWhenTheProcessIsKilled kills 5 times, or as often as
// GATEHOUSE_KILLS says.
func TestNothingAcknowledgedIsLostWhenTheProcessIsKilled(t *testing.T) {
	kills := 5
	if n, err := strconv.Atoi(os.Getenv("GATEHOUSE_KILLS")); err == nil {
		kills = n
	}
	place := t.TempDir()
	db := open(t, place)
	storetest.Person(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for round := range kills {
		acts := killed(t, place, 50+37*(round%7))
		db := open(t, place)
		verify(t, db, acts)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if t.Failed() {
			t.Fatalf("round %d, %d acts", round, len(acts))
		}
	}
}

// killed runs the child until it has acknowledged that many acts, kills it, and returns
// every act it acknowledged.
func killed(t *testing.T, place string, after int) []string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), self)
	child.Env = append(os.Environ(), crashHere+"="+place)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var acts []string
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if acts = append(acts, lines.Text()); len(acts) == after {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = child.Wait() // killed
	if len(acts) < after {
		t.Fatalf("the child ended by itself after %d acts", len(acts))
	}
	return acts
}

func verify(t *testing.T, db *store.DB, acts []string) {
	t.Helper()
	ctx := t.Context()
	if verdict, err := db.IntegrityCheck(ctx); verdict != "ok" {
		t.Errorf("integrity: %q %v", verdict, err)
	}
	all, err := db.Events(ctx, 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	logged := map[string]int{}
	for _, ev := range all {
		logged[ev.Action+" "+ev.Target]++
	}
	for act, n := range logged {
		if n > 1 && !strings.HasSuffix(act, " ") {
			t.Errorf("%s happened %d times", act, n)
		}
	}
	event := map[string]string{
		"approved": "code.created", "granted": "grant.created", "rotated": "grant.rotated", "revoked": "grant.revoked", "token": "token.revoked",
	}
	for _, line := range acts {
		act, text, _ := strings.Cut(line, " ")
		id, err := hex.DecodeString(text)
		if err != nil {
			continue // cut off by the kill
		}
		if action := event[act]; action != "" && logged[action+" "+text] != 1 {
			t.Errorf("%s is not in the audit log", line)
		}
		if err := holds(ctx, db, act, id); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// holds reports what of an acknowledged act is not in the store.
func holds(ctx context.Context, db *store.DB, act string, id []byte) error {
	switch act {
	case "consumed":
		users, err := db.Users(ctx)
		if err != nil {
			return err
		}
		g := storetest.GrantOf(users[0])
		err = db.ConsumeDeviceCode(ctx, id, storetest.Application, storetest.Noon, g, storetest.Act("grant.created"))
		switch {
		case err == nil:
			return errors.New("redeemed again")
		case errors.Is(err, store.ErrConflict):
			return nil
		}
		return err
	case "approved":
		c, err := db.AuthorizationCode(ctx, id)
		if err == nil {
			_, err = db.Consent(ctx, c.UserID, c.ApplicationUID, c.OrganizationID)
		}
		return err
	case "redeemed":
		return staysRedeemed(ctx, db, id)
	case "token":
		revoked, err := store.NewCache(db).Revoked(ctx, [12]byte(id))
		if err == nil && !revoked {
			return errors.New("lost")
		}
		return err
	}
	g, err := db.Grant(ctx, [16]byte(id))
	switch {
	case err != nil:
		return err
	case act == "rotated" && g.Generation != 2, act == "revoked" && g.RevokedAt.IsZero():
		return errors.New("lost")
	}
	return nil
}

func staysRedeemed(ctx context.Context, db *store.DB, hash []byte) error {
	users, err := db.Users(ctx)
	if err != nil {
		return err
	}
	g := storetest.GrantOf(users[0])
	err = db.RedeemAuthorizationCode(ctx, hash, storetest.Application, storetest.Noon, g, storetest.Act("grant.created"))
	switch {
	case err == nil:
		return errors.New("redeemed again")
	case !errors.Is(err, store.ErrConflict):
		return err
	}
	c, err := db.AuthorizationCode(ctx, hash)
	if err != nil {
		return err
	}
	_, err = db.Grant(ctx, c.GrantID)
	return err
}
