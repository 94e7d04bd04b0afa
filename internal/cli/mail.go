package cli

import (
	"net/url"
	"time"

	"github.com/spf13/pflag"

	"github.com/gatehouse-dev/gatehouse/server/mail"
)

// smtpOptions are of the server that mails are handed to.
type smtpOptions struct {
	url, from, username, passwordFile, caFile string
}

func (o *smtpOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.url, "smtp-url", "", "mail server: smtp://host:587, where STARTTLS is mandatory, or smtps://host:465; default: no mail is sent, and the pages say so")
	f.StringVar(&o.from, "smtp-from", "", "address that mail comes from, as no-reply@example.com or \"Acme sign-in <no-reply@example.com>\"")
	f.StringVar(&o.username, "smtp-username", "", "name that the mail server knows us by; default: none is given")
	f.StringVar(&o.passwordFile, "smtp-password-file", "", "file with the password of --smtp-username, read again for each mail")
	f.StringVar(&o.caFile, "smtp-ca-file", "", "PEM file of who signs the mail server's certificate, read again for each mail; default: the system's")
}

// check refuses what belongs to a mail server that is not named.
func (o *smtpOptions) check() error {
	switch {
	case o.url == "" && (o.from != "" || o.username != "" || o.passwordFile != "" || o.caFile != ""):
		return usageError("--smtp-url: missing; the other --smtp flags say how to use the server that it names")
	case o.url != "" && o.from == "":
		return usageError("--smtp-from: missing; give the address that mail comes from, such as no-reply@example.com")
	}
	return nil
}

// openMail makes what sends mail; nil: no server is named.
func (in *installation) openMail() (*mail.Postbox, error) {
	if in.smtp.url == "" {
		return nil, nil
	}
	issuer, err := url.Parse(in.issuer)
	if err != nil {
		return nil, err
	}
	p, err := mail.New(mail.Options{
		Server: mail.Server{
			URL: in.smtp.url, From: in.smtp.from, Username: in.smtp.username, PasswordFile: in.smtp.passwordFile, CAFile: in.smtp.caFile,
			Name: issuer.Hostname(), PlainLoopback: in.dev,
		},
		Log: in.log, Now: time.Now, Registry: in.registry,
	})
	if err != nil {
		return nil, usageError("%w", err)
	}
	return p, nil
}
