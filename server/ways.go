package server

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/limits"
	"github.com/gatehouse-dev/gatehouse/server/pages"
	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/sessions"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/tokens"
)

// organizationParameter names the organization that a sign-in is for, by its slug.
const organizationParameter = "organization"

// offered are the providers that one may sign in with for an organization, in its order; for
// none, those of the installation. What an organization declares is offered nowhere else, and
// a password not where only sign-ins elsewhere count: who may use theirs in an emergency
// signs in to the installation.
func (r *request) offered(o *model.Organization) []*model.Provider {
	all := r.Providers
	if o != nil {
		all = o.Providers
	}
	return slices.DeleteFunc(slices.Clone(all), func(p *model.Provider) bool {
		return p.Suspended || o == nil && p.OrganizationID != "" || o != nil && o.Login.EnforceSSO && p.Local != nil
	})
}

// offers finds one of them.
func (r *request) offers(o *model.Organization, uid string) *model.Provider {
	all := r.offered(o)
	if i := slices.IndexFunc(all, func(p *model.Provider) bool { return p.UID == uid }); i >= 0 {
		return all[i]
	}
	return nil
}

// placeOf finds the organization that a sign-in is for: the one that is named, or the one
// in which whatever waits for the sign-in wants to work. Nil: none.
func (s *Server) placeOf(r *request, slug, next string) (*model.Organization, error) {
	if slug != "" {
		o := r.OrganizationBySlug(slug)
		if o == nil || o.Suspended {
			return nil, &refusal{words: oauth.Refuse(oauth.InvalidRequest, "there is no organization of this name"), status: http.StatusNotFound}
		}
		return o, nil
	}
	if req := s.waiting(r, next); req != nil {
		if req.Organization != nil || req.Application.AnyOrganization {
			return req.Organization, nil
		}
		return req.Owner, nil
	}
	return s.placeOfDevice(r, next)
}

// placeOfDevice finds the organization that a device asks to work in. That it is known tells
// that the code is good, so codes are guessed here no more often than anywhere.
func (s *Server) placeOfDevice(r *request, next string) (*model.Organization, error) {
	query, ok := strings.CutPrefix(next, verifyPath+"?")
	values, err := url.ParseQuery(query)
	if !ok || err != nil {
		return nil, nil
	}
	code, ok := tokens.ParseUserCode(atMost(values.Get("user_code"), userCodeInput))
	if !ok || s.codeEntries.Try(r.now, "ip "+limits.Source(r.ip)) > 0 {
		return nil, nil
	}
	row, err := s.Store.DeviceCodeByUserCode(r.Context(), code.Hash(s.Keyring))
	if errors.Is(err, store.ErrNotFound) {
		s.codeEntries.Miss(r.now)
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find device code: %w", err)
	}
	o := r.Organization(row.OrganizationID)
	if row.State != store.DevicePending || !r.now.Before(row.ExpiresAt) || o == nil || o.Suspended {
		return nil, nil
	}
	return o, nil
}

// countsThere reports whether a sign-in of the session counts for an organization now.
func (s *Server) countsThere(r *request, session *sessions.Session, o *model.Organization) (bool, error) {
	c, err := s.counts(r, session, o)
	return err == nil && c.Reason == "", err
}

// addWays draws the providers besides the password, in their order.
func (s *Server) addWays(r *request, p *pages.LoginPage, o *model.Organization, form sessions.Form) {
	after := false
	for _, one := range r.offered(o) {
		if one.Local != nil {
			after, p.Provider, p.Password = true, one.DisplayName, true
			continue
		}
		way, ok := s.way(r, one, form)
		if !ok {
			continue
		}
		way.Next, way.Slug, way.Again = p.Next, p.Slug, p.Again
		if after {
			p.Then = append(p.Then, way)
		} else {
			p.First = append(p.First, way)
		}
	}
	if p.Discover = p.Discover && o != nil && len(o.Domains) > 0 && len(p.First)+len(p.Then) > 0; p.Discover {
		p.Password = false
	}
}

// way is a provider as it is offered; false: nothing stands behind it yet.
func (s *Server) way(_ *request, p *model.Provider, form sessions.Form) (pages.Way, bool) {
	b := s.backend(p.UID)
	if b == nil {
		return pages.Way{}, false
	}
	return pages.Way{UID: p.UID, Name: cmp.Or(p.DisplayName, p.Name), Asks: b.Describe().Asks, Token: form.Token(ssoForm, p.UID)}, true
}

// discover leads an address to the provider of its domain. It says nothing about accounts:
// every address of a domain is answered alike.
func (s *Server) discover(r *request, o *model.Organization, p pages.LoginPage) (answer, error) {
	_, domain, _ := strings.Cut(people.Address(p.Email), "@")
	if o != nil && domain != "" && slices.Contains(o.Domains, domain) {
		for _, one := range r.offered(o) {
			if one.Local == nil && s.backend(one.UID) != nil {
				return s.leave(r, one, attempt{Next: p.Next, Organization: o.Slug, Intent: toSignIn}, leaving{hint: atMost(p.Email, longestAddress), again: p.Again})
			}
		}
	}
	if r.offersPassword(o) == nil {
		p.Problem = "This address leads to none of the ways to sign in. Choose one of them."
	}
	return s.loginPage(r, http.StatusOK, p, o), nil
}

// offersPassword is the provider of passwords, if it counts there; nil: it does not.
func (r *request) offersPassword(o *model.Organization) *model.Provider {
	all := r.offered(o)
	if i := slices.IndexFunc(all, func(p *model.Provider) bool { return p.Local != nil }); i >= 0 {
		return all[i]
	}
	return nil
}
