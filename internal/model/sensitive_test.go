package model_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

const secret = "nobody may print this"

type holder struct {
	Shown  model.Sensitive
	hidden model.Sensitive // where fmt calls no method
	Listed map[string]model.Sensitive
}

func TestNothingPrintsASensitive(t *testing.T) {
	s := model.NewSensitive(secret)
	h := holder{s, s, map[string]model.Sensitive{"a": model.KeepSensitive([]byte(secret))}}
	var printed bytes.Buffer
	for _, v := range []any{s, &s, h, &h, []holder{h}, map[string]*holder{"a": &h}, fmt.Errorf("with %v: %w", s, fmt.Errorf("%s", s))} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%c", "%U"} {
			fmt.Fprintf(&printed, verb+"\n", v)
		}
		slog.New(slog.NewTextHandler(&printed, nil)).Info("text", "value", v)
		slog.New(slog.NewJSONHandler(&printed, nil)).Info("json", "value", v)
		if text, err := json.Marshal(v); err == nil {
			printed.Write(text)
		}
	}
	if err := gob.NewEncoder(&printed).Encode(s); err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), fmt.Sprintf("%d", []byte(secret))[1:20], fmt.Sprintf("%#v", []byte(secret))[7:30]} {
		if strings.Contains(printed.String(), form) {
			t.Errorf("printed %q", form)
		}
	}
}

func TestASensitiveKeepsItsOwnCopy(t *testing.T) {
	raw := []byte(secret)
	s := model.NewSensitive(raw)
	clear(raw)
	if string(s.Reveal()) != secret {
		t.Error("the secret changed with the slice that it was made of")
	}
	if !s.Equal(model.NewSensitive(secret)) || s.Equal(model.NewSensitive("other")) || s.Equal(model.Sensitive{}) {
		t.Error("Equal is wrong")
	}
	var none model.Sensitive
	if !none.IsZero() || s.IsZero() || none.Reveal() != nil || !none.Equal(model.Sensitive{}) {
		t.Error("the zero value is not empty")
	}
	if s.Digest([]byte("a")) == s.Digest([]byte("b")) || s.Digest([]byte("a")) == none.Digest([]byte("a")) {
		t.Error("digests do not depend on data and key")
	}
}
