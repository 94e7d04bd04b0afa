// Package lifecycle ends what was declared, in a cluster that finishes deletions: with
// kube-controller-manager, the real program, and kubectl. Whatever is deleted, in whatever
// order, whether Gatehouse runs or not: it is gone, nothing hangs, and what is declared
// again is served again.
package lifecycle

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/test/localkube"
)

// tale is a deletion: what is there before, what is done, what the cluster makes of it by
// itself, and what Gatehouse makes of it. Its namespaces begin with a prefix of its own.
type tale struct {
	before func(*scene)
	act    func(*scene, *testing.T)
	// finished is true even while Gatehouse is stopped; nil: nothing to wait for.
	finished func(*scene, *testing.T)
	served   func(*scene, *testing.T)
}

// scene is where a tale is told.
type scene struct {
	*house
	prefix string
	apps   map[string]*v1alpha1.ApiApplication
	roles  map[string]*v1alpha1.Role
	orgs   map[string]*v1alpha1.Organization
	logins map[string]login
}

func (s *scene) name(short string) string { return s.prefix + short }

// org, app and role declare, and remember under a short name.
func (s *scene) org(short string) {
	o := organization(s.name(short))
	s.orgs[short] = o
	s.declare(s.t, o)
}

// app declares a machine with its Role, both in one namespace.
func (s *scene) app(short, namespace, organization string) {
	a, r := machine(s.name(namespace), short, s.name(organization)), role(s.name(namespace), short, s.name(organization))
	s.apps[short], s.roles[short] = a, r
	s.declare(s.t, a, r)
}

// again declares an object anew.
func again[T client.Object](s *scene, t *testing.T, o T) {
	t.Helper()
	o.SetUID("")
	o.SetResourceVersion("")
	s.declare(t, o)
}

var tales = map[string]tale{
	"the namespace of an Organization that others attach to": {
		before:   func(s *scene) { s.org("a"); s.app("own", "a", "a"); s.app("guest", "b", "a") },
		act:      func(s *scene, t *testing.T) { s.removeNamespace(t, s.name("a")) },
		finished: func(s *scene, t *testing.T) { s.goneNamespace(t, s.name("a")) },
		served: func(s *scene, t *testing.T) {
			s.expect(t, s.apps["guest"], v1alpha1.ReasonNotAdmitted)
			s.expect(t, s.roles["guest"], v1alpha1.ReasonNotAdmitted)
			s.dead(t, s.logins["own"], s.name("a"))
			s.dead(t, s.logins["guest"], s.name("a"))
			s.sameSecret(t, "guest") // it may be admitted again
		},
	},
	"the namespace of those that attach": {
		before:   func(s *scene) { s.org("c"); s.app("stays", "c", "c"); s.app("leaves", "d", "c") },
		act:      func(s *scene, t *testing.T) { s.removeNamespace(t, s.name("d")) },
		finished: func(s *scene, t *testing.T) { s.goneNamespace(t, s.name("d")) },
		served: func(s *scene, t *testing.T) {
			s.dead(t, s.logins["leaves"], s.name("c"))
			if !s.works(t, s.logins["stays"].token, s.name("c")) {
				t.Error("the neighbour is refused")
			}
			eventually(t, "counted", func() error {
				s.expect(t, s.orgs["c"], "True")
				if n := s.orgs["c"].Status; n.Applications != 1 || n.Roles != 1 {
					return fmt.Errorf("%d applications, %d roles", n.Applications, n.Roles)
				}
				return nil
			})
		},
	},
	"two namespaces that depend on each other": {
		before:   func(s *scene) { s.org("e"); s.org("f"); s.app("in-e", "e", "f"); s.app("in-f", "f", "e") },
		act:      func(s *scene, t *testing.T) { s.removeNamespace(t, s.name("e")); s.removeNamespace(t, s.name("f")) },
		finished: func(s *scene, t *testing.T) { s.goneNamespace(t, s.name("e")); s.goneNamespace(t, s.name("f")) },
		served: func(s *scene, t *testing.T) {
			s.dead(t, s.logins["in-e"], s.name("f"))
			s.dead(t, s.logins["in-f"], s.name("e"))
		},
	},
	"a namespace whose Secret goes first": {
		before: func(s *scene) { s.org("l"); s.app("bereft", "l", "l") },
		act: func(s *scene, t *testing.T) {
			// Nothing can be created in it any more, and for five seconds nothing else is deleted.
			s.removeNamespace(t, s.name("l"))
			s.remove(t, s.logins["bereft"].secret.DeepCopy())
		},
		finished: func(s *scene, t *testing.T) { s.goneNamespace(t, s.name("l")) },
		served:   func(s *scene, t *testing.T) { s.dead(t, s.logins["bereft"], s.name("l")) },
	},
	"an ApiApplication": {
		before: func(s *scene) { s.org("g"); s.app("background", "g", "g"); s.app("foreground", "g", "g") },
		act: func(s *scene, t *testing.T) {
			s.remove(t, s.apps["background"])
			s.remove(t, s.apps["foreground"], client.PropagationPolicy(metav1.DeletePropagationForeground))
		},
		finished: func(s *scene, t *testing.T) {
			for _, short := range []string{"background", "foreground"} {
				s.gone(t, s.apps[short], s.logins[short].secret.DeepCopy())
			}
		},
		served: func(s *scene, t *testing.T) {
			s.dead(t, s.logins["background"], s.name("g"))
			s.dead(t, s.logins["foreground"], s.name("g"))
		},
	},
	"an ApiApplication that leaves its Secret behind": {
		before: func(s *scene) { s.org("h"); s.app("orphaned", "h", "h") },
		act: func(s *scene, t *testing.T) {
			s.remove(t, s.apps["orphaned"], client.PropagationPolicy(metav1.DeletePropagationOrphan))
		},
		finished: func(s *scene, t *testing.T) { s.gone(t, s.apps["orphaned"].DeepCopy()) },
		served: func(s *scene, t *testing.T) {
			app, l := s.apps["orphaned"], s.logins["orphaned"]
			s.dead(t, l, s.name("h"))
			s.sameSecret(t, "orphaned")
			// It is nobody's now, so it is never taken over: who holds it got it for another one.
			again(s, t, app)
			s.expect(t, app, v1alpha1.ReasonSecretNotOwned)
			s.dead(t, l, s.name("h"))
			s.sameSecret(t, "orphaned")
			s.remove(t, l.secret.DeepCopy())
			s.renewed(t, "orphaned", s.name("h"))
		},
	},
	"an ApiApplication that is declared again": {
		before: func(s *scene) { s.org("i"); s.app("remade", "i", "i") },
		act: func(s *scene, t *testing.T) {
			s.remove(t, s.apps["remade"])
			again(s, t, s.apps["remade"])
		},
		served: func(s *scene, t *testing.T) { s.renewed(t, "remade", s.name("i")) },
	},
	"an Organization that is declared again": {
		before: func(s *scene) { s.org("k"); s.app("kept", "k", "k") },
		act: func(s *scene, t *testing.T) {
			s.remove(t, s.orgs["k"])
			again(s, t, s.orgs["k"])
		},
		served: func(s *scene, t *testing.T) {
			s.expect(t, s.orgs["k"], "True")
			old := s.logins["kept"]
			s.loginOf(t, s.apps["kept"])
			// The application is the one that it was, and so is its secret; what was issued
			// in the Organization of before is not.
			s.sameSecret(t, "kept")
			if s.works(t, old.token, s.name("k")) {
				t.Error("a token of the Organization of before works in the new one")
			}
		},
	},
}

// sameSecret expects that nobody touched the Secret of a machine.
func (s *scene) sameSecret(t *testing.T, short string) {
	t.Helper()
	before, now := s.logins[short].secret, &corev1.Secret{}
	if err := s.Get(t.Context(), client.ObjectKeyFromObject(before), now); err != nil {
		t.Error(err)
	} else if now.UID != before.UID || string(now.Data["client-secret"]) != string(before.Data["client-secret"]) {
		t.Errorf("Secret %s/%s is another one", now.Namespace, now.Name)
	}
}

// renewed expects that a machine of an old name is served as a new one.
func (s *scene) renewed(t *testing.T, short, slug string) {
	t.Helper()
	old := s.logins[short]
	now := s.loginOf(t, s.apps[short])
	if now.clientID != old.clientID || now.secret.UID == old.secret.UID || now.plain == old.plain {
		t.Errorf("client ID %s, was %s; Secret %s, was %s", now.clientID, old.clientID, now.secret.UID, old.secret.UID)
	}
	s.dead(t, old, slug)
}

func (h *house) scene(prefix string) *scene {
	return &scene{
		house: h, prefix: prefix, apps: map[string]*v1alpha1.ApiApplication{}, roles: map[string]*v1alpha1.Role{},
		orgs: map[string]*v1alpha1.Organization{}, logins: map[string]login{},
	}
}

// signIn waits until everything is served, and has every machine get its first token.
func (s *scene) signIn(t *testing.T) {
	t.Helper()
	for short, app := range s.apps {
		s.expect(t, s.roles[short], "True")
		s.logins[short] = s.loginOf(t, app)
	}
}

// tell has all tales happen at one time: a namespace takes its five seconds.
func tell(t *testing.T, h *house, when string, during func(deletions func())) {
	scenes := map[string]*scene{}
	names := slices.Sorted(maps.Keys(tales))
	for i, name := range names {
		scenes[name] = h.scene(fmt.Sprintf("%s-%d-", when, i))
		tales[name].before(scenes[name])
	}
	for _, s := range scenes {
		s.signIn(t)
	}
	during(func() {
		for name, s := range scenes {
			tales[name].act(s, t)
		}
		for _, name := range names {
			if finished := tales[name].finished; finished != nil {
				t.Run(name+": deleted", func(t *testing.T) { finished(scenes[name], t) })
			}
		}
	})
	for _, name := range names {
		t.Run(name+": served", func(t *testing.T) { tales[name].served(scenes[name], t) })
	}
}

func TestWhatIsDeletedEndsAndWhatIsDeclaredAgainIsServed(t *testing.T) {
	h := build(t)
	h.start()
	t.Run("while Gatehouse runs", func(t *testing.T) {
		tell(t, h, "running", func(deletions func()) { deletions() })
	})
	t.Run("while Gatehouse is stopped", func(t *testing.T) {
		tell(t, h, "stopped", func(deletions func()) {
			h.stop()
			deletions()
			h.start()
		})
	})
	h.unworried(t)
	h.keepShown(t)
	t.Run("definitions go and come back while Gatehouse runs", func(t *testing.T) {
		h.redefine(t, "while", func(definitions func()) { definitions() }, func(lost *scene) {
			lost.dead(t, lost.logins["m"], lost.name("o"))
			eventually(t, "said", func() error {
				if !strings.Contains(h.log(), "could not find the requested resource (get organizations.auth.gatehouse.dev)") {
					return errors.New("the log does not say what cannot be read")
				}
				return nil
			})
		})
	})
	t.Run("definitions go and come back while Gatehouse is stopped", func(t *testing.T) {
		h.redefine(t, "before", func(definitions func()) {
			h.stop()
			definitions()
			h.start()
		}, func(*scene) {})
	})
	h.calm(t)
}

// redefine deletes the definitions with everything that is declared, and installs them again.
func (h *house) redefine(t *testing.T, when string, during func(definitions func()), gone func(*scene)) {
	t.Helper()
	s := h.scene(when + "-")
	s.org("o")
	s.app("m", "o", "o")
	s.signIn(t)
	during(func() {
		h.kubectl("delete", "-k", "../../config/crd", "--timeout="+patience.String())
		h.gone(t, s.logins["m"].secret.DeepCopy())
		gone(s)
		h.define()
	})
	again(s, t, s.orgs["o"])
	again(s, t, s.apps["m"])
	again(s, t, s.roles["m"])
	s.renewed(t, "m", s.name("o"))
}

// define installs the definitions, and waits until they can be used.
func (h *house) define() {
	h.t.Helper()
	h.kubectl("apply", "-k", "../../config/crd")
	h.kubectl("wait", "--for=condition=Established", "--timeout="+patience.String(), "crd", "--all")
	for _, list := range []client.ObjectList{
		&v1alpha1.OrganizationList{}, &v1alpha1.ApiApplicationList{}, &v1alpha1.RoleList{}, &v1alpha1.AuthProviderList{},
	} {
		eventually(h.t, "defined", func() error { return h.List(h.t.Context(), list) })
	}
}

// aFew is how often one object is written, or one request refused, until all is settled:
// for its verdict, its Secret, its neighbours, each time that it is declared.
const aFew = 10

// late is what the API server says of an Event in a namespace whose end was not known yet.
const late = "because it is being terminated"

// unworried expects that the log has no errors: whoever deletes is right.
func (h *house) unworried(t *testing.T) {
	t.Helper()
	for line := range strings.Lines(h.log()) {
		tooLate := strings.Contains(line, "logger=events") && strings.Contains(line, late)
		if strings.Contains(line, "level=ERROR") && !tooLate {
			t.Errorf("logged: %s", line)
		}
	}
}

// calm expects that nobody wrote in a loop, and that what was refused was not asked for
// again and again.
func (h *house) calm(t *testing.T) {
	t.Helper()
	written := h.asked(localkube.Event.Writes)
	if len(written) == 0 {
		t.Error("nothing was written: the audit log is read wrongly")
	}
	for what, n := range written {
		if n > aFew {
			t.Errorf("%d times: %s", n, what)
		}
	}
	for what, n := range h.asked(func(e localkube.Event) bool { return e.Code >= http.StatusBadRequest }) {
		if n > aFew {
			t.Errorf("refused %d times: %s", n, what)
		}
	}
}
