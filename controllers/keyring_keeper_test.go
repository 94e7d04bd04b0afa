package controllers

import (
	"fmt"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/gatehouse-dev/gatehouse/internal/keyring"
	"github.com/gatehouse-dev/gatehouse/test/keyringtest"
)

// Whoever may write in the system namespace, and keeps writing, fills neither the log nor
// the Events.
func TestAForeignKeyringThatKeepsChangingIsToldOfAtAPace(t *testing.T) {
	ours, err := keyringtest.New()
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := keyringtest.New()
	if err != nil {
		t.Fatal(err)
	}
	data := []byte(marshalled(t, theirs))
	k := (&KeyringSecret{namespace: systemNamespace}).Keep(ours, func(*keyring.Keyring, error) {})
	version := 0
	flap := func() {
		for range 100 {
			version++
			k.look(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{ResourceVersion: fmt.Sprint(version)}, Data: map[string][]byte{keyring.FileName: data}})
		}
	}
	recorder, clock := events.NewFakeRecorder(1000), clocktesting.NewFakeClock(time.Unix(0, 0))
	flap()
	go k.lead(t.Context(), recorder, clock, logr.Discard())
	for told := 1; told <= 3; told++ {
		for deadline := time.Now().Add(10 * time.Second); !clock.HasWaiters(); {
			if time.Now().After(deadline) {
				t.Fatal("nobody waits for the clock")
			}
			time.Sleep(time.Millisecond)
		}
		flap()
		if n := len(recorder.Events); n != told {
			t.Fatalf("%d Events after %d seconds", n, told-1)
		}
		clock.Step(repairEvery)
	}
}
