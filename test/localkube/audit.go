package localkube

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// auditPolicy has every request once it was answered, or, of a watch, once it was accepted.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
`

// Audit writes kube-apiserver's audit log to a file, which Requests reads. A request is in it
// before its answer is out.
func Audit(file string) Option {
	return func(s *envtest.APIServer) {
		policy := file + ".policy"
		if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
			policy = "/nonexistent/" + err.Error() // which kube-apiserver reports when it starts
		}
		s.Configure().Set("audit-policy-file", policy).Set("audit-log-path", file).Set("audit-log-mode", "blocking")
	}
}

// Request is one that kube-apiserver was asked.
type Request struct {
	User, Verb string
	// Group of the resource; empty for the core group.
	Group, Resource, Subresource string
	Namespace, Name              string
	// LabelSelector of a list, watch or deletion of many.
	LabelSelector string
	// Path that was asked for: all there is of a request for no resource.
	Path string
	// Code is the HTTP status of the answer.
	Code int
	At   time.Time
}

// String is a request for people.
func (r Request) String() string {
	what := r.Path
	if r.Resource != "" {
		what = r.Resource
		if r.Group != "" {
			what += "." + r.Group
		}
		if r.Subresource != "" {
			what += "/" + r.Subresource
		}
		what += fmt.Sprintf(" %s/%s", r.Namespace, r.Name)
	}
	return fmt.Sprintf("%s: %s %s: %d", r.User, r.Verb, what, r.Code)
}

// Requests are those that the audit log has, in its order.
func Requests(file string) ([]Request, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var all []Request
	seen := map[string]bool{} // a watch is logged when it is accepted and when it ends
	for line := range bytes.Lines(content) {
		var e struct {
			AuditID, RequestURI, Verb string
			User                      struct{ Username string }
			ObjectRef                 struct{ Resource, APIGroup, Subresource, Namespace, Name string }
			ResponseStatus            struct{ Code int }
			RequestReceivedTimestamp  time.Time
		}
		if !bytes.HasSuffix(line, []byte("\n")) {
			break // it is being written
		}
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("audit log: %w", err)
		}
		if seen[e.AuditID] {
			continue
		}
		seen[e.AuditID] = true
		u, err := url.Parse(e.RequestURI)
		if err != nil {
			return nil, fmt.Errorf("audit log: %w", err)
		}
		all = append(all, Request{
			User: e.User.Username, Verb: e.Verb, Group: e.ObjectRef.APIGroup, Resource: e.ObjectRef.Resource,
			Subresource: e.ObjectRef.Subresource, Namespace: e.ObjectRef.Namespace, Name: e.ObjectRef.Name,
			LabelSelector: u.Query().Get("labelSelector"), Path: u.Path, Code: e.ResponseStatus.Code, At: e.RequestReceivedTimestamp,
		})
	}
	return all, nil
}
