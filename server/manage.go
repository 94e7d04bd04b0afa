package server

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/pages"
	"github.com/gatehouse-dev/gatehouse/server/sessions"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// Whoever runs the provider of an organization can sign in by it as anybody whom it knows.
// That is theirs to decide for their organization, and for nothing else: such a sign-in
// opens the account itself only if nothing of it comes from elsewhere.

// mayManage reports whether a session may see and change the account that it is of:
// password, factors, identities, address, sessions, what is connected.
func (r *request) mayManage(session *sessions.Session) bool {
	_, ok := r.managing(session)
	return ok
}

// managing is the last sign-in of a session by which it may manage the account: one by a
// provider of the installation, or by that of the organization which the whole account is of.
func (r *request) managing(session *sessions.Session) (store.SignIn, bool) {
	for _, in := range session.SignIns() {
		p := r.Provider(in.ProviderUID)
		if p == nil || !r.Alive(p.UID, in.AuthTime) {
			continue
		}
		if p.Installation() || r.wholly(&session.User, p.OrganizationID) {
			return in, true
		}
	}
	return store.SignIn{}, false
}

// wholly reports whether an account is of one organization alone: no way in, no proven
// address and no membership from elsewhere. A password that its provider could set, or an
// identity that it could connect, would count in other organizations too.
func (r *request) wholly(u *store.User, organizationID string) bool {
	elsewhere := func(providerUID string) bool {
		p := r.Provider(providerUID)
		return p == nil || p.OrganizationID != organizationID
	}
	return u.Login == "" && u.PasswordHash == "" && u.EmailProvenBy == "" &&
		!slices.ContainsFunc(u.Identities, func(i store.Identity) bool { return elsewhere(i.ProviderUID) }) &&
		!slices.ContainsFunc(u.Memberships, func(m model.Membership) bool { return m.OrganizationID != organizationID })
}

// managedElsewhere tells somebody that the way they are signed in does not open their
// account.
func (s *Server) managedElsewhere(session *sessions.Session) answer {
	return page{status: http.StatusForbidden, html: pages.Message(pages.MessagePage{
		Viewer: s.viewer(session), Kind: pages.Neutral, Title: "Sign in another way",
		What: "You are signed in by an organization's own provider. It speaks for you in that organization alone.",
		Do:   "To see and change your account, sign in another way.",
		Link: pages.Link{Text: "Sign in another way", Path: loginPath + "?" + url.Values{"next": {accountPath}, againParameter: {"1"}}.Encode()},
	})}
}
