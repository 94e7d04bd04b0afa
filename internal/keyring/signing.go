package keyring

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// The algorithms of signing keys (RFC 7518 section 3.1): RSA of 2048 bits, which every
// client of OpenID Connect can verify, and ECDSA on P-256, which is forty times cheaper.
const (
	RS256 = "RS256"
	ES256 = "ES256"
)

const rsaBits = 2048

// SigningKey signs what is verified without us, by the public half.
type SigningKey struct {
	KID     string        // the thumbprint of the public half (RFC 7638)
	Alg     string        // RS256 or ES256; the key is used with no other
	Private crypto.Signer // shows its key to nobody
	Span

	members string // of the public half as a JWK, in the order of RFC 7638 section 3.3
	pkcs8   model.Sensitive
}

func (k SigningKey) span() Span   { return k.Span }
func (k SigningKey) name() string { return k.KID }

func (k SigningKey) until(t time.Time) SigningKey {
	k.Until = t
	return k
}

// JWK is the public half as a JSON object (RFC 7517 section 4).
func (k SigningKey) JWK() string {
	return `{` + k.members + `,"use":"sig","alg":"` + k.Alg + `","kid":"` + k.KID + `"}`
}

// signer is a private key that nothing can print: fmt shows the address of a function, and
// encodings skip what is not exported.
type signer struct {
	public crypto.PublicKey
	sign   func(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error)
}

func (s signer) Public() crypto.PublicKey { return s.public }

func (s signer) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return s.sign(random, digest, opts)
}

func makeRSA(random io.Reader) (*rsa.PrivateKey, error) { return rsa.GenerateKey(random, rsaBits) }

func makeSigningKey(private crypto.Signer, since time.Time) (SigningKey, error) {
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return SigningKey{}, fmt.Errorf("encode signing key: %w", err)
	}
	return signingKey(private, pkcs8, since)
}

// parseSigningKey reads a key for one algorithm. Its error never contains the key.
func parseSigningKey(alg string, pkcs8 []byte, since time.Time) (SigningKey, error) {
	bad := errors.New("keyring has an " + alg + " key that cannot be read; restore it from a backup")
	parsed, err := x509.ParsePKCS8PrivateKey(pkcs8)
	if err != nil {
		return SigningKey{}, bad
	}
	private, ok := parsed.(crypto.Signer)
	if !ok {
		return SigningKey{}, bad
	}
	k, err := signingKey(private, pkcs8, since)
	if err != nil || k.Alg != alg {
		return SigningKey{}, bad
	}
	return k, nil
}

// signingKey describes a private key; its algorithm follows from what it is.
func signingKey(private crypto.Signer, pkcs8 []byte, since time.Time) (SigningKey, error) {
	k := SigningKey{
		Private: signer{private.Public(), private.Sign},
		Span:    Span{Since: since}, pkcs8: model.NewSensitive(pkcs8),
	}
	switch public := private.Public().(type) {
	case *rsa.PublicKey:
		if public.N.BitLen() < rsaBits { // RFC 7518 section 3.3
			return SigningKey{}, errors.New("an RSA key is too short")
		}
		k.Alg, k.members = RS256, rsaMembers(public)
	case *ecdsa.PublicKey:
		if public.Curve != elliptic.P256() {
			return SigningKey{}, errors.New("an ECDSA key is on another curve than P-256")
		}
		point, err := public.Bytes()
		if err != nil {
			return SigningKey{}, fmt.Errorf("encode public key: %w", err)
		}
		k.Alg, k.members = ES256, p256Members(point)
	default:
		return SigningKey{}, errors.New("a key is neither RSA nor ECDSA")
	}
	k.KID = thumbprint(k.members)
	return k, nil
}

func rsaMembers(public *rsa.PublicKey) string {
	return `"e":"` + base64url(big.NewInt(int64(public.E)).Bytes()) + `","kty":"RSA","n":"` + base64url(public.N.Bytes()) + `"`
}

// p256Members takes an uncompressed point: 4, x, y.
func p256Members(point []byte) string {
	return `"crv":"P-256","kty":"EC","x":"` + base64url(point[1:33]) + `","y":"` + base64url(point[33:]) + `"`
}

// thumbprint is RFC 7638 section 3: the members that are required, in the order of their
// names and without white space.
func thumbprint(members string) string {
	sum := sha256.Sum256([]byte(`{` + members + `}`))
	return base64url(sum[:])
}

func base64url(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }
