package incluster

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/test/localkube"
)

// takeover is how long nobody may lead: a Lease lasts 15 s from when the other saw it renewed,
// and it looks every 2 to 4.4 s (controllers/leader.go). The rest is for a slow machine.
const takeover = 30 * time.Second

// Two replicas have one keyring and a store each: what they share is the Lease.
func TestAFollowerServesAndTakesOverFromALeaderThatIsKilled(t *testing.T) {
	t.Parallel()
	c := start(t, small)
	leader := c.run(t, "leader")
	c.settle(t, leader)
	c.shareKeyring(t, leader, "follower")
	follower := c.run(t, "follower")

	stop := follower.asking()
	c.grant(t, "org:read")
	for _, r := range []*Replica{leader, follower} {
		eventually(t, "served by "+r.Name, func() error { return r.serves("org:read") })
	}
	c.said(t)
	c.settle(t, leader)
	if wrote := c.written(t, follower); len(wrote) > 0 {
		t.Errorf("a follower wrote:\n%s", byUserAndVerb(wrote))
	}

	leader.Kill()
	killed := time.Now()
	c.grant(t, "org:read", "project:read")
	eventually(t, "served by who is left", func() error { return follower.serves("org:read project:read") })
	served := time.Since(killed)
	if role, err := c.heldRole(t); err != nil || role.Status.ObservedGeneration == role.Generation {
		t.Errorf("somebody wrote status before the Lease was over: %v", err)
	}
	c.said(t)
	took := time.Since(killed)
	if took > takeover {
		t.Errorf("nobody wrote status for %s, longer than %s", took, takeover)
	}
	c.settle(t, follower)
	if wrote := c.written(t, follower); len(wrote) != 1 {
		t.Errorf("the new leader wrote more than what had changed:\n%s", byUserAndVerb(wrote))
	}
	asked, failed := stop()
	if failed != nil || asked < 100 {
		t.Errorf("of %d requests one failed: %v", asked, failed)
	}
	t.Logf("a change was served %s after the leader was killed, and its status written after %s; %d requests served", served, took, asked)
}

func (c *Cluster) written(t *testing.T, r *Replica) []localkube.Event {
	t.Helper()
	asked, err := c.Asked(r)
	if err != nil {
		t.Fatal(err)
	}
	return writes(asked)
}

// shareKeyring gives a replica that is to start the keyring of another.
func (c *Cluster) shareKeyring(t *testing.T, from *Replica, to string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(from.Data, "keyring.json"))
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(c.dir, "data-"+to)
	if err := errors.Join(os.MkdirAll(data, 0o700), os.WriteFile(filepath.Join(data, "keyring.json"), content, 0o600)); err != nil {
		t.Fatal(err)
	}
}
