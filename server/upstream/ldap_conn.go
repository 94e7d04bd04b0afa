package upstream

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

const (
	// ldapTime is what all that is asked for one sign-in may take together.
	ldapTime = 10 * time.Second
	// ldapSearchTime is what a directory is told to take for one search, in seconds.
	ldapSearchTime = 5
)

var (
	// errWrong: the directory says no to somebody who would prove who they are.
	errWrong = errors.New("the directory refuses name and password")
	// errAnonymous: it said yes, and takes whoever asked for nobody.
	errAnonymous = errors.New("the directory lets anybody in and takes them for nobody")
)

// conversation is a connection to a directory, for one question. It is encrypted before
// anything is said.
type conversation struct {
	*ldap.Conn
	ends time.Time // of its certificate
	hush func() bool
}

// open connects, until the context ends. Nothing but the wish for TLS is sent before the server has proven its name.
func (d *directory) open(ctx context.Context) (*conversation, error) {
	raw, err := d.client.Dial(ctx, d.address)
	if err != nil {
		return nil, err
	}
	hush := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) }) // whatever is under way ends
	encrypted, err := d.encrypt(ctx, raw)
	if err != nil {
		hush()
		_ = raw.Close()
		return nil, err
	}
	c := &conversation{Conn: ldap.NewConn(newWire(encrypted), true), ends: encrypted.ConnectionState().PeerCertificates[0].NotAfter, hush: hush}
	c.SetTimeout(ldapTime)
	c.Start()
	return c, nil
}

func (c *conversation) close() {
	c.hush()
	_ = c.Close()
}

func (d *directory) encrypt(ctx context.Context, raw net.Conn) (*tls.Conn, error) {
	if d.set.StartTLS {
		if err := startTLS(raw); err != nil {
			return nil, err
		}
	}
	conn := tls.Client(raw, d.client.TLS(d.host))
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("connect to %s: %w", d.address, err)
	}
	return conn, nil
}

// startTLSRequest is message 1, an ExtendedRequest (RFC 4511 section 4.14.1).
var startTLSRequest = append([]byte{0x30, 29, 0x02, 1, 1, 0x77, 24, 0x80, 22}, "1.3.6.1.4.1.1466.20037"...)

// startTLS asks for TLS. It reads the answer and not a byte more: whatever somebody on the
// way sent after it in the clear would be read as the answer to what is asked later.
func startTLS(raw net.Conn) error {
	if _, err := raw.Write(startTLSRequest); err != nil {
		return err
	}
	answer, err := newWire(raw).message()
	if err != nil {
		return err
	}
	p, err := ber.ReadPacket(bytes.NewReader(answer))
	if err != nil || len(p.Children) < 2 || p.Children[0].Value != int64(1) || p.Children[1].Tag != ldap.ApplicationExtendedResponse {
		return errWire
	}
	if err := ldap.GetLDAPError(p); err != nil {
		return fmt.Errorf("the directory does not begin TLS: %w", said(err))
	}
	return nil
}

// bind proves who asks. errWrong: it is not them.
func (c *conversation) bind(dn, password string) (err error) {
	defer survive(&err)
	if dn == "" || password == "" { // RFC 4513 section 5.1: a server may say yes to both, and mean nobody
		return errWrong
	}
	err = c.Bind(dn, password)
	if ldap.IsErrorAnyOf(err, ldap.LDAPResultInvalidCredentials, ldap.LDAPResultInappropriateAuthentication, ldap.LDAPResultUnwillingToPerform,
		ldap.LDAPResultConstraintViolation, ldap.LDAPResultInsufficientAccessRights, ldap.LDAPResultNoSuchObject, ldap.LDAPResultInvalidDNSyntax) {
		return errWrong
	}
	return said(err)
}

// somebody asks whom the server takes us for (RFC 4532), where it knows that question: a yes
// to a bind that leaves us nobody proves nothing.
func (c *conversation) somebody() (err error) {
	defer survive(&err)
	me, err := c.WhoAmI(nil)
	switch {
	case err == nil && (me.AuthzID == "" || me.AuthzID == "dn:" || me.AuthzID == "u:"):
		return errAnonymous
	case err != nil && ldap.IsErrorAnyOf(err, ldap.LDAPResultProtocolError, ldap.LDAPResultUnwillingToPerform, ldap.LDAPResultUnavailableCriticalExtension,
		ldap.LDAPResultInsufficientAccessRights, ldap.LDAPResultAuthMethodNotSupported, ldap.LDAPResultOther):
		return nil // it does not know the question
	}
	return said(err)
}

// one returns the only entry that is meant; none is errNobody, more are errMany. References
// to other servers are not followed.
func (c *conversation) one(r ldap.SearchRequest) (e *ldap.Entry, err error) {
	defer survive(&err)
	r.DerefAliases, r.TimeLimit = ldap.NeverDerefAliases, ldapSearchTime
	r.SizeLimit, r.EnforceSizeLimit = 2, true // one more, to know of it
	found, err := c.Search(&r)
	switch {
	case ldap.IsErrorAnyOf(err, ldap.LDAPResultSizeLimitExceeded), errors.Is(err, ldap.ErrSizeLimitExceeded), err == nil && len(found.Entries) > 1:
		return nil, errMany
	case err != nil:
		return nil, said(err)
	case len(found.Entries) == 0:
		return nil, errNobody
	case found.Entries[0].DN == "": // to be it would be to be nobody (RFC 4513 section 5.1.1)
		return nil, errNobody
	}
	return found.Entries[0], nil
}

// page returns the next entries of a search, and where it goes on; nil: nowhere.
func (c *conversation) page(r ldap.SearchRequest, size uint32, cookie []byte) (entries []*ldap.Entry, next []byte, err error) {
	defer survive(&err)
	control := ldap.NewControlPaging(size)
	control.SetCookie(cookie)
	r.DerefAliases, r.TimeLimit, r.Controls = ldap.NeverDerefAliases, ldapSearchTime, []ldap.Control{control}
	found, err := c.Search(&r)
	if err != nil {
		if ldap.IsErrorAnyOf(err, ldap.LDAPResultSizeLimitExceeded) {
			return nil, nil, errMany
		}
		return nil, nil, said(err)
	}
	if more, ok := ldap.FindControl(found.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging); ok {
		next = more.Cookie
	}
	return found.Entries, next, nil
}

// said is an error without the words of the server, which may be anything.
func said(err error) error {
	var answer *ldap.Error
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &answer) || answer.ResultCode >= ldap.ErrorNetwork:
		return errBroken
	case answer.ResultCode == ldap.LDAPResultReferral:
		return errors.New("the directory refers to another server, which is not asked")
	}
	name := ldap.LDAPResultCodeMap[answer.ResultCode]
	return fmt.Errorf("the directory says %d (%s)", answer.ResultCode, name)
}

// errBroken: the connection ended in the midst of something.
var errBroken = fmt.Errorf("the directory does not answer, or not in time: %w", io.ErrUnexpectedEOF)

// survive turns a panic of what reads answers into an error: nothing in them ends this
// process.
func survive(err *error) {
	if recover() != nil {
		*err = errFault
	}
}
