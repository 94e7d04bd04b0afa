package server

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/passkeys"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/test/authenticator"
)

// A counter that goes back says that there are two of the key, and not which one is whose:
// neither signs in any more.
func TestACopiedKeyIsRefusedAndBlocked(t *testing.T) {
	for what, path := range map[string]string{"alone": alonePath, "as a second factor": keyPath} {
		t.Run(what, func(t *testing.T) {
			w, k, codes := withKey(t)
			copied := k.Copy()
			thief := w.open()
			wantTo(t, "the copy, first", thief.byPasskey(t, copied), "/")
			w.pass(time.Minute)
			b := w.open()
			answer := b.post(path, b.filled(t, path, k))
			want(t, "the owner's", answer, http.StatusForbidden, keyRefused)
			w.wantEvent(t, "factor.blocked refused its counter went back: it may have been copied")
			w.wantEvent(t, "session.started refused key may have been copied: its counter went back")
			copied.Count += 100
			w.open().refusedAlone(t, copied, "passkey is blocked: it may have been copied")

			// The owner is told, and gets in by another way.
			owner := w.open()
			page := owner.signIn(t, "ann@example.com", rightPassword)
			if strings.Contains(page.Body.String(), "data-webauthn") {
				t.Error("a blocked key is offered")
			}
			owner.post(secondPath, withCredential(fields(t, page, secondPath), "code", codes[0]))
			want(t, "the list", owner.get(factorsPath), http.StatusOK, "somebody may have copied it")
			want(t, "the activity", owner.get(activityPath), http.StatusOK, "A key was refused and blocked")
			remove := fields(t, owner.get(factorsPath), factorsPath)
			remove.Set("act", "remove")
			wantTo(t, "it is removed", owner.post(factorsPath, remove), factorsPath+"?done=removed")
		})
	}
}

func withCredential(form map[string][]string, name, value string) map[string][]string {
	form[name] = []string{value}
	return form
}

// A key that counts says so from the first: then 0 is going back too.
func TestACounterThatStandsStillIsACopy(t *testing.T) {
	for what, count := range map[string]uint32{"the same again": 1, "nothing any more": 0} {
		w, k, _ := withKey(t)
		k.Step, k.Count = 0, count
		w.open().refusedAlone(t, k, "key may have been copied: its counter went back")
		if f := w.factorsOf(t, "ann@example.com")[0]; f.Key.BlockedAt.IsZero() {
			t.Errorf("%s: it is not blocked", what)
		}
	}
}

func TestNobodySignsInByAKeyOfAnother(t *testing.T) {
	w, anns, _ := withKey(t)
	bobs := newKey()
	w.signedIn(t, "bob@example.com").adds(t, bobs)
	b := w.open()
	b.refused(t, "Bob's key at Ann's sign-in", b.post(keyPath, b.byBoth(t, bobs)), "key of nobody, or of somebody else")
	bobs.Lie.ID = anns.ID
	b.refused(t, "under the name of Ann's", b.post(keyPath, b.byBoth(t, bobs)), "key: the signature of the key does not fit")
	w.open().refusedAlone(t, bobs, "passkey: the signature of the key does not fit")
	bobs.Lie.ID = nil
	bobs.Lie.Handle = []byte(w.ann(t).ID)
	w.open().refusedAlone(t, bobs, "passkey: it is of another account")
	anns.Lie.Handle = []byte("usr_nobody")
	b.refused(t, "Ann's for somebody else", b.post(keyPath, b.byBoth(t, anns)), "key: it is of another account")
	anns.Lie.Handle, anns.Handle = nil, nil
	w.open().refusedAlone(t, anns, "passkey: it is of another account")
	wantTo(t, "a second factor need not say whose it is", b.post(keyPath, b.byBoth(t, anns)), "/")
}

// A key is of one account: whoever brings it to another has not got it from there.
func TestAKeyIsAddedOnceOverEverybody(t *testing.T) {
	w, k, _ := withKey(t)
	bobs := w.signedIn(t, "bob@example.com")
	page := bobs.get(newKeyPath)
	form := fields(t, page, newKeyPath)
	form.Set("credential", k.Create(asked(t, page, newKeyPath)))
	form.Set("name", "Mine")
	want(t, "Ann's key", bobs.post(newKeyPath, form), http.StatusConflict, "It was not added")
	k.Handle = []byte(w.ann(t).ID)
	wantTo(t, "it is still hers", w.open().byPasskey(t, k), "/")

	page = bobs.get(newKeyPath)
	form = fields(t, page, newKeyPath)
	form.Set("credential", newKey().Create(asked(t, page, newKeyPath)))
	form.Set("name", "Mine")
	if answer := bobs.post(newKeyPath, form); answer.Code != http.StatusOK {
		t.Fatalf("his own: %d", answer.Code)
	}
	form.Set("token", fields(t, bobs.get(newKeyPath), newKeyPath).Get("token"))
	if answer := bobs.post(newKeyPath, form); answer.Code == http.StatusOK || len(w.factorsOf(t, "bob@example.com")) != 1 {
		t.Errorf("the same answer again: %d", answer.Code)
	}
}

// ASVS 6.5.6
func TestARemovedKeySignsNobodyIn(t *testing.T) {
	w, k, _ := withKey(t)
	other := newKey()
	b := w.open()
	wantTo(t, "sign-in", b.byPasskey(t, k), "/")
	b.adds(t, other)
	under := w.open()
	form := under.byBoth(t, k)
	remove := fields(t, b.get(factorsPath), factorsPath)
	remove.Set("act", "rename")
	remove.Set("name", "Old key")
	wantTo(t, "another name", b.post(factorsPath, remove), factorsPath+"?done=renamed")
	remove.Set("act", "remove")
	wantTo(t, "removal", b.post(factorsPath, remove), factorsPath+"?done=removed")
	w.wantEvent(t, "factor.removed ok passkey")
	w.open().refusedAlone(t, k, "unknown passkey")
	under.refused(t, "one under way", under.post(keyPath, form), "key of nobody, or of somebody else")
	wantTo(t, "the other", w.open().byPasskey(t, other), "/")
	_, err := w.Store.ResetFactors(t.Context(), w.ann(t).ID, store.Event{Time: w.Now()})
	must(t, err)
	w.open().refusedAlone(t, other, "unknown passkey")
}

func TestAPasskeyOfADisabledAccountSignsNobodyIn(t *testing.T) {
	w, k, _ := withKey(t)
	must(t, w.Store.SetDisabled(t.Context(), w.ann(t).ID, true, store.Event{Time: w.Now()}))
	w.open().refusedAlone(t, k, "account disabled")
	must(t, w.Store.DeleteUser(t.Context(), w.ann(t).ID, store.Event{Time: w.Now()}))
	b := w.open()
	b.refused(t, "deleted", b.byPasskey(t, k), "unknown passkey")
}

// A passkey takes the place of a password, so it signs in where passwords do: not without the
// local way to sign in, and not into an organization that does not count it.
func TestAPasskeyCountsWhereAPasswordDoes(t *testing.T) {
	w, k, _ := withKey(t)
	b := w.open()
	form := b.alone(t, k)
	w.org.Providers = []*model.Provider{{UID: "another", Type: "OIDC"}}
	w.publish(t)
	wantTo(t, "sign-in", b.post(alonePath, form), "/")
	code := w.ask(t, "org:read")
	to := b.get("/oauth/device/?user_code=" + code.String()).Header().Get("Location")
	if !strings.HasPrefix(to, "/login/?again=1&") || !strings.Contains(to, "organization=acme") {
		t.Errorf("an organization that does not count it leads to %q, want the sign-in that does", to)
	}
	local := *w.local
	suspended := local
	suspended.Suspended = true
	for what, none := range map[string]*model.Provider{"without a local way": nil, "with a suspended one": &suspended} {
		w.local = &local
		w.publish(t)
		late := w.open()
		form = late.alone(t, k)
		w.local = none
		w.publish(t)
		if answer := late.post(alonePath, form); answer.Code == http.StatusSeeOther || late.cookies[sessionCookie] != nil {
			t.Errorf("%s: %d", what, answer.Code)
		}
	}
	if page := w.open().get("/login/"); strings.Contains(page.Body.String(), "passkey") {
		t.Error("it is offered where nobody could sign in by it")
	}
}

// Nobody guesses what a key answers: tries are counted for the source, and the owner of a
// stolen password still gets in from elsewhere.
func TestTriesOfKeysAreLimitedForTheSource(t *testing.T) {
	w, k, _ := withKey(t)
	guess := newKey()
	for _, path := range []string{alonePath, keyPath} {
		w.pass(time.Hour)
		thief := w.open()
		thief.ip = "192.0.2." + fmt.Sprint(100+len(path))
		got := map[int]int{}
		for range 25 {
			answer := thief.post(path, thief.filled(t, path, guess))
			if got[answer.Code]++; answer.Code == http.StatusTooManyRequests && answer.Header().Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		}
		if got[http.StatusForbidden] != 20 || got[http.StatusTooManyRequests] != 5 {
			t.Errorf("%s: %v", path, got)
		}
		owner := w.open()
		owner.ip = "198.51.100.9"
		wantTo(t, "the owner", owner.post(keyPath, owner.byBoth(t, k)), "/")
	}
}

func TestThereAreFiveKeysAtTheMost(t *testing.T) {
	w := newTown(t)
	b := w.signedIn(t, "ann@example.com")
	for i := range store.MaxFactors {
		if codes := b.adds(t, newKey()); (len(codes) > 0) != (i == 0) {
			t.Errorf("key %d comes with %d recovery codes", i+1, len(codes))
		}
	}
	b.enrols(t) // apps are counted by themselves
	page := b.get(newKeyPath)
	if asks := asked(t, page, newKeyPath); strings.Count(asks, "public-key") != store.MaxFactors+len(passkeys.Algorithms) {
		t.Errorf("the keys that are known are not excluded: %s", asks)
	}
	form := fields(t, page, newKeyPath)
	form.Set("credential", newKey().Create(asked(t, page, newKeyPath)))
	form.Set("name", "One more")
	want(t, "one more", b.post(newKeyPath, form), http.StatusConflict, "too many")
	want(t, "the list", b.get(factorsPath), http.StatusOK, "as many keys as there can be")
}

// ASVS 7.5.1, 7.4.3
func TestAKeyIsAddedInAFreshSessionAndEndsTheOthersIfAsked(t *testing.T) {
	w, k := newTown(t), newKey()
	b, other := w.signedIn(t, "ann@example.com"), w.signedIn(t, "ann@example.com")
	page := b.get(newKeyPath)
	form := fields(t, page, newKeyPath)
	form.Set("credential", k.Create(asked(t, page, newKeyPath)))
	form.Set("name", "a\nb")
	want(t, "a bad name", b.post(newKeyPath, form), http.StatusBadRequest, "name")
	w.pass(freshFor)
	form.Set("name", "Key")
	wantTo(t, "a stale session", b.post(newKeyPath, form), "/login/?again=&next=%2Faccount%2Ffactors%2Fkey%2F")
	wantTo(t, "its page", b.get(newKeyPath), "/login/?again=&next=%2Faccount%2Ffactors%2Fkey%2F")
	if n := len(w.factorsOf(t, "ann@example.com")); n != 0 {
		t.Fatalf("%d factors", n)
	}
	b = w.signedIn(t, "ann@example.com")
	old := b.cookies[sessionCookie].Value
	page = b.get(newKeyPath)
	form = fields(t, page, newKeyPath)
	form.Set("credential", k.Create(asked(t, page, newKeyPath)))
	form.Set("name", "<i>Key</i>")
	form.Set("others", "end")
	want(t, "a fresh one", b.post(newKeyPath, form), http.StatusOK, "Your recovery codes")
	w.wantEvent(t, "factor.added ok passkey")
	if b.cookies[sessionCookie].Value == old { // ASVS 7.2.4
		t.Error("the session keeps its identifier")
	}
	if answer := other.get(accountPath); answer.Code != http.StatusSeeOther {
		t.Errorf("the other session: %d", answer.Code)
	}
	want(t, "the list", b.get(factorsPath), http.StatusOK, "&lt;i&gt;Key&lt;/i&gt;")
	f := w.factorsOf(t, "ann@example.com")[0]
	if f.Kind != store.FactorKey || !slices.Equal(f.Key.CredentialID, k.ID) || f.Key.UserHandle != f.UserID || !f.Key.UserVerified || len(f.Secret) != 0 {
		t.Errorf("kept %+v", f)
	}
	if answer := w.open().signIn(t, "ann@example.com", rightPassword); answer.Code != http.StatusOK {
		t.Errorf("the password alone: %d", answer.Code)
	}
}

var challengeAsked = regexp.MustCompile(`"challenge":"[-\w]{43}"`)

// ASVS 6.3.8: who asks for a passkey learns nothing about anybody, whatever is typed beside it.
func TestTheFormForAPasskeyNamesNobody(t *testing.T) {
	w, k, _ := withKey(t)
	asks := challengeAsked.ReplaceAllString(asked(t, w.open().get("/login/"), alonePath), "") // which is random: any word may be in it
	if !strings.Contains(asks, `"allowCredentials":[]`) || strings.Contains(asks, "challenge") || strings.Contains(asks, "ann") || strings.Contains(asks, w.ann(t).ID) {
		t.Errorf("it asks %s", asks)
	}
	unknown, known := w.open(), w.open()
	k.Lie.Flip = true
	one, two := unknown.byPasskey(t, newKey()), known.byPasskey(t, k)
	if a, b := challengeShown.ReplaceAllString(one.Body.String(), ""), challengeShown.ReplaceAllString(two.Body.String(), ""); a != b || one.Code != two.Code {
		t.Error("an unknown key and a wrong answer of a known one are told apart")
	}
}

// An address is no name that keys can be made for: the pages say so and go on without.
func TestAtAnAddressNoKeyIsOffered(t *testing.T) {
	w := newTown(t)
	var err error
	w.site, err = passkeys.NewSite("http://127.0.0.1:8080")
	must(t, err)
	w.Issuer = "http://127.0.0.1:8080"
	b := w.signedIn(t, "ann@example.com")
	want(t, "the list", b.get(factorsPath), http.StatusOK, "at the address 127.0.0.1")
	page := b.get(newKeyPath)
	want(t, "the page", page, http.StatusOK, "at the address <strong>127.0.0.1</strong>")
	for what, answer := range map[string]string{"that page": page.Body.String(), "sign-in": w.open().get("/login/").Body.String()} {
		if strings.Contains(answer, "<script") || strings.Contains(answer, "data-webauthn") {
			t.Errorf("%s offers a key", what)
		}
	}
	form := fields(t, b.get(factorsPath), "/logout/")
	form.Set("credential", authenticator.New("http://127.0.0.1:8080", authenticator.ES256).Create(`{"rp":{"id":"127.0.0.1"}}`))
	if answer := b.post(newKeyPath, form); answer.Code != http.StatusForbidden {
		t.Errorf("a key all the same: %d", answer.Code)
	}
	if answer := w.open().post(alonePath, form); answer.Code == http.StatusSeeOther {
		t.Errorf("a passkey all the same: %d", answer.Code)
	}
}

// Who signs in elsewhere may have a key as a second factor; alone it would outlive what that
// other place says of them.
func TestAPasskeyOfSomebodyWhoSignsInElsewhereOpensNothingAlone(t *testing.T) {
	w, k := newTown(t), newKey()
	eve := store.User{ID: "usr_eveeveeveeveeveeveeveev", Name: "Eve", CreatedAt: w.Now()}
	identity := store.Identity{ProviderUID: "another", Subject: "4711", UserID: eve.ID, CreatedAt: w.Now()}
	must(t, w.Store.CreateUserWithIdentity(t.Context(), eve, identity, nil, store.Event{Time: w.Now()}))
	challenge := passkeys.NewChallenge()
	made, err := w.site.Register(challenge, k.Create(w.site.CreationOptions(challenge, passkeys.Owner{Handle: eve.ID, Name: "Eve"}, nil)))
	must(t, err)
	_, err = w.Store.AddFactor(t.Context(), store.NewFactor{Factor: store.Factor{
		ID: "fac_eve", UserID: eve.ID, Kind: store.FactorKey, Name: "Key",
		Key: store.Key{CredentialID: made.ID, PublicKey: made.PublicKey, SignCount: made.SignCount, UserHandle: eve.ID, UserVerified: made.UserVerified},
	}}, store.Event{Time: w.Now()})
	must(t, err)
	w.open().refusedAlone(t, k, "passkey of somebody who signs in by another provider")
}
