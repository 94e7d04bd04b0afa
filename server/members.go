package server

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// The members of an organization: who is invited, and who is a member. Roles are declared
// and nothing here changes them; what is changed is who was let in besides.

// Scopes that show members, invite people, and remove members.
const (
	readMembers   = "member:read"
	inviteMembers = "member:invite"
	removeMembers = "member:admin"
)

// membersPageMost is how many members one answer has at most, and has unless fewer are asked
// for.
const membersPageMost = 100

// memberJSON is a member, or, pending, who is invited.
type memberJSON struct {
	ID            string    `json:"id"` // usr_…; of an invitation inv_…
	Email         string    `json:"email"`
	EmailVerified bool      `json:"emailVerified"` // as the organization sees it
	Name          string    `json:"name"`
	Pending       bool      `json:"pending"`
	Expired       bool      `json:"expired"`
	Roles         []string  `json:"roles"` // held now
	Rank          int       `json:"rank"`
	How           []string  `json:"how"` // declared, group, invitation, provider
	Disabled      bool      `json:"disabled"`
	DateCreated   time.Time `json:"dateCreated"`
	DateExpires   time.Time `json:"dateExpires,omitzero"` // of an invitation
	Link          string    `json:"link,omitempty"`       // of a new invitation that was not mailed
}

// membership is somebody who is a member now.
type membership struct {
	store.User
	person model.Person
	roles  []*model.Role
}

// members lists who is invited to the token's organization, and then its members, both in
// the order of their IDs.
func (s *Server) members(r *request) (answer, error) {
	v, err := s.inOrganization(r, readMembers)
	if err != nil {
		return nil, err
	}
	after, limit, err := s.membersQuery(r.URL.Query(), v.Organization)
	if err != nil {
		return nil, &refusal{words: oauth.Refuse(oauth.InvalidRequest, err.Error()), status: http.StatusBadRequest}
	}
	shown, next := []memberJSON{}, ""
	if !strings.HasPrefix(after, "usr_") {
		if shown, next, err = s.invitedPage(r, v.Organization, after, limit); err != nil {
			return nil, err
		}
		after = ""
	}
	if next == "" {
		people, through, err := s.membersPage(r, v.Organization, after, limit-len(shown))
		if err != nil {
			return nil, err
		}
		shown, next = append(shown, people...), through
	}
	header := http.Header{}
	if next != "" {
		cursor, err := s.sealed.Seal(membersCursor(v.Organization), next)
		if err != nil {
			return nil, err
		}
		header.Set("Link", s.nextPage(r, cursor))
	}
	return withHeader{jsonAnswer{body: shown}, header}, nil
}

// membersCursor is what a cursor is sealed for: it is nobody's to read, for it may name an
// account that is no member, and worth nothing in another organization.
func membersCursor(o *model.Organization) string { return "members of " + o.ID }

// membersQuery reads the parameters: cursor, limit. Its errors name the parameter and the
// cure.
func (s *Server) membersQuery(values url.Values, o *model.Organization) (after string, limit int, err error) {
	if err := onlyOnce(values); err != nil {
		return "", 0, err
	}
	if text := values.Get("cursor"); text != "" && !s.sealed.Open(membersCursor(o), text, &after) {
		return "", 0, errors.New("cursor is not one of ours for this organization; take the one in the Link header of the page before")
	}
	limit = membersPageMost
	if text := values.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > membersPageMost {
			return "", 0, fmt.Errorf("limit must be a number from 1 to %d", membersPageMost)
		}
	}
	return after, limit, nil
}

// invitedPage shows the first invitations after that one; next is empty if there are no
// more of them, and room for somebody else.
func (s *Server) invitedPage(r *request, o *model.Organization, after string, limit int) (shown []memberJSON, next string, err error) {
	found, err := s.Store.InvitationsAfter(r.Context(), o.ID, after, limit)
	if err != nil {
		return nil, "", fmt.Errorf("list invitations: %w", err)
	}
	shown = []memberJSON{}
	for _, i := range found {
		if r.Alive(o.ID, i.CreatedAt) {
			shown = append(shown, r.showInvited(i))
		}
	}
	if len(found) == limit {
		next = found[limit-1].ID
	}
	return shown, next, nil
}

func (r *request) showInvited(i store.Invitation) memberJSON {
	return memberJSON{
		ID: i.ID, Email: i.Email, Pending: true, Expired: !r.now.Before(i.ExpiresAt), Roles: []string{},
		How: []string{"invitation"}, DateCreated: i.CreatedAt.UTC(), DateExpires: i.ExpiresAt.UTC(),
	}
}

// membersPage shows the first members after that one; next is empty if there are no more.
func (s *Server) membersPage(r *request, o *model.Organization, after string, limit int) (shown []memberJSON, next string, err error) {
	search := store.MemberSearch{OrganizationID: o.ID, After: after, Limit: limit}
	for address := range o.People() {
		search.Addresses = append(search.Addresses, address)
	}
	for g := range o.Groups() {
		search.Groups = append(search.Groups, g)
	}
	for _, p := range o.Providers {
		search.Providers = append(search.Providers, p.UID)
	}
	ids, next, err := s.Store.MaybeMembers(r.Context(), search)
	if err != nil {
		return nil, "", fmt.Errorf("list members: %w", err)
	}
	for _, id := range ids {
		u, err := s.cache.User(r.Context(), id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, "", fmt.Errorf("read member: %w", err)
		}
		if m := r.membership(o, u); m != nil {
			shown = append(shown, r.showMember(o, m))
		}
	}
	return shown, next, nil
}

// membership is what somebody is in the organization; nil: no member.
func (r *request) membership(o *model.Organization, u store.User) *membership {
	p := r.Person(&u)
	if !o.Member(p, r.now) {
		return nil
	}
	return &membership{u, p, o.RolesOf(p, r.now)}
}

// named are the roles that name the person, and those that name a group of theirs.
func (m *membership) named(o *model.Organization, now time.Time) (byAddress, byGroup []*model.Role) {
	return o.RolesOf(model.Person{Addresses: m.person.Addresses}, now), o.RolesOf(model.Person{Groups: m.person.Groups}, now)
}

func (r *request) showMember(o *model.Organization, m *membership) memberJSON {
	shown := memberJSON{
		ID: m.ID, Name: m.Name, Disabled: m.Disabled, Roles: []string{}, How: []string{}, Rank: model.Rank(m.roles), DateCreated: m.CreatedAt.UTC(),
	}
	shown.Email, shown.EmailVerified = addressThere(o, m)
	for _, role := range m.roles {
		shown.Roles = append(shown.Roles, role.Name)
	}
	byAddress, byGroup := m.named(o, r.now)
	if len(byAddress) > 0 {
		shown.How = append(shown.How, "declared")
	}
	if len(byGroup) > 0 {
		shown.How = append(shown.How, "group")
	}
	given := map[string]string{model.MemberByInvitation: "invitation", model.MemberByProvider: "provider"}
	for _, source := range []string{model.MemberByInvitation, model.MemberByProvider} {
		var of model.Person
		for _, one := range m.person.Memberships {
			if one.OrganizationID == o.ID && one.Source == source {
				of.Memberships = append(of.Memberships, one)
			}
		}
		if o.Member(of, r.now) {
			shown.How = append(shown.How, given[source])
			if len(byAddress)+len(byGroup) == 0 {
				shown.DateCreated = of.Memberships[0].At.UTC()
			}
		}
	}
	return shown
}

// addressThere is the address by which an organization knows somebody. What is proven to
// other tenants alone is none of its business.
func addressThere(o *model.Organization, m *membership) (address string, proven bool) {
	if m.Email != "" && o.Proven(m.person, m.Email) {
		return m.Email, true
	}
	for _, a := range m.person.Addresses {
		if o.Proven(m.person, a.Address) {
			return a.Address, true
		}
	}
	return m.Login, false
}

// member shows one of them. Who is none and who does not exist are alike.
func (s *Server) member(r *request) (answer, error) {
	v, err := s.inOrganization(r, readMembers)
	if err != nil {
		return nil, err
	}
	id := r.PathValue("member")
	if strings.HasPrefix(id, "inv_") {
		i, err := s.invitedThere(r, v.Organization, id)
		if err != nil {
			return nil, err
		}
		return jsonAnswer{body: r.showInvited(i)}, nil
	}
	m, err := s.memberThere(r, v.Organization, id)
	if err != nil {
		return nil, err
	}
	return jsonAnswer{body: r.showMember(v.Organization, m)}, nil
}

var noSuchMember = &refusal{words: oauth.Refuse("not_found", "the organization has no such member, and no such invitation"), status: http.StatusNotFound}

// memberThere finds a member by ID.
func (s *Server) memberThere(r *request, o *model.Organization, id string) (*membership, error) {
	u, err := s.Store.User(r.Context(), id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, noSuchMember
	}
	if err != nil {
		return nil, fmt.Errorf("find member: %w", err)
	}
	if m := r.membership(o, u); m != nil {
		return m, nil
	}
	return nil, noSuchMember
}

// invitedThere finds an invitation by ID.
func (s *Server) invitedThere(r *request, o *model.Organization, id string) (store.Invitation, error) {
	i, err := s.Store.InvitationIn(r.Context(), o.ID, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && !r.Alive(o.ID, i.CreatedAt) {
		return i, noSuchMember
	}
	if err != nil {
		return i, fmt.Errorf("find invitation: %w", err)
	}
	return i, nil
}

// memberWith finds the member who has proven an address, as the organization sees it; nil:
// nobody there has.
func (s *Server) memberWith(r *request, o *model.Organization, address string) (*membership, error) {
	var ids []string
	local, err := s.Store.UserByEmail(r.Context(), address)
	if err == nil {
		ids = append(ids, local.ID)
	} else if !errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("find who has the address: %w", err)
	}
	proving, err := s.Store.Proving(r.Context(), address)
	if err != nil {
		return nil, fmt.Errorf("find who has proven the address: %w", err)
	}
	for _, i := range proving {
		if o.Counts(i.ProviderUID) && !slices.Contains(ids, i.UserID) {
			ids = append(ids, i.UserID)
		}
	}
	for _, id := range ids {
		m, err := s.memberThere(r, o, id)
		if errors.Is(err, noSuchMember) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if o.Proven(m.person, address) {
			return m, nil
		}
	}
	return nil, nil
}
