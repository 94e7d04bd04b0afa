package controllers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"

	"github.com/gatehouse-dev/gatehouse/internal/jwk"
)

// Where the API server says who signs the tokens of ServiceAccounts. ServiceAccounts may
// read it by the role system:service-account-issuer-discovery, which every cluster has.
const (
	issuerPath = "/.well-known/openid-configuration"
	keysPath   = "/openid/v1/jwks"
)

// When it is read.
const (
	keysEvery = 5 * time.Minute // and up to a tenth more, so that replicas do not ask in step
	// keysPause is the least time between two reads, whoever asks; one that failed is tried
	// again after it.
	keysPause = 5 * time.Second
)

// RefreshServiceAccountKeys has the keys read again soon: a token was signed by another one.
// It returns at once, and may be called as often as such tokens come.
func (c *Cluster) RefreshServiceAccountKeys() {
	select {
	case c.keysAsked <- struct{}{}:
	default: // it is asked for already
	}
}

// followKeys hands over the issuer of ServiceAccounts' tokens and its keys, again and again,
// until ctx ends. They are observed, not declared: while the API server does not answer, the
// last ones stay in service. Every replica does this.
func (c *Cluster) followKeys(ctx context.Context) {
	said := ""
	for ctx.Err() == nil {
		problem, next := "", wait.Jitter(keysEvery, 0.1)
		issuer, keys, err := readServiceAccountKeys(ctx, c.Config)
		if err != nil {
			problem, next = err.Error(), keysPause
		} else {
			c.ServiceAccountKeys(issuer, keys)
		}
		if problem != said && ctx.Err() == nil {
			c.logKeys(issuer, problem)
			said = problem
		}
		c.pause(ctx, keysPause, nil)
		if next > keysPause {
			c.pause(ctx, next-keysPause, c.keysAsked)
		}
	}
}

// pause waits, but no longer than until ctx ends or somebody asks.
func (c *Cluster) pause(ctx context.Context, d time.Duration, asked <-chan struct{}) {
	timer := c.Clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-asked:
	case <-timer.C():
	}
}

func (c *Cluster) logKeys(issuer, problem string) {
	if problem == "" {
		c.Log.Info("the keys of ServiceAccounts' tokens are known again", "issuer", issuer)
		return
	}
	c.Log.Info("the keys of ServiceAccounts' tokens cannot be read; applications with source: ServiceAccount go on with the last ones, trying again", "problem", problem)
}

// readServiceAccountKeys asks the API server itself: the jwks_uri of the document may lead to
// another host, which is for readers outside of the cluster.
func readServiceAccountKeys(ctx context.Context, config *rest.Config) (issuer string, keys []jwk.Key, err error) {
	d, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return "", nil, fmt.Errorf("make discovery client: %w", err)
	}
	raw, err := d.RESTClient().Get().AbsPath(issuerPath).Timeout(keysPause).DoRaw(ctx)
	if apierrors.IsForbidden(err) {
		err = fmt.Errorf("%w; bind the ClusterRole system:service-account-issuer-discovery to this ServiceAccount", err)
	}
	if err != nil {
		return "", nil, fmt.Errorf("read %s: %w", issuerPath, err)
	}
	var document struct {
		Issuer string `json:"issuer"`
	}
	if err := json.Unmarshal(raw, &document); err != nil || document.Issuer == "" {
		return "", nil, fmt.Errorf("read %s: the answer names no issuer", issuerPath)
	}
	if raw, err = d.RESTClient().Get().AbsPath(keysPath).Timeout(keysPause).DoRaw(ctx); err != nil {
		return "", nil, fmt.Errorf("read %s: %w", keysPath, err)
	}
	keys, problems := jwk.Parse(raw)
	for _, p := range problems {
		err = errors.Join(err, fmt.Errorf("read %s: %s %s", keysPath, p.Path, p.Message))
	}
	if len(keys) > 0 {
		err = nil // those that are good are enough (RFC 7517 section 5)
	}
	return document.Issuer, keys, err
}
