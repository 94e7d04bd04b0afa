package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/outbound"
)

// github is GitHub, or a GitHub Enterprise Server: OAuth, with who somebody is, their
// addresses, organizations and teams in an API of its own.
type github struct {
	*accounts
	set      model.GitHubSettings
	uid      string
	callback string
	base     string // of the pages
	api      string
	http     *outbound.Client
}

const (
	gitHubType     = "application/vnd.github+json"
	gitHubPage     = 100 // entries
	gitHubMostPage = 10
)

func newGitHub(p *model.Provider, env Env) (Backend, error) {
	base := strings.TrimSuffix(p.GitHub.BaseURL, "/")
	return &github{
		accounts: newAccounts(p, env), set: *p.GitHub, uid: p.UID, callback: env.CallbackURL(p.UID),
		base: base, api: gitHubAPI(base), http: env.Outbound(p.GitHub.CABundle),
	}, nil
}

// gitHubAPI is where the API of an installation is: a host of its own in the cloud, a path
// on an Enterprise Server.
func gitHubAPI(base string) string {
	host := hostOf(base)
	if host == "github.com" || strings.HasSuffix(host, ".ghe.com") {
		return "https://api." + host
	}
	return base + "/api/v3"
}

// Describe implements Backend.
func (g *github) Describe() Description {
	return Description{CallbackURL: g.callback, Issuer: g.base}
}

// Probe implements Prober: there are no settings to take, so it only looks whether the
// servers are there.
func (g *github) Probe(ctx context.Context, _ time.Time) error {
	_, err := g.http.Reach(ctx, g.base)
	if err == nil && hostOf(g.api) != hostOf(g.base) {
		_, err = g.http.Reach(ctx, g.api)
	}
	return err
}

// Authenticate implements Backend. GitHub has no words for Again and MaxAge: the Proof has
// no AuthTime.
func (g *github) Authenticate(_ context.Context, a Attempt) (Step, error) {
	scopes := []string{"read:user", "user:email"}
	if len(g.set.Organizations) > 0 {
		scopes = append(scopes, "read:org") // nothing is asked of whoever need not say it
	}
	query := url.Values{"client_id": {g.set.ClientID}, "redirect_uri": {g.callback}, "scope": {strings.Join(scopes, " ")}}
	if a.Hint != "" {
		query.Set("login", a.Hint)
	}
	if a.Again {
		query.Set("prompt", "select_account")
	}
	return begin(g.uid, a, true).step(g.base+"/login/oauth/authorize", query)
}

// Validate implements Backend.
func (g *github) Validate(ctx context.Context, a Answer) (Proof, error) {
	t, err := returned(g.uid, a)
	if err != nil {
		return Proof{}, err
	}
	code, err := codeOf(a.Form)
	if err != nil {
		return Proof{}, err
	}
	e := tokenEndpoint{http: g.http, url: g.base + "/login/oauth/access_token", client: g.set.ClientID, secret: g.set.ClientSecret, methods: []string{secretPost}}
	got, err := e.exchange(ctx, url.Values{"code": {code}, "redirect_uri": {g.callback}, "code_verifier": {t.Verifier}})
	if err != nil {
		return Proof{}, err
	}
	p, err := g.proof(ctx, got.access)
	if err != nil {
		return Proof{}, err
	}
	if !got.expires { // one that expires would say soon that somebody is gone who is not
		p.Renewal = encoded(gitHubRenewal{got.access})
	}
	return p, nil
}

type gitHubRenewal struct {
	Access string `json:"access_token"`
}

// Recheck implements Rechecker, by the access token: GitHub forgets it with the account, and
// when the person withdraws it.
func (g *github) Recheck(ctx context.Context, _ time.Time, subject string, renewal []byte) (Proof, error) {
	kept, err := object(renewal)
	access, _ := kept["access_token"].(string)
	if err != nil || access == "" {
		return Proof{}, unavailable(errors.New("there is nothing to ask with"))
	}
	p, err := g.proof(ctx, access)
	switch {
	case errors.Is(err, errNotGiven), errors.Is(err, errNoMember):
		return Proof{}, ErrGone
	case err != nil:
		return Proof{}, notRefused(err)
	}
	p.Renewal = renewal
	return p, nil
}

// errNoMember: the person is in none of the organizations.
var errNoMember = fmt.Errorf("%w: the person is a member of none of spec.github.organizations", ErrRefused)

// proof asks who the person of an access token is.
func (g *github) proof(ctx context.Context, access string) (Proof, error) {
	user, err := g.get(ctx, "/user", access)
	if err != nil {
		return Proof{}, err
	}
	of, _ := user.(map[string]any)
	id, _ := of["id"].(int64)
	login, _ := of["login"].(string)
	if id <= 0 || login == "" {
		return Proof{}, refused("GitHub says no id and login")
	}
	name, _ := of["name"].(string)
	claims := map[string]any{
		"id": strconv.FormatInt(id, 10), "login": login, "name": name,
		"organizations": []any{}, "teams": []any{},
	}
	if err := g.addEmail(ctx, access, claims); err != nil {
		return Proof{}, err
	}
	if len(g.set.Organizations) > 0 {
		if err := g.addMemberships(ctx, access, claims); err != nil {
			return Proof{}, err
		}
	}
	return Proof{Claims: claims}, nil
}

// addEmail takes the primary address, and only if GitHub has verified it: the one on the
// profile is whatever the person wrote there.
func (g *github) addEmail(ctx context.Context, access string, claims map[string]any) error {
	claims["email"], claims["email_verified"] = "", false
	all, err := g.all(ctx, "/user/emails", access)
	if err != nil {
		return err
	}
	for _, e := range all {
		if e["primary"] == true && e["verified"] == true {
			claims["email"], claims["email_verified"] = e["email"], true
		}
	}
	return nil
}

// addMemberships takes those of the declared organizations that the person is in, and their
// teams there. Others are nobody's business here.
func (g *github) addMemberships(ctx context.Context, access string, claims map[string]any) error {
	all, err := g.all(ctx, "/user/orgs", access)
	if err != nil {
		return err
	}
	organizations, teams := []any{}, []any{}
	for _, o := range all {
		if login, _ := o["login"].(string); g.declared(login) {
			organizations = append(organizations, login)
		}
	}
	if len(organizations) == 0 {
		return errNoMember
	}
	if all, err = g.all(ctx, "/user/teams", access); err != nil {
		return err
	}
	for _, t := range all {
		slug, _ := t["slug"].(string)
		of, _ := t["organization"].(map[string]any)
		if login, _ := of["login"].(string); slug != "" && g.declared(login) {
			teams = append(teams, login+"/"+slug)
		}
	}
	claims["organizations"], claims["teams"] = organizations, teams
	return nil
}

// declared: names of organizations are the same in either case.
func (g *github) declared(organization string) bool {
	return organization != "" && slices.ContainsFunc(g.set.Organizations, func(o string) bool { return strings.EqualFold(o, organization) })
}

// all reads a list, page by page. A list that does not end is refused: what would be on the
// rest of it is not known.
func (g *github) all(ctx context.Context, path, access string) (all []map[string]any, err error) {
	for page := 1; page <= gitHubMostPage; page++ {
		answer, err := g.get(ctx, fmt.Sprintf("%s?per_page=%d&page=%d", path, gitHubPage, page), access)
		if err != nil {
			return nil, err
		}
		entries, ok := answer.([]any)
		if !ok {
			return nil, refused("GitHub says no list where one should be")
		}
		for _, e := range entries {
			o, ok := e.(map[string]any)
			if !ok {
				return nil, refused("GitHub says a list of something else than it should")
			}
			all = append(all, o)
		}
		if len(entries) < gitHubPage {
			return all, nil
		}
	}
	return nil, refused(fmt.Sprintf("GitHub says more than %d entries of %s", gitHubPage*gitHubMostPage, path))
}

func (g *github) get(ctx context.Context, path, access string) (any, error) {
	raw, err := resource(ctx, g.http, g.api+path, access, gitHubType)
	if err != nil {
		return nil, err
	}
	v, err := value(raw)
	if err != nil {
		return nil, refused("GitHub does not answer in JSON")
	}
	return v, nil
}
