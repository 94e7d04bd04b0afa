package upstream

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/outbound"
)

const (
	ldapAtOnce   = 8   // conversations with one directory
	groupsMost   = 500 // of one person: as many as a mapping takes
	groupsAtOnce = 100 // of them in one page
	groupPages   = 20
	// refusalTime is how long a refusal takes at least: a directory is quicker about a name
	// that it does not know than about a password that is wrong.
	refusalTime = 300 * time.Millisecond
)

var (
	errNobody = errors.New("the directory knows nobody of the name")
	errMany   = errors.New("the directory has more entries than one can be meant by")
)

// directory is a provider that people type name and password for (RFC 4511). The name is
// looked up by a service account, or is a part of a DN; then the directory is asked whether
// the password is that of exactly this entry.
type directory struct {
	*accounts
	set           model.LDAPSettings
	host, address string
	client        *outbound.Client
	slots         chan struct{} // of conversations
	until         atomic.Pointer[time.Time]
}

// lookup is a directory with a service account, which can ask about who is not there.
type lookup struct{ *directory }

// compared finds a name that is compared in another way than as a whole value: there a star
// is a character, and does not stand for anybody.
var compared = regexp.MustCompile(`[:~<>]=[^()]*\{username\}|\*[^()]*\{username\}|\{username\}[^()]*\*`)

func newLDAP(p *model.Provider, env Env) (Backend, error) {
	d := &directory{accounts: newAccounts(p, env), set: *p.LDAP, client: env.Outbound(p.LDAP.CABundle), slots: make(chan struct{}, ldapAtOnce)}
	if err := d.settle(); err != nil {
		return nil, fmt.Errorf("provider %s/%s: %w", p.Namespace, p.Name, err)
	}
	if d.set.BindDN == "" {
		return d, nil
	}
	return lookup{d}, nil
}

// settle refuses settings by which a password would travel in the clear, or prove nothing.
func (d *directory) settle() error {
	u, err := url.Parse(d.set.URL)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || strings.Trim(u.Path, "/") != "" {
		return errors.New("ldap.url is no address of a directory; write ldaps://HOST or ldaps://HOST:PORT")
	}
	port := "636"
	switch {
	case u.Scheme == "ldaps" && !d.set.StartTLS:
	case u.Scheme == "ldap" && d.set.StartTLS:
		port = "389"
	case u.Scheme == "ldaps":
		return errors.New("ldap.startTLS is for ldap:// alone, and ldaps:// begins with TLS; leave it out")
	default:
		return errors.New("ldap.url would send passwords in the clear; write ldaps://, or set ldap.startTLS for ldap://")
	}
	if u.Port() != "" {
		port = u.Port()
	}
	d.host, d.address = u.Hostname(), net.JoinHostPort(u.Hostname(), port)
	template := strings.Contains(d.set.UserSearch.BaseDN, "{username}")
	switch {
	case d.set.BindDN == "" && !template:
		return errors.New("ldap.userSearch.baseDN has no {username}, and nobody searches without ldap.bindDN; set one of the two")
	case d.set.BindDN != "" && template:
		return errors.New("ldap.userSearch.baseDN has {username}, which is for directories without ldap.bindDN; leave one of the two out")
	case d.set.BindDN != "" && len(d.set.BindPassword.Reveal()) == 0:
		return errors.New("ldap.bindPasswordRef leads to an empty password, which proves nobody; set one")
	case d.set.UserSearch.Attribute == "":
		return errors.New("ldap.userSearch.attribute is missing; name the attribute that is never another person's")
	}
	return d.settleFilters()
}

func (d *directory) settleFilters() error {
	user := d.set.UserSearch.Filter
	for field, filter := range map[string]string{"userSearch": user, "groupSearch": d.groupFilter()} {
		if filter == "" {
			continue
		}
		if _, err := ldap.CompileFilter("(&" + filled(filter, "ann", "uid=ann") + ")"); err != nil || !strings.HasPrefix(filter, "(") {
			return fmt.Errorf("ldap.%s.filter is no filter (RFC 4515); correct it", field)
		}
	}
	if d.set.BindDN == "" {
		return nil
	}
	if !strings.Contains(user, "{username}") {
		return errors.New("ldap.userSearch.filter has no {username}: it would find the same entry for everybody; add it")
	}
	return nil
}

func (d *directory) groupFilter() string {
	if d.set.GroupSearch == nil {
		return ""
	}
	return d.set.GroupSearch.Filter
}

// Describe implements Backend.
func (d *directory) Describe() Description {
	about := Description{Asks: true, Issuer: d.set.URL}
	if until := d.until.Load(); until != nil {
		about.Until = *until
	}
	return about
}

// Validate implements Backend: nobody comes back from there.
func (d *directory) Validate(context.Context, Answer) (Proof, error) {
	return Proof{}, refused("a directory has no callback")
}

// Authenticate implements Backend. Whoever is refused learns neither by words nor by time
// whether there is somebody of the name.
func (d *directory) Authenticate(ctx context.Context, a Attempt) (Step, error) {
	earliest := time.NewTimer(refusalTime)
	defer earliest.Stop()
	proof, err := d.prove(ctx, a)
	if err == nil {
		return Step{Proof: &proof}, nil
	}
	if !errors.Is(err, ErrRefused) {
		return Step{}, unavailable(err)
	}
	select {
	case <-earliest.C:
	case <-ctx.Done():
	}
	return Step{}, err
}

// prove is a Proof, ErrRefused, or why the directory could not be asked.
func (d *directory) prove(ctx context.Context, a Attempt) (Proof, error) {
	if !nameable(a.Username) || !presentable(a.Password) { // nothing is sent
		return Proof{}, refused("no such name or password can be anybody's")
	}
	c, done, err := d.converse(ctx)
	if err != nil {
		return Proof{}, err
	}
	defer done()
	e, err := d.entry(c, a)
	switch {
	case errors.Is(err, errWrong), errors.Is(err, errNobody), errors.Is(err, errMany), errors.Is(err, errAnonymous):
		return Proof{}, refused(err.Error())
	case err != nil:
		return Proof{}, err
	case disabled(e):
		return Proof{}, refused("the directory has disabled the account")
	}
	claims, err := d.claims(c, e, a.Username)
	if err != nil {
		return Proof{}, err
	}
	renewal, err := json.Marshal(renewal{Username: a.Username})
	return Proof{Claims: claims, AuthTime: a.Now, AMR: []string{oauth.AMRPassword}, Renewal: renewal}, err
}

// renewal is what of a sign-in the entry does not say.
type renewal struct {
	Username string `json:"username"`
}

// converse opens a connection when it is its turn.
func (d *directory) converse(ctx context.Context) (c *conversation, done func(), err error) {
	leave, err := d.client.Enter() // who waits for a turn is waited for, too
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, ldapTime)
	select {
	case d.slots <- struct{}{}:
	case <-ctx.Done():
		cancel()
		leave()
		return nil, nil, ctx.Err()
	}
	end := func() {
		cancel()
		<-d.slots
		leave()
	}
	if c, err = d.open(ctx); err != nil {
		end()
		return nil, nil, err
	}
	return c, func() { c.close(); end() }, nil
}

// entry is that of who has proven to be it; the connection may search afterwards.
func (d *directory) entry(c *conversation, a Attempt) (*ldap.Entry, error) {
	if d.set.BindDN == "" {
		return d.bound(c, a)
	}
	if err := d.serve(c); err != nil {
		return nil, err
	}
	e, err := c.one(ldap.SearchRequest{
		BaseDN: d.set.UserSearch.BaseDN, Scope: ldap.ScopeWholeSubtree,
		Filter: filled(d.set.UserSearch.Filter, a.Username, ""), Attributes: d.wanted(),
	})
	if errors.Is(err, errNobody) || errors.Is(err, errMany) {
		// As long as for somebody it takes only where both are as quick; see refusalTime.
		if bindErr := c.bind("cn="+rand.Text()+","+d.set.UserSearch.BaseDN, rand.Text()); bindErr != nil && !errors.Is(bindErr, errWrong) {
			return nil, bindErr
		}
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	if err := c.proven(e.DN, a.Password); err != nil {
		return nil, err
	}
	return e, d.serve(c)
}

// bound is the entry of a DN that has the name in it, as the person sees it.
func (d *directory) bound(c *conversation, a Attempt) (*ldap.Entry, error) {
	dn, filter := named(d.set.UserSearch.BaseDN, a.Username), "(objectClass=*)"
	if d.set.UserSearch.Filter != "" {
		filter = filled(d.set.UserSearch.Filter, a.Username, dn)
	}
	if err := c.proven(dn, a.Password); err != nil {
		return nil, err
	}
	return c.one(ldap.SearchRequest{BaseDN: dn, Scope: ldap.ScopeBaseObject, Filter: filter, Attributes: d.wanted()})
}

// proven binds as somebody, and not as nobody.
func (c *conversation) proven(dn, password string) error {
	if err := c.bind(dn, password); err != nil {
		return err
	}
	return c.somebody()
}

// serve binds as the service account. That it is refused is no fault of who signs in.
func (d *directory) serve(c *conversation) error {
	err := c.bind(d.set.BindDN, string(d.set.BindPassword.Reveal()))
	if errors.Is(err, errWrong) {
		return errors.New("the directory refuses ldap.bindDN with the password of ldap.bindPasswordRef")
	}
	return err
}

// wanted are all attributes for the mapping, and those for us that are only told by name.
func (d *directory) wanted() []string {
	return []string{"*", d.set.UserSearch.Attribute, "memberOf", "userAccountControl", "pwdAccountLockedTime", "nsAccountLock", "loginDisabled"}
}

// claims are what the directory says of an entry.
func (d *directory) claims(c *conversation, e *ldap.Entry, username string) (map[string]any, error) {
	subject, err := subjectOf(e, d.set.UserSearch.Attribute)
	if err != nil {
		return nil, refused(err.Error())
	}
	groups, err := d.groups(c, e, username)
	if errors.Is(err, errMany) {
		return nil, refused("the directory has more groups of the person than are read")
	}
	if err != nil {
		return nil, err
	}
	return map[string]any{"dn": e.DN, "username": username, "subject": subject, "groups": groups, "attributes": attributesOf(e)}, nil
}

// groups are the names of those that the entry is in, in order.
func (d *directory) groups(c *conversation, e *ldap.Entry, username string) ([]any, error) {
	if d.set.GroupSearch == nil {
		return []any{}, nil
	}
	by := d.set.GroupSearch
	request := ldap.SearchRequest{BaseDN: by.BaseDN, Scope: ldap.ScopeWholeSubtree, Filter: filled(by.Filter, username, e.DN), Attributes: []string{by.Attribute}}
	names := map[string]bool{}
	var cookie []byte
	for range groupPages {
		entries, next, err := c.page(request, groupsAtOnce, cookie)
		if err != nil {
			return nil, err
		}
		for _, group := range entries {
			for _, name := range group.GetEqualFoldAttributeValues(by.Attribute) {
				names[name] = true
			}
		}
		if len(names) > groupsMost {
			return nil, errMany
		}
		if cookie = next; len(cookie) == 0 {
			all := []any{}
			for _, name := range slices.Sorted(maps.Keys(names)) {
				all = append(all, name)
			}
			return all, nil
		}
	}
	return nil, errMany
}

// Recheck implements Rechecker.
func (l lookup) Recheck(ctx context.Context, now time.Time, subject string, kept []byte) (Proof, error) {
	var before renewal
	filter, err := bySubject(l.set.UserSearch.Attribute, subject)
	if err != nil || json.Unmarshal(kept, &before) != nil || !nameable(before.Username) {
		return Proof{}, unavailable(errors.New("what is kept of the sign-in is not enough to ask the directory"))
	}
	c, done, err := l.converse(ctx)
	if err != nil {
		return Proof{}, unavailable(err)
	}
	defer done()
	if err := l.serve(c); err != nil {
		return Proof{}, unavailable(err)
	}
	e, err := c.one(ldap.SearchRequest{
		BaseDN: l.set.UserSearch.BaseDN, Scope: ldap.ScopeWholeSubtree,
		Filter: "(&" + l.anybody(before.Username) + filter + ")", Attributes: l.wanted(),
	})
	switch {
	case errors.Is(err, errNobody):
		if err := l.there(c); err != nil { // all are gone, or nothing is shown to us any more
			return Proof{}, unavailable(err)
		}
		return Proof{}, ErrGone
	case err != nil:
		return Proof{}, unavailable(err)
	case disabled(e):
		return Proof{}, ErrGone
	}
	claims, err := l.claims(c, e, before.Username)
	if err != nil {
		return Proof{}, unavailable(err)
	}
	if claims["subject"] != subject {
		return Proof{}, unavailable(errors.New("the directory answers with another entry than was asked for"))
	}
	return Proof{Claims: claims, Renewal: kept}, nil
}

// anybody is the user filter for whoever it may be for: who is called otherwise by now is
// still there. Where it compares in a way that nothing stands for anybody, it is for the name
// that was typed.
func (d *directory) anybody(username string) string {
	all := strings.ReplaceAll(d.set.UserSearch.Filter, "{username}", "*")
	if _, err := ldap.CompileFilter(all); err != nil || compared.MatchString(d.set.UserSearch.Filter) {
		return filled(d.set.UserSearch.Filter, username, "")
	}
	return all
}

// there reports whether the service account sees where people are.
func (d *directory) there(c *conversation) error {
	_, err := c.one(ldap.SearchRequest{BaseDN: d.set.UserSearch.BaseDN, Scope: ldap.ScopeBaseObject, Filter: "(objectClass=*)", Attributes: []string{"1.1"}})
	if errors.Is(err, errNobody) {
		return errors.New("the directory shows nothing at ldap.userSearch.baseDN")
	}
	return err
}

// Probe implements Prober. A directory has no settings to take.
func (d *directory) Probe(ctx context.Context, _ time.Time) error {
	c, done, err := d.converse(ctx)
	if err != nil {
		return err
	}
	defer done()
	d.until.Store(&c.ends)
	if d.set.BindDN == "" {
		return nil
	}
	if err := d.serve(c); err != nil {
		return err
	}
	return d.there(c)
}
