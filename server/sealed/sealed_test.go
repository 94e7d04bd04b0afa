package sealed

import (
	"bytes"
	"crypto/rand"
	"testing"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

type value struct{ Text string }

func newBox(t testing.TB, key byte) *Box {
	t.Helper()
	b, err := NewBox(model.NewSensitive(bytes.Repeat([]byte{key}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWhatIsSealedIsReadForItsPurposeUnderItsKeyOnly(t *testing.T) {
	b := newBox(t, 1)
	text, err := b.Seal("consent", value{"hello"})
	if err != nil {
		t.Fatal(err)
	}
	var got value
	if !b.Open("consent", text, &got) || got.Text != "hello" {
		t.Errorf("read %+v", got)
	}
	if again, _ := b.Seal("consent", value{"hello"}); again == text {
		t.Error("the same value is sealed twice alike")
	}
	if b.Open("another", text, &got) || newBox(t, 2).Open("consent", text, &got) || b.Open("consent", text[:len(text)-1], &got) {
		t.Error("it is read for another purpose, under another key, or cut")
	}
	if b.Open("consent", text+"\n", &got) {
		t.Error("it is read with a line end")
	}
	for i := range text {
		changed := []byte(text)
		if changed[i]++; b.Open("consent", string(changed), &got) {
			t.Errorf("changed at %d it is still read", i)
		}
	}
}

func TestAKeyOfTheWrongSizeMakesNoBox(t *testing.T) {
	if _, err := NewBox(model.NewSensitive([]byte("short"))); err == nil {
		t.Error("it makes one")
	}
}

// FuzzOpen: whatever we did not seal is not read. The key is this process's own: what its
// neighbours in the fuzzing have sealed is not ours either.
func FuzzOpen(f *testing.F) {
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	b, err := NewBox(model.NewSensitive(key))
	if err != nil {
		f.Fatal(err)
	}
	text, _ := b.Seal("consent", value{"hello"})
	f.Add(text + "A")
	f.Add("")
	f.Fuzz(func(t *testing.T, other string) {
		if other != text && b.Open("consent", other, &value{}) {
			t.Errorf("read %q", other)
		}
	})
}
