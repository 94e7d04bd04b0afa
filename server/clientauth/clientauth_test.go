package clientauth

import (
	"encoding/base64"
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func fixture() (*Authenticator, *model.Snapshot) {
	key := model.NewSensitive("digest key")
	confidential := &model.Application{UID: "1", ClientID: "acme.ci", Secrets: []model.ClientSecret{
		{Digest: key.Digest([]byte("old"))},
		{Digest: key.Digest([]byte("n:e+w %"))},
		{Digest: key.Digest([]byte("in its overlap")), NotAfter: noon.Add(time.Nanosecond)},
		{Digest: key.Digest([]byte("ended")), NotAfter: noon},
		{Digest: key.Digest([]byte("begins")), NotBefore: noon},
		{Digest: key.Digest([]byte("of tomorrow")), NotBefore: noon.Add(time.Nanosecond)},
	}}
	public := &model.Application{UID: "2", ClientID: "acme.cli"}
	expired := &model.Application{UID: "3", ClientID: "acme.old", ExpiresAt: noon}
	o := model.Organization{ID: "o", Slug: "acme"}.WithMembers([]*model.Application{confidential, public, expired}, nil)
	return New(Options{DigestKey: key}), model.NewSnapshot("", []*model.Organization{o}, nil, nil)
}

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
}

func TestWhoIsAdmitted(t *testing.T) {
	a, s := fixture()
	for name, c := range map[string]struct {
		header string
		form   url.Values
		code   string // empty: admitted
	}{
		"Basic":                              {basic("acme.ci", url.QueryEscape("n:e+w %")), nil, ""},
		"the other of two secrets":           {basic("acme.ci", "old"), nil, ""},
		"one that ends in a moment":          {basic("acme.ci", "in its overlap"), nil, ""},
		"one that begins now":                {basic("acme.ci", "begins"), nil, ""},
		"one that has ended":                 {basic("acme.ci", "ended"), nil, oauth.InvalidClient},
		"one that has not begun":             {basic("acme.ci", "of tomorrow"), nil, oauth.InvalidClient},
		"the scheme in any case":             {"bAsIc " + basic("acme.ci", "old")[6:], nil, ""},
		"the body":                           {"", url.Values{"client_id": {"acme.ci"}, "client_secret": {"old"}}, ""},
		"public by Basic with empty secret":  {basic("acme.cli", ""), nil, ""},
		"public by the body":                 {"", url.Values{"client_id": {"acme.cli"}}, ""},
		"not form-encoded":                   {basic("acme.ci", "n:e+w %"), nil, ""},
		"encoded twice":                      {basic("acme.ci", url.QueryEscape(url.QueryEscape("n:e+w %"))), nil, oauth.InvalidClient},
		"public with a secret":               {basic("acme.cli", "x"), nil, oauth.InvalidClient},
		"a secret with more at its end":      {basic("acme.ci", "old%20"), nil, oauth.InvalidClient},
		"an expired application":             {"", url.Values{"client_id": {"acme.old"}}, oauth.InvalidClient},
		"nobody":                             {"", nil, oauth.InvalidClient},
		"an empty Basic secret and a body's": {basic("acme.ci", ""), url.Values{"client_secret": {"old"}}, oauth.InvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := a.Authenticate(t.Context(), s, noon, c.header, c.form)
			var refused *oauth.Error
			switch {
			case c.code == "" && (err != nil || got.Application == nil):
				t.Errorf("refused: %v", err)
			case c.code != "" && (!errors.As(err, &refused) || refused.Code != c.code || got.Application != nil):
				t.Errorf("%v, want %s", err, c.code)
			}
		})
	}
}

func FuzzBasicHeader(f *testing.F) {
	a, s := fixture()
	f.Add(basic("acme.ci", "old"), "", "")
	f.Add("Basic Og==", "acme.cli", "x")
	f.Fuzz(func(t *testing.T, header, id, secret string) {
		got, err := a.Authenticate(t.Context(), s, noon, header, url.Values{"client_id": {id}, "client_secret": {secret}})
		if (err == nil) != (got.Application != nil) {
			t.Errorf("%+v and %v", got, err)
		}
		var refused *oauth.Error
		if err != nil && !errors.As(err, &refused) {
			t.Errorf("%v is no refusal", err)
		}
	})
}
