package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientauthentication "k8s.io/client-go/pkg/apis/clientauthentication/v1"

	"github.com/gatehouse-dev/gatehouse/internal/login"
)

const execCredential = "exec-credential"

// execInfo is the variable in which kubectl says what it wants.
const execInfo = "KUBERNETES_EXEC_INFO"

func tokenCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Print a fresh access token of a login, for scripts and kubectl",
		Long: `Print an access token that lasts at least a minute, and nothing else. It is taken from
what gatehouse login keeps, and refreshed when it ends soon. Any number of scripts may run
this at once.

With --output exec-credential it prints the ID token instead, as an ExecCredential of
client.authentication.k8s.io/v1: the command is an exec plugin of kubectl then.

Exit code 3 means that somebody must run gatehouse login.`,
		Example: `  curl -H "Authorization: Bearer $(gatehouse token)" https://api.example.com/
  gatehouse token --output exec-credential`,
		Args: noArguments,
	}
	selected := whichFlags(cmd.Flags())
	cmd.Flags().StringVar(&output, "output", "text", "text or exec-credential")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if output != "text" && output != execCredential {
			return usageError("--output: %q is neither text nor %s", output, execCredential)
		}
		if err := wantedVersion(output); err != nil {
			return err
		}
		s, err := selected.open()
		if err != nil {
			return err
		}
		t, err := s.Fresh(cmd.Context(), output == execCredential)
		if errors.Is(err, login.ErrNoIDToken) {
			return noIDToken(s.Login)
		}
		if err != nil {
			return signInCure(err, s.Login)
		}
		if output == execCredential {
			return json.NewEncoder(cmd.OutOrStdout()).Encode(credentialOf(t))
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), string(t.Access))
		return err
	}
	return cmd
}

func credentialOf(t login.Tokens) clientauthentication.ExecCredential {
	until := metav1.NewTime(t.IDExpires)
	return clientauthentication.ExecCredential{
		TypeMeta: metav1.TypeMeta{APIVersion: clientauthentication.SchemeGroupVersion.String(), Kind: "ExecCredential"},
		Status:   &clientauthentication.ExecCredentialStatus{Token: string(t.ID), ExpirationTimestamp: &until},
	}
}

// wantedVersion refuses a kubeconfig that asks for another version: kubectl would say only
// that it got the wrong one.
func wantedVersion(output string) error {
	raw := os.Getenv(execInfo)
	if output != execCredential || raw == "" {
		return nil
	}
	var info metav1.TypeMeta
	if err := json.Unmarshal([]byte(raw), &info); err != nil {
		return usageError("%s: %w", execInfo, err)
	}
	if served := clientauthentication.SchemeGroupVersion.String(); info.APIVersion != served {
		return usageError("%s asks for %q; write apiVersion: %s in the exec entry of the kubeconfig", execInfo, printable(info.APIVersion), served)
	}
	return nil
}

func noIDToken(l login.Login) error {
	return &exitError{exitSignIn, fmt.Errorf(
		"the login has no ID token, because openid was not granted: add openid to the scopes of the ApiApplication, then run `gatehouse login --issuer %s --client-id %s`",
		l.Issuer, l.ClientID)}
}
