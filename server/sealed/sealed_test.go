package sealed

import (
	"bytes"
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

// FuzzOpen: whatever we did not seal is not read.
func FuzzOpen(f *testing.F) {
	b := newBox(f, 1)
	text, _ := b.Seal("consent", value{"hello"})
	f.Add(text + "A")
	f.Add("")
	f.Fuzz(func(t *testing.T, other string) {
		if other != text && b.Open("consent", other, &value{}) {
			t.Errorf("read %q", other)
		}
	})
}
