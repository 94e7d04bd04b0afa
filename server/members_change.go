package server

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/decide"
	"github.com/gatehouse-dev/gatehouse/server/limits"
	"github.com/gatehouse-dev/gatehouse/server/mail"
	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// invitationLimits keep an organization from writing to the whole world, and to anybody
// again and again. Who acts is counted, whatever tokens they have.
type invitationLimits struct{ byActor, byOrganization, byAddress *limits.Limiter }

func newInvitationLimits(scale float64) invitationLimits {
	return invitationLimits{
		byActor:        limits.NewLimiter(1.0/30, 50, scale),
		byOrganization: limits.NewLimiter(1.0/10, 200, scale),
		byAddress:      limits.NewLimiter(1.0/600, 5, scale),
	}
}

// take counts an invitation and returns 0, or returns how long to wait.
func (l invitationLimits) take(now time.Time, organizationID, actor, address string) time.Duration {
	in := organizationID + "\x00"
	if wait := l.byActor.Take(now, in+actor); wait > 0 {
		return wait
	}
	if wait := l.byOrganization.Take(now, in); wait > 0 {
		return wait
	}
	return l.byAddress.Take(now, in+address)
}

// actor is who acts by a token: a person, or an application by itself.
type actor struct {
	id   string
	rank int
}

func actorOf(r *request, v *decide.Verdict) actor {
	if v.User == nil {
		return actor{v.Application.ClientID, model.Rank(v.Application.Roles(r.now))}
	}
	return actor{v.User.ID, model.Rank(v.Roles)}
}

// actBy is the event of what a token does in its organization.
func (r *request) actBy(v *decide.Verdict, action, target string) store.Event {
	return store.Event{
		Time: r.now, Actor: actorOf(r, v).id, OrganizationID: v.Organization.ID, ApplicationUID: v.Application.UID,
		Action: action, Target: target, IP: r.ip.String(), RequestID: r.id, Outcome: "ok",
	}
}

// inviteMember invites an address, in place of an earlier invitation of it. Whether anybody
// has an account with the address the answer does not tell, unless it is a member's and the
// token shows members anyway.
func (s *Server) inviteMember(r *request) (answer, error) {
	v, err := s.inOrganization(r, inviteMembers)
	if err != nil {
		return nil, err
	}
	email, err := invitedAddress(r.body)
	if err != nil {
		return nil, oauth.Refuse(oauth.InvalidRequest, err.Error())
	}
	by := actorOf(r, v)
	if err := s.mayInvite(r, v, by, email); err != nil {
		return nil, err
	}
	if wait := s.invitations.take(r.now, v.Organization.ID, by.id, email); wait > 0 {
		return nil, tooMany(wait)
	}
	link, err := people.Invite(r.Context(), s.Store, s.Keyring.LookupKey(), v.Organization.ID, email, r.actBy(v, "member.invited", ""))
	if err != nil {
		return nil, err
	}
	i, err := s.Store.Invitation(r.Context(), people.InvitationHash(s.Keyring.LookupKey(), link))
	if errors.Is(err, store.ErrNotFound) {
		return nil, &refusal{words: oauth.Refuse("conflict", "the address was invited again meanwhile"), status: http.StatusConflict}
	}
	if err != nil {
		return nil, fmt.Errorf("read invitation: %w", err)
	}
	shown := r.showInvited(i)
	if !s.mails() {
		shown.Link = s.linkTo(invitationPath, link)
	} else if !s.Mail.Send(s.invitationLetter(v.Organization, i, link)) {
		return nil, &refusal{
			words:      oauth.Refuse(oauth.TemporarilyUnavailable, "no more letters can be sent now; invite the address again later"),
			retryAfter: time.Minute,
		}
	}
	at := http.Header{"Location": {s.Issuer + strings.TrimSuffix(r.URL.Path, "/") + "/" + i.ID + "/"}}
	return jsonAnswer{status: http.StatusCreated, header: at, body: shown}, nil
}

// mayInvite: nobody gives away, by a second account of their own, say, what ranks higher
// than what they hold.
func (s *Server) mayInvite(r *request, v *decide.Verdict, by actor, email string) error {
	for _, role := range v.Organization.DefaultRoles() {
		if role.Priority > by.rank {
			return outranked("members hold the Role " + roleName(role) + " by default, which ranks higher than yours")
		}
	}
	if !v.Scopes.Has(readMembers) {
		return nil
	}
	m, err := s.memberWith(r, v.Organization, email)
	if err != nil || m == nil {
		return err
	}
	return &refusal{words: oauth.Refuse("conflict", "the address is that of the member "+m.ID+" already"), status: http.StatusConflict}
}

func outranked(why string) error {
	return &refusal{words: oauth.Refuse("insufficient_rank", why), status: http.StatusForbidden}
}

func roleName(role *model.Role) string {
	if role.Namespace == "" {
		return role.Name
	}
	return role.Namespace + "/" + role.Name
}

// invitedAddress reads {"email": "…"}, and nothing else. A name twice is refused: of two
// addresses who checked one may have let the other through (RFC 8259 section 4).
func invitedAddress(body []byte) (string, error) {
	const shape = `send {"email": "ann@example.com"}`
	d := json.NewDecoder(bytes.NewReader(body))
	if !utf8.Valid(body) {
		return "", errors.New("the body is not UTF-8; " + shape)
	}
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return "", errors.New("the body is no JSON object; " + shape)
	}
	email := ""
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return "", errors.New("the body is not well-formed JSON; " + shape)
		}
		if name != "email" {
			return "", errors.New("there is no member " + strconv.QuoteToASCII(atMost(fmt.Sprint(name), 32)) + "; " + shape)
		}
		value, err := d.Token()
		text, isText := value.(string)
		if err != nil || !isText || text == "" || email != "" {
			return "", errors.New("email must be there once, as a text; " + shape)
		}
		email = text
	}
	if _, err := d.Token(); err != nil {
		return "", errors.New("the body is not well-formed JSON; " + shape)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return "", errors.New("there is more behind the JSON object; " + shape)
	}
	email = people.Address(email)
	if people.CheckAddress(email) != nil || mail.CheckAddress(email) != nil {
		return "", errors.New("email: " + strconv.QuoteToASCII(atMost(email, 64)) + " is not an email address; write it like ann@example.com")
	}
	return email, nil
}

// invitationLetter brings an invitation. It says who invites as the organization is
// declared, and nothing that somebody there typed: else it would carry their words to anybody.
func (s *Server) invitationLetter(o *model.Organization, i store.Invitation, link string) mail.Letter {
	return mail.Letter{
		Kind: "invitation", To: i.Email, Subject: "You are invited (" + s.hostname() + ")", From: "Gatehouse at " + s.hostname(),
		Lines: []string{
			"An administrator invites you to become a member of the organization named below. Open the link, sign in, and accept or decline: once, within seven days.",
			"The account that you are signed in with becomes the member. Nothing else of it changes.",
		},
		Facts: []mail.Fact{
			{Name: "Organization", Value: cmp.Or(o.DisplayName, o.Slug)},
			{Name: "Until", Value: i.ExpiresAt.UTC().Format("2 January 2006, 15:04 UTC")},
		},
		Link:    mail.Link{Text: "See the invitation", URL: s.linkTo(invitationPath, link)},
		Closing: []string{"If you do not know the organization, there is nothing to do. Give the link to nobody: whoever has it can accept."},
		Until:   i.ExpiresAt,
	}
}

// removeMember ends a membership that was given, with what was opened by it there, or an
// invitation. Oneself everybody may remove who may see members.
func (s *Server) removeMember(r *request) (answer, error) {
	v, err := s.ofOrganization(r)
	if err != nil {
		return nil, err
	}
	id := r.PathValue("member")
	leaves := v.User != nil && v.User.ID == id && v.Scopes.Has(readMembers)
	if !leaves {
		if err := s.needs(v, removeMembers); err != nil {
			return nil, err
		}
	}
	if strings.HasPrefix(id, "inv_") {
		return s.revokeInvitation(r, v, id)
	}
	m, err := s.memberThere(r, v.Organization, id)
	if err != nil {
		return nil, err
	}
	if !leaves && model.Rank(m.roles) > actorOf(r, v).rank {
		return nil, s.refusedRemoval(r, v, id)
	}
	if named := rolesNaming(v.Organization, m, r.now); named != "" {
		return nil, &refusal{words: oauth.Refuse("conflict", named), status: http.StatusConflict}
	}
	err = s.Store.RemoveMember(r.Context(), id, v.Organization.ID, r.actBy(v, "member.removed", id))
	if errors.Is(err, store.ErrNotFound) {
		return nil, noSuchMember
	}
	if err != nil {
		return nil, fmt.Errorf("remove member: %w", err)
	}
	return noContent{}, nil
}

func (s *Server) refusedRemoval(r *request, v *decide.Verdict, id string) error {
	ev := r.actBy(v, "member.removed", id)
	ev.Outcome, ev.Reason = "refused", "ranks higher"
	if err := s.Store.Record(r.Context(), ev); err != nil {
		return fmt.Errorf("record refusal: %w", err)
	}
	return outranked("the member ranks higher than you do; somebody of that rank can remove them")
}

// rolesNaming says which Roles make somebody a member and how they are taken out; empty: none.
func rolesNaming(o *model.Organization, m *membership, now time.Time) string {
	byAddress, byGroup := m.named(o, now)
	if len(byAddress)+len(byGroup) == 0 {
		return ""
	}
	names := func(roles []*model.Role) string {
		var all []string
		for _, role := range roles {
			all = append(all, roleName(role))
		}
		slices.Sort(all)
		return strings.Join(all, ", ")
	}
	var how []string
	if len(byAddress) > 0 {
		how = append(how, "take their address out of spec.subjects of Role "+names(byAddress))
	}
	if len(byGroup) > 0 {
		how = append(how, "take them out of their group at its provider, or the group out of spec.subjects of Role "+names(byGroup))
	}
	return "they are a member by declaration: " + strings.Join(how, "; ")
}

func (s *Server) revokeInvitation(r *request, v *decide.Verdict, id string) (answer, error) {
	if _, err := s.invitedThere(r, v.Organization, id); err != nil {
		return nil, err
	}
	err := s.Store.EndInvitation(r.Context(), id, r.actBy(v, "invitation.revoked", id))
	if errors.Is(err, store.ErrNotFound) {
		return nil, noSuchMember
	}
	if err != nil {
		return nil, fmt.Errorf("revoke invitation: %w", err)
	}
	return noContent{}, nil
}
