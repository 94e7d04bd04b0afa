package compile

import (
	"slices"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
)

// labelNamespaceName is on every namespace of every cluster, and its value is the name:
// so it is also there where the namespace itself cannot be read.
const labelNamespaceName = "kubernetes.io/metadata.name"

// checkAdmission reports what cannot be read in a NamespaceAdmission. Whatever it cannot
// read admits nobody besides the Organization's own namespace.
func checkAdmission(a *v1alpha1.NamespaceAdmission, field string, r *Report) {
	if a == nil {
		return
	}
	switch a.From {
	case v1alpha1.FromSame, v1alpha1.FromAll:
		if a.Selector != nil {
			r.find(v1alpha1.ReasonInvalidSpec, field+".selector", "is only read with from: Selector; remove it, or set from: Selector")
		}
	case v1alpha1.FromSelector:
		if a.Selector == nil {
			r.find(v1alpha1.ReasonInvalidSpec, field+".selector", "must be given with from: Selector")
		} else if at := unreadable(a.Selector); at >= 0 {
			r.find(v1alpha1.ReasonInvalidSpec, field+".selector.matchExpressions",
				"operator %s is not read with these values; use In or NotIn with values, Exists or DoesNotExist without",
				quote(a.Selector.MatchExpressions[at].Operator))
		}
	default:
		r.find(v1alpha1.ReasonUnsupportedValue, field+".from", "%s is not served; use Same, All or Selector", quote(a.From))
	}
}

// admits reports whether an Organization in namespace home admits another namespace, of
// which labels is nil if it cannot be read. A contradiction (Same or All with a selector)
// is read as the narrower of the two.
func admits(a *v1alpha1.NamespaceAdmission, home, namespace string, labels map[string]string) bool {
	if namespace == home {
		return true
	}
	if a == nil || namespace == "" {
		return false
	}
	switch a.From {
	case v1alpha1.FromAll:
		return a.Selector == nil || matches(a.Selector, namespace, labels)
	case v1alpha1.FromSelector:
		return a.Selector != nil && matches(a.Selector, namespace, labels)
	default:
		return false
	}
}

func unreadable(s *v1alpha1.LabelSelector) int {
	return slices.IndexFunc(s.MatchExpressions, func(e v1alpha1.LabelSelectorRequirement) bool {
		switch e.Operator {
		case "In", "NotIn":
			return len(e.Values) == 0
		case "Exists", "DoesNotExist":
			return len(e.Values) > 0
		default:
			return true
		}
	})
}

func matches(s *v1alpha1.LabelSelector, namespace string, labels map[string]string) bool {
	if unreadable(s) >= 0 {
		return false
	}
	get := func(key string) (string, bool) {
		if key == labelNamespaceName {
			return namespace, true
		}
		v, ok := labels[key]
		return v, ok
	}
	// Of a namespace that cannot be read, nobody knows that a label is absent.
	known := func(key string) bool { return labels != nil || key == labelNamespaceName }
	for key, want := range s.MatchLabels {
		if v, ok := get(key); !ok || v != string(want) {
			return false
		}
	}
	for _, e := range s.MatchExpressions {
		v, ok := get(e.Key)
		listed := slices.Contains(e.Values, v1alpha1.LabelValue(v))
		switch e.Operator {
		case "In":
			ok = ok && listed
		case "NotIn": // as everywhere in Kubernetes: absence is not in the list
			ok = known(e.Key) && (!ok || !listed)
		case "DoesNotExist":
			ok = known(e.Key) && !ok
		}
		if !ok {
			return false
		}
	}
	return true
}
