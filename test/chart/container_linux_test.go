package chart

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"
	"unsafe"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	// What the image holds; a test's cached result is as old as the code it depends on.
	_ "github.com/gatehouse-dev/gatehouse/internal/cli"
	"github.com/gatehouse-dev/gatehouse/test/leaks"
	"github.com/gatehouse-dev/gatehouse/test/process"
)

const (
	// builtImage names the file of the image, for the process that has a network of its own.
	builtImage = "GATEHOUSE_TEST_IMAGE"
	// accountFiles is where a pod finds its ServiceAccount's token.
	accountFiles = "var/run/secrets/kubernetes.io/serviceaccount"
)

// inNetworkOfItsOwn runs the test again in a process with a loopback of its own, and is true
// there: a Deployment names its ports, and somebody may be using them here. Whoever is not
// root is root in a user namespace.
func inNetworkOfItsOwn(t *testing.T) bool {
	t.Helper()
	if os.Getenv(builtImage) != "" {
		loopbackUp(t)
		return true
	}
	image := filepath.Join(t.TempDir(), "image.tar")
	roots := filepath.Join(t.TempDir(), "roots.pem") // nobody outside is called
	if err := os.WriteFile(roots, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "run", "./hack/image", "-platforms", "linux/"+runtime.GOARCH, "-roots", roots, "-output", image)
	build.Dir = root
	if _, err := output(build); err != nil {
		t.Fatal(err)
	}
	again := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^"+t.Name()+"$")
	again.Env = append(os.Environ(), builtImage+"="+image)
	again.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if os.Geteuid() != 0 {
		again.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		again.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		again.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	out, err := again.CombinedOutput()
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) {
		t.Skipf("no network namespace: %v; run the tests as root, or allow user namespaces", err)
	}
	if err != nil {
		t.Errorf("in a network of its own: %v\n%s", err, out)
	}
	return false
}

// loopbackUp is `ip link set lo up` (netdevice(7)).
func loopbackUp(t *testing.T) {
	t.Helper()
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(socket)
	request := struct {
		name  [syscall.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}{flags: syscall.IFF_UP}
	copy(request.name[:], "lo")
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(socket), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request))); errno != 0 {
		t.Fatal(errno)
	}
}

// container is what a node makes of the Deployment's pod, cgroups and namespaces aside: the
// image's files with the volumes in it, the environment, the user.
type container struct {
	root  string
	pod   corev1.PodSpec
	spec  corev1.Container
	image imageConfig
	env   []string
}

func newContainer(t *testing.T, c *cluster) *container {
	t.Helper()
	b := &container{root: filepath.Join(t.TempDir(), "root"), pod: c.deployment(t).Spec.Template.Spec}
	if err := os.Mkdir(b.root, 0o755); err != nil {
		t.Fatal(err)
	}
	b.spec = b.pod.Containers[0]
	b.image = unpackImage(t, os.Getenv(builtImage), b.root)
	for _, m := range b.spec.VolumeMounts {
		b.volume(t, m.MountPath)
	}
	b.env = append(b.env, b.image.Config.Env...)
	for _, e := range b.spec.Env {
		b.env = append(b.env, e.Name+"="+e.Value)
	}
	api := c.ControlPlane.APIServer.ListenAddr
	b.env = append(b.env, "KUBERNETES_SERVICE_HOST="+api.Address, "KUBERNETES_SERVICE_PORT="+api.Port)
	b.account(t, c)
	return b
}

// volume makes an empty directory as a volume with an fsGroup is.
func (b *container) volume(t *testing.T, path string) {
	t.Helper()
	path = filepath.Join(b.root, path)
	err := os.RemoveAll(path)
	if err == nil {
		err = os.MkdirAll(path, 0o755)
	}
	if err == nil && b.switchesUser() {
		err = errors.Join(os.Chown(path, 0, int(*b.pod.SecurityContext.FSGroup)), os.Chmod(path, 0o775|os.ModeSetgid))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// account writes what a kubelet mounts for the ServiceAccount.
func (b *container) account(t *testing.T, c *cluster) {
	t.Helper()
	account := &corev1.ServiceAccount{}
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: b.pod.ServiceAccountName}, account); err != nil {
		t.Fatal(err)
	}
	token := &authenticationv1.TokenRequest{}
	if err := c.SubResource("token").Create(t.Context(), account, token); err != nil {
		t.Fatal(err)
	}
	leaks.Remember(token.Status.Token)
	dir := filepath.Join(b.root, accountFiles)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"token": []byte(token.Status.Token), "ca.crt": c.Config.CAData, "namespace": []byte(namespace)} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// switchesUser: root in a user namespace is nobody else's root, and has only itself.
func (b *container) switchesUser() bool {
	mapped, err := os.ReadFile("/proc/self/uid_map")
	var inside, outside, size int64
	if err == nil {
		_, err = fmt.Sscan(string(mapped), &inside, &outside, &size)
	}
	return err == nil && size > *b.pod.SecurityContext.RunAsUser
}

// command is one that is run in the container.
func (b *container) command(args ...string) *exec.Cmd {
	cmd := exec.Command(b.image.Config.Entrypoint[0], args...)
	cmd.Env, cmd.Dir = b.env, b.image.Config.WorkingDir
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: b.root}
	if b.switchesUser() {
		cmd.SysProcAttr.Credential = &syscall.Credential{
			Uid: uint32(*b.pod.SecurityContext.RunAsUser), Gid: uint32(*b.pod.SecurityContext.RunAsGroup),
			Groups: []uint32{uint32(*b.pod.SecurityContext.FSGroup)},
		}
	}
	return cmd
}

// start runs the container until the test ends; it must end well.
func (b *container) start(t *testing.T) *process.Output {
	t.Helper()
	log := &process.Output{}
	cmd := b.command(b.spec.Args...)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = log, log, 15*time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Errorf("gatehouse ended with %v:\n%s", err, log)
		}
		leaks.Emitted("chart-log", []byte(log.String()))
	})
	return log
}

// named is the number of a port of the container.
func (b *container) named(t *testing.T, name string) string {
	t.Helper()
	for _, p := range b.spec.Ports {
		if p.Name == name {
			return strconv.Itoa(int(p.ContainerPort))
		}
	}
	t.Fatalf("the container has no port %s", name)
	return ""
}

// port is where the Service leads.
func (b *container) port(t *testing.T, c *cluster) string {
	t.Helper()
	service := &corev1.Service{}
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "gatehouse"}, service); err != nil {
		t.Fatal(err)
	}
	return b.named(t, service.Spec.Ports[0].TargetPort.String())
}
