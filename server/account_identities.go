package server

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/pages"
	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/sessions"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// An identity is joined to an account by its owner alone: in a fresh session of the account,
// by proving at the provider that the identity is theirs too. No address does it, and no
// organization.

// connectable finds a provider whose identities somebody may connect to their account: one
// of the installation, or of an organization that they are a member of; nil: it is none.
func (r *request) connectable(session *sessions.Session, uid string) *model.Provider {
	all := r.connectables(session)
	if i := slices.IndexFunc(all, func(p *model.Provider) bool { return p.UID == uid }); i >= 0 {
		return all[i]
	}
	return nil
}

func (r *request) connectables(session *sessions.Session) (all []*model.Provider) {
	add := func(providers []*model.Provider) {
		for _, p := range providers {
			if p.Local == nil && p.Provisioning.Mode != model.ProvisionDeny && !slices.Contains(all, p) {
				all = append(all, p)
			}
		}
	}
	add(r.offered(nil))
	var theirs []*model.Organization
	for o := range r.Organizations() {
		if !o.Suspended && len(o.RolesOf(r.Person(&session.User), r.now)) > 0 {
			theirs = append(theirs, o)
		}
	}
	slices.SortFunc(theirs, func(a, b *model.Organization) int { return cmp.Compare(a.Slug, b.Slug) })
	for _, o := range theirs {
		add(r.offered(o))
	}
	return all
}

// showIdentities lists the ways into somebody's account.
func (s *Server) showIdentities(r *request) (answer, error) {
	return s.own(r, identitiesPath, func(session *sessions.Session) (answer, error) {
		return s.identitiesPage(r, session, 0, ""), nil
	})
}

func (s *Server) identitiesPage(r *request, session *sessions.Session, status int, problem string) answer {
	u := &session.User
	p := pages.IdentitiesPage{Viewer: *s.viewer(session), Token: s.sessions.Form(session).Token(identitiesPath), Problem: problem}
	if problem == "" {
		p.Done = done(r)
	}
	if local := localProvider(r.Snapshot); u.Login != "" {
		entry := pages.Identity{Name: "Password", Who: u.Login, Added: u.CreatedAt, Password: true, Dormant: local == nil}
		entry.Here = local != nil && signedInBy(session, local.UID)
		p.Identities = append(p.Identities, entry)
	}
	for _, i := range u.Identities {
		provider := r.Provider(i.ProviderUID)
		entry := pages.Identity{
			Provider: i.ProviderUID, Subject: i.Subject, Name: "A provider that is gone", Who: cmp.Or(i.Email, i.Subject),
			Added: i.CreatedAt, Used: i.LastUsedAt, Here: signedInBy(session, i.ProviderUID),
			Dormant: provider == nil, Last: !r.otherWay(u, i),
		}
		if provider != nil {
			entry.Name = nameOf(provider)
		}
		p.Identities = append(p.Identities, entry)
	}
	for _, provider := range r.connectables(session) {
		if way, ok := s.way(r, provider, s.sessions.Form(session)); ok {
			p.Ways = append(p.Ways, way)
		}
	}
	return page{status: status, html: pages.Identities(p)}
}

func signedInBy(session *sessions.Session, providerUID string) bool {
	return slices.ContainsFunc(session.SignIns(), func(in store.SignIn) bool { return in.ProviderUID == providerUID })
}

// otherWay reports whether somebody gets in without this identity: by a password, or an
// identity whose provider is served.
func (r *request) otherWay(u *store.User, without store.Identity) bool {
	if u.Login != "" && u.PasswordHash != "" && localProvider(r.Snapshot) != nil {
		return true
	}
	return slices.ContainsFunc(u.Identities, func(i store.Identity) bool {
		same := i.ProviderUID == without.ProviderUID && i.Subject == without.Subject
		p := r.Provider(i.ProviderUID)
		return !same && p != nil && !p.Suspended
	})
}

// disconnectIdentity takes an identity from the account, with what was opened by it.
func (s *Server) disconnectIdentity(r *request) (answer, error) {
	return s.freshAct(r, identitiesPath, func(session *sessions.Session) (answer, error) {
		uid, subject := r.form.Get("provider"), r.form.Get("subject")
		at := slices.IndexFunc(session.User.Identities, func(i store.Identity) bool { return i.ProviderUID == uid && i.Subject == subject })
		if at < 0 {
			return nil, staleForm()
		}
		const only = "That is your only way in. Connect another one first."
		if !r.otherWay(&session.User, session.User.Identities[at]) {
			return s.identitiesPage(r, session, http.StatusConflict, only), nil
		}
		ev := r.act(session, "identity.unlinked", session.UserID)
		ev.Reason = s.nameOfProvider(r, uid)
		err := s.Store.UnlinkIdentity(r.Context(), session.UserID, uid, subject, ev)
		if errors.Is(err, store.ErrConflict) {
			return s.identitiesPage(r, session, http.StatusConflict, only), nil
		}
		if err != nil {
			return nil, fmt.Errorf("disconnect identity: %w", err)
		}
		return doneAt(identitiesPath, "unlinked"), nil
	})
}

// nameOfProvider is NAMESPACE/NAME, for the audit log.
func (s *Server) nameOfProvider(r *request, uid string) string {
	if p := r.Provider(uid); p != nil {
		return p.Namespace + "/" + p.Name
	}
	return uid
}

// connect joins an identity that nobody has to the account of who went for it, in the
// session in which they did.
func (s *Server) connect(r *request, p *model.Provider, a *attempt, came arrival) (answer, error) {
	session, err := s.session(r)
	if err != nil {
		return nil, err
	}
	who := came.Person
	if !a.signedInAt(session) || !r.mayManage(session) || r.connectable(session, p.UID) == nil || who == nil {
		return s.notBegun(r, came.Handle), nil
	}
	owner, err := s.Store.UserByIdentity(r.Context(), p.UID, who.Subject)
	switch {
	case err == nil && owner.ID == session.UserID:
		return doneAt(identitiesPath, "linked"), nil
	case err == nil:
		return s.takenIdentity(r, session, p), nil
	case !errors.Is(err, store.ErrNotFound):
		return nil, fmt.Errorf("find identity: %w", err)
	}
	i := store.Identity{
		ProviderUID: p.UID, Subject: who.Subject, UserID: session.UserID, Email: people.Address(who.Email), Name: who.Name,
		CreatedAt: r.now, LastUsedAt: r.now, CheckedAt: r.now, Renewal: who.Renewal,
	}
	if who.EmailVerified && i.Email != "" {
		i.EmailProvenAt = r.now
	}
	ev := r.act(session, "identity.linked", session.UserID)
	ev.Reason = s.nameOfProvider(r, p.UID)
	err = s.Store.LinkIdentity(r.Context(), i, ev)
	if errors.Is(err, store.ErrConflict) {
		return s.takenIdentity(r, session, p), nil
	}
	if err != nil {
		return nil, fmt.Errorf("connect identity: %w", err)
	}
	return doneAt(identitiesPath, "linked"), nil
}

// takenIdentity tells that an identity is of another account. Its owner has just proven
// both, so they learn nothing that is not theirs.
func (s *Server) takenIdentity(r *request, session *sessions.Session, p *model.Provider) answer {
	return s.identitiesPage(r, session, http.StatusConflict,
		"This identity of "+nameOf(p)+" belongs to another account. Two accounts are never made one: sign in with it, and disconnect it there if it has another way in.")
}
