// Command zitadel runs the example OpenID provider of zitadel/oidc as test/bench measures
// it: the module's own storage, which keeps everything in memory, and its own login form,
// which compares a password in plain text. Only keys and one client are ours, so that the
// algorithms are the same as those of the servers next to it.
//
//	zitadel -listen 127.0.0.1:9000 -redirect http://127.0.0.1:1/callback [-alg ES256]
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"
)

func main() {
	listen := flag.String("listen", "", "loopback address")
	redirect := flag.String("redirect", "", "redirect URI of the client web")
	alg := flag.String("alg", "ES256", "ES256, or RS256 as in the example")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, *listen, *redirect, *alg); err != nil && !errors.Is(err, http.ErrServerClosed) {
		fmt.Fprintln(os.Stderr, "zitadel:", err)
		os.Exit(1)
	}
}

func serve(ctx context.Context, listen, redirect, alg string) error {
	secret := os.Getenv("BENCH_SECRET")
	storage.RegisterClients(storage.WebClient("web", secret, redirect), storage.DeviceClient("device", secret))
	issuer := "http://" + listen + "/"
	var s exampleop.Storage = storage.NewStorage(storage.NewUserStore(issuer))
	switch alg {
	case "ES256":
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		s = elliptical{s.(*storage.Storage), key}
	case "RS256":
	default:
		return fmt.Errorf("-alg %s: must be ES256 or RS256", alg)
	}
	// The example logs every request; what measures it wants no log of any server.
	server := &http.Server{Addr: listen, ReadHeaderTimeout: 5 * time.Second, Handler: exampleop.SetupServer(issuer, s, slog.New(slog.DiscardHandler), false)}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	return server.ListenAndServe()
}

// elliptical is the example's storage with an ES256 key instead of its RS256 one, and with
// JWT access tokens for the service user when it calls itself jwtUser.
type elliptical struct {
	*storage.Storage
	key *ecdsa.PrivateKey
}

// serviceUser is the only machine that the example knows; jwtUser is the same one.
const (
	serviceUser = "sid1"
	jwtUser     = "sid1-jwt"
)

// SigningKey implements op.Storage.
func (e elliptical) SigningKey(context.Context) (op.SigningKey, error) { return private{e.key}, nil }

// SignatureAlgorithms implements op.Storage.
func (e elliptical) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.ES256}, nil
}

// KeySet implements op.Storage.
func (e elliptical) KeySet(context.Context) ([]op.Key, error) { return []op.Key{public{e.key}}, nil }

// ClientCredentials implements op.ClientCredentialsStorage.
func (e elliptical) ClientCredentials(ctx context.Context, id, secret string) (op.Client, error) {
	if id != jwtUser {
		return e.Storage.ClientCredentials(ctx, id, secret)
	}
	client, err := e.Storage.ClientCredentials(ctx, serviceUser, secret)
	return jwtClient{client}, err
}

// ClientCredentialsTokenRequest implements op.ClientCredentialsStorage.
func (e elliptical) ClientCredentialsTokenRequest(ctx context.Context, id string, scopes []string) (op.TokenRequest, error) {
	if id == jwtUser {
		id = serviceUser
	}
	return e.Storage.ClientCredentialsTokenRequest(ctx, id, scopes)
}

type jwtClient struct{ op.Client }

func (jwtClient) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }

type private struct{ key *ecdsa.PrivateKey }

func (private) ID() string                                  { return "bench" }
func (private) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.ES256 }
func (p private) Key() any                                  { return p.key }

type public struct{ key *ecdsa.PrivateKey }

func (public) ID() string                         { return "bench" }
func (public) Algorithm() jose.SignatureAlgorithm { return jose.ES256 }
func (public) Use() string                        { return "sig" }
func (p public) Key() any                         { return &p.key.PublicKey }
