package localkube

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// auditPolicy logs what was asked and by whom, without any body. A watch is logged when it
// starts as well: it may outlive the test.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
`

// Audit is what kube-apiserver logs of the requests that it answers.
type Audit struct{ policy, log string }

// NewAudit prepares an audit log in dir, for one cluster.
func NewAudit(dir string) (*Audit, error) {
	a := &Audit{filepath.Join(dir, "audit-policy.yaml"), filepath.Join(dir, "audit.log")}
	return a, os.WriteFile(a.policy, []byte(auditPolicy), 0o600)
}

// Option has kube-apiserver write the log.
func (a *Audit) Option() Option {
	return func(s *envtest.APIServer) {
		s.Configure().
			Set("audit-policy-file", a.policy).
			Set("audit-log-path", a.log).
			// A request ends when its line is written.
			Set("audit-log-mode", "blocking").
			// One file, however much it is, in MB.
			Set("audit-log-maxsize", "10000")
	}
}

// The stages of a request. A watch has both, anything else is complete only.
const (
	StageStarted  = "ResponseStarted"
	StageComplete = "ResponseComplete"
)

// Event is one request. Requests outside the API, such as those of discovery, have no
// Resource.
type Event struct {
	Time  time.Time // of the stage
	Stage string
	User  string
	// Verb is Kubernetes' own, such as list, watch, patch, deletecollection.
	Verb                         string
	Group, Resource, Subresource string
	// Name is empty if a collection was asked for.
	Namespace, Name string
	URI             string
	Code            int
	// Agent is what the program called itself (User-Agent).
	Agent string
}

// LabelSelector is the one that the request was limited to; empty: none.
func (e Event) LabelSelector() string {
	u, err := url.Parse(e.URI)
	if err != nil {
		return ""
	}
	return u.Query().Get("labelSelector")
}

// Writes reports that the request asked for a change.
func (e Event) Writes() bool {
	return slices.Contains([]string{"create", "update", "patch", "delete", "deletecollection"}, e.Verb)
}

// Events returns what is logged so far, oldest first. A request whose answer is small is in
// it once its answer has arrived.
func (a *Audit) Events() ([]Event, error) {
	content, err := os.ReadFile(a.log)
	if err != nil {
		return nil, err
	}
	var all []Event
	for line := range bytes.Lines(content) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break // being written
		}
		var l struct {
			Stage          string    `json:"stage"`
			StageTimestamp time.Time `json:"stageTimestamp"`
			RequestURI     string    `json:"requestURI"`
			Verb           string    `json:"verb"`
			UserAgent      string    `json:"userAgent"`
			User           struct {
				Username string `json:"username"`
			} `json:"user"`
			ObjectRef struct {
				APIGroup    string `json:"apiGroup"`
				Resource    string `json:"resource"`
				Subresource string `json:"subresource"`
				Namespace   string `json:"namespace"`
				Name        string `json:"name"`
			} `json:"objectRef"`
			ResponseStatus struct {
				Code int `json:"code"`
			} `json:"responseStatus"`
		}
		if err := json.Unmarshal(line, &l); err != nil {
			return nil, fmt.Errorf("audit log: %w", err)
		}
		o := l.ObjectRef
		all = append(all, Event{
			Time: l.StageTimestamp, Stage: l.Stage, User: l.User.Username, Verb: l.Verb,
			Group: o.APIGroup, Resource: o.Resource, Subresource: o.Subresource, Namespace: o.Namespace, Name: o.Name,
			URI: l.RequestURI, Code: l.ResponseStatus.Code, Agent: l.UserAgent,
		})
	}
	return all, nil
}
