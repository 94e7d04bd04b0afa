package cli

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/gatehouse-dev/gatehouse/controllers"
	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/keyring"
	"github.com/gatehouse-dev/gatehouse/internal/manifest"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server"
	"github.com/gatehouse-dev/gatehouse/server/audit"
	"github.com/gatehouse-dev/gatehouse/server/mail"
	"github.com/gatehouse-dev/gatehouse/server/outbound"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

type serveOptions struct {
	issuer, listen, opsListen  string
	tlsCert, tlsKey            string
	manifests, systemNamespace string
	namespaces                 []string
	selector                   string
	dataDir                    *string
	trustedProxies             []string
	allowUpstream              []string
	rateLimitScale             float64
	smtp                       smtpOptions
	audit                      auditOptions
	logLevel                   slog.Level
	dev                        bool
}

func serveCommand() *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve what is declared",
		Long: `Serve the authorization server that the declarations describe.

Without --manifests the declarations are the resources of the cluster that the usual
client configuration names (in a pod: its service account; else KUBECONFIG). With
--manifests they are YAML files, read again whenever they change.

Public endpoints listen on --listen, over TLS with --tls-cert and --tls-key, else in the
clear for a proxy in front that ends TLS. The files are read again when they change.
/healthz, /readyz and /metrics are served on --ops-listen, always in the clear.
State is an embedded SQLite store in --data-dir, with the keyring beside it; in a cluster
that is a copy, and the keys live in the Secret ` + "`gatehouse-keyring`" + ` of --system-namespace.`,
		Example: `  gatehouse serve --dev --manifests config/samples
  gatehouse serve --issuer https://auth.example.com --data-dir /var/lib/gatehouse`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.complete(); err != nil {
				return err
			}
			return serve(cmd.Context(), o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.issuer, "issuer", "", "public URL of this server: https, no path; default with --dev: localhost and the port of --listen")
	f.StringVar(&o.listen, "listen", "", "address of the public endpoints (default :8080, with --dev localhost:8080)")
	f.StringVar(&o.opsListen, "ops-listen", "", "address of /healthz, /readyz and /metrics (default :8081, with --dev localhost:8081)")
	f.StringVar(&o.tlsCert, "tls-cert", "", "PEM file of the certificate chain of the public endpoints, leaf first; default: no TLS here")
	f.StringVar(&o.tlsKey, "tls-key", "", "PEM file of the private key of --tls-cert, unencrypted")
	f.StringVar(&o.manifests, "manifests", "", "directory of YAML files to serve instead of a cluster's resources")
	f.StringVar(&o.systemNamespace, "system-namespace", "", "namespace of the Lease, the keys and installation-wide AuthProviders (default: the pod's, else gatehouse-system)")
	f.StringSliceVar(&o.namespaces, "namespaces", nil, "the only namespaces to follow, as acme,globex, besides the system namespace; default: all (docs/install.md)")
	f.StringVar(&o.selector, "selector", "", "label selector of the declarations to follow, such as auth.gatehouse.dev/installation=blue; default: all (docs/operations.md)")
	f.StringSliceVar(&o.trustedProxies, "trusted-proxies", nil, "networks whose X-Forwarded-For is believed, as 10.0.0.0/8,…; default none")
	f.StringSliceVar(&o.allowUpstream, "allow-upstream-cidr", nil, "networks that are reached where a declaration points to (a provider, a jwksURI) though they are not public, as 10.96.0.0/12,…; default none")
	f.Float64Var(&o.rateLimitScale, "rate-limit-scale", 1, "multiplies every rate limit; 0 switches them off, for load tests only")
	o.smtp.flags(f)
	o.audit.flags(f)
	f.TextVar(&o.logLevel, "log-level", slog.LevelInfo, "least level that is logged: debug (every request), info (refusals), warn or error (faults)")
	f.BoolVar(&o.dev, "dev", false, "for trying out on this machine: allows an http issuer on loopback and keeps a person demo@example.com with a new password at each start")
	o.dataDir = dataDirFlag(f)
	return cmd
}

// complete fills in what depends on other options, and refuses what cannot be served.
func (o *serveOptions) complete() error {
	host := ""
	if o.dev {
		host = "localhost"
	}
	if o.listen == "" {
		o.listen = host + ":8080"
	}
	if o.opsListen == "" {
		o.opsListen = host + ":8081"
	}
	if o.systemNamespace == "" {
		o.systemNamespace = defaultSystemNamespace
		if o.manifests == "" {
			o.systemNamespace = podNamespace()
		}
	}
	if err := o.checkScope(); err != nil {
		return err
	}
	if err := o.smtp.check(); err != nil {
		return err
	}
	if o.rateLimitScale < 0 {
		return usageError("--rate-limit-scale: must not be negative")
	}
	if (o.tlsCert == "") != (o.tlsKey == "") {
		return usageError("--tls-cert and --tls-key: give both, or neither when a proxy in front ends TLS")
	}
	if err := o.audit.check(); err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(o.listen)
	if err != nil {
		return usageError("--listen: %w; write it like :8080 or 127.0.0.1:8080", err)
	}
	if o.issuer == "" && o.dev {
		o.issuer = "http://localhost:" + port
		if o.tlsCert != "" {
			o.issuer = "https://localhost:" + port
		}
	}
	return o.checkIssuer()
}

// checkIssuer: https without path, query or fragment (RFC 8414 section 2); http only with
// --dev and a loopback host, because everything we emit would travel in the clear.
func (o *serveOptions) checkIssuer() error {
	if o.issuer == "" {
		return usageError("--issuer: missing; give this server's public URL, such as https://auth.example.com, or try it out with --dev")
	}
	u, err := url.Parse(o.issuer)
	if err != nil || u.Host == "" || u.Hostname() == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return usageError("--issuer: %q must be a URL with a host and nothing after it, such as https://auth.example.com", o.issuer)
	}
	if u.Scheme == "https" || u.Scheme == "http" && o.dev && loopback(u.Hostname()) {
		return nil
	}
	return usageError("--issuer: %q must use https; http is allowed only with --dev on localhost", o.issuer)
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// source follows declarations and publishes them, until its context ends.
type source interface {
	Run(ctx context.Context) error
	// Ready is nil once something was published; else it says what is missing.
	Ready() error
	// Adopt takes the IDs that objects go by, and has everything judged again.
	Adopt(ids map[string]string)
}

// installation is what every part of a running server shares.
type installation struct {
	serveOptions
	db        *store.DB
	keys      *keyring.Keyring
	keeper    *controllers.KeyringKeeper // of the Secret of the keys; nil: they are in a file
	server    *server.Server
	postbox   *mail.Postbox // nil: no mail is sent
	source    source
	cert      *certificate // of the public endpoints; nil: they are in the clear
	log       *slog.Logger
	registry  *prometheus.Registry
	out       io.Writer
	collector *collector
	declared  atomic.Pointer[manifest.Set]   // what the files say now; nil in a cluster
	served    atomic.Pointer[model.Snapshot] // what was published last
	phase     atomic.Value                   // what the start waits for
	prepared  atomic.Bool                    // server and source are there
	// adoptions is the last one that the source was told of.
	adoptions int64
	followers []audit.Follower // of the audit log
}

func serve(ctx context.Context, o serveOptions, stdout, stderr io.Writer) error {
	in := &installation{serveOptions: o, out: stdout, log: logger(stderr, o), registry: prometheus.NewRegistry()}
	in.collector = newCollector()
	in.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	var err error
	if in.cert, err = in.certificate(); err != nil {
		return err
	}
	if in.postbox, err = in.openMail(); err != nil {
		return err
	}
	public, err := listen(ctx, "--listen", o.listen)
	if err != nil {
		return err
	}
	defer func() { _ = public.Close() }()
	ops, err := listen(ctx, "--ops-listen", o.opsListen)
	if err != nil {
		return err
	}
	defer func() { _ = ops.Close() }()
	if in.db, err = openStore(ctx, *o.dataDir, true); err != nil {
		return err
	}
	if in.followers, err = o.audit.followers(in.db, stdout, in.log); err != nil {
		return errors.Join(err, in.db.Close())
	}
	return errors.Join(in.run(ctx, public, ops), in.db.Close())
}

// prepare makes the server upon the store and the keyring, and finds the declarations.
func (in *installation) prepare(ctx context.Context) error {
	proxies, err := prefixes("--trusted-proxies", in.trustedProxies)
	if err != nil {
		return err
	}
	upstream, err := prefixes("--allow-upstream-cidr", in.allowUpstream)
	if err != nil {
		return err
	}
	var cluster *rest.Config
	if in.manifests != "" {
		in.keys, err = openKeyring(ctx, *in.dataDir, in.db)
	} else if cluster, err = ctrl.GetConfig(); err != nil {
		err = usageError("find a cluster: %w; set KUBECONFIG, or serve files with --manifests", err)
	} else {
		err = in.openClusterKeys(ctx, cluster)
	}
	if err != nil {
		return err
	}
	config := server.Config{
		Issuer: in.issuer, Store: in.db, Keyring: in.keys, Log: in.log,
		TrustedProxies: proxies, RateLimitScale: in.rateLimitScale, Registry: in.registry,
		Outbound: outbound.Options{Allow: upstream}, UnknownClusterKey: in.unknownClusterKey,
		AuditRetention: in.audit.retention,
	}
	if in.postbox != nil { // an interface that holds nil is not nil
		config.Mail = in.postbox
	}
	if in.server, err = server.New(ctx, config); err != nil {
		return err
	}
	if cluster != nil {
		if in.source, err = in.cluster(cluster); err != nil {
			return err
		}
	} else {
		in.source = &files{installation: in, said: map[model.ObjectID][]compile.Finding{}, told: map[model.ObjectID]bool{}, adoptions: make(chan map[string]string, 1)}
	}
	if in.adoptions, err = in.readAdoptions(ctx); err != nil {
		return err
	}
	in.prepared.Store(true)
	return nil
}

// publish serves a snapshot.
func (in *installation) publish(ctx context.Context, next *model.Snapshot) error {
	if err := in.server.Publish(ctx, next); err != nil {
		return err
	}
	in.served.Store(next)
	return nil
}

// run prepares and serves until ctx ends or a part fails; then all parts end. Operations
// are served from the beginning: in a cluster it may take a while until there are keys.
func (in *installation) run(ctx context.Context, public, ops net.Listener) error {
	parts, ctx := errgroup.WithContext(ctx)
	parts.Go(func() error {
		return (&listening{Listener: ops, handler: in.opsHandler(), limits: usualLimits, log: in.log}).serve(ctx)
	})
	parts.Go(func() error {
		if err := in.prepare(ctx); err != nil {
			return err
		}
		parts.Go(func() error { return in.server.Run(ctx) })
		if in.postbox != nil {
			parts.Go(func() error { return in.postbox.Run(ctx) })
		}
		parts.Go(func() error { return in.source.Run(ctx) })
		parts.Go(func() error { return in.followKeys(ctx) })
		parts.Go(func() error { return in.followAdoptions(ctx) })
		parts.Go(func() error { return in.followProbes(ctx) })
		parts.Go(func() error { in.collector.follow(ctx); return nil })
		parts.Go(func() error { return in.servePublic(ctx, public) })
		for _, f := range in.followers {
			parts.Go(func() error { return f.Run(ctx) })
		}
		return in.greet(ctx, public.Addr())
	})
	err := parts.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// servePublic serves the public endpoints, over TLS if there is a certificate.
func (in *installation) servePublic(ctx context.Context, l net.Listener) error {
	public := &listening{Listener: l, handler: in.server.Handler(), limits: usualLimits, log: in.log}
	public.refused = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "gatehouse_connections_refused_total", Help: "Connections closed at once because too many were open and none was idle.",
	})
	in.registry.MustRegister(public.refused)
	if in.cert == nil {
		return public.serve(ctx)
	}
	public.tls = in.cert.config()
	parts, ctx := errgroup.WithContext(ctx)
	parts.Go(func() error { return public.serve(ctx) })
	parts.Go(func() error { return in.cert.follow(ctx) })
	return parts.Wait()
}

func listen(ctx context.Context, flag, address string) (net.Listener, error) {
	var c net.ListenConfig
	l, err := c.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, usageError("%w; choose another address with %s", err, flag)
	}
	return l, nil
}

func prefixes(flag string, networks []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, n := range networks {
		p, err := netip.ParsePrefix(n)
		if err != nil {
			return nil, usageError("%s: %w; write networks like 10.0.0.0/8", flag, err)
		}
		all = append(all, p)
	}
	return all, nil
}

// logger writes lines for people with --dev, and JSON for machines otherwise.
func logger(w io.Writer, o serveOptions) *slog.Logger {
	options := &slog.HandlerOptions{Level: o.logLevel}
	if o.dev {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}
