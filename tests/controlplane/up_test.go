package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// beProgram makes this test binary the program itself: it holds all of it anyway, and so nothing need be built before.
const beProgram = "CONTROLPLANE_TEST_IS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(beProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// supervisor is a `controlplane up` under test.
type supervisor struct {
	*exec.Cmd
	dir   string
	stdin *os.File // the writing end of its standard input
}

// startUp starts a control plane in a directory of its own and returns when it says that it is ready.
//
// `parent` is a command to start it by, none to start it directly.
func startUp(t *testing.T, parent ...string) supervisor {
	t.Helper()
	return startUpWith(t, parent)
}

// startUpWith is startUp with further flags.
func startUpWith(t *testing.T, parent []string, flags ...string) supervisor {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "run")
	command := append(parent, self, "up", "--dir="+dir)
	if parent == nil {
		command = append(command, "--until-stdin-closes")
	}
	command = append(command, flags...)
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(os.Environ(), beProgram+"=1")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, stdinEnd, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	cmd.Stdin = stdin
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdinEnd.Close()
		for pid := range processes(dir) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if want := filepath.Join(dir, "kubeconfig") + "\n"; err != nil || line != want {
		t.Fatalf("printed %q (%v), not %q", line, err, want)
	}
	return supervisor{cmd, dir, stdinEnd}
}

// processes are the command lines of all processes that name the directory, by pid.
func processes(dir string) map[int]string {
	found := map[int]string{}
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		// A process that has ended meanwhile is none.
		line, _ := os.ReadFile(file)
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil && strings.Contains(string(line), dir) {
			found[pid] = strings.ReplaceAll(string(line), "\x00", " ")
		}
	}
	return found
}

// pidOf is the process of a component.
func (s supervisor) pidOf(t *testing.T, component string) int {
	t.Helper()
	for pid, line := range processes(s.dir) {
		if strings.Contains(line, " "+component+" --") {
			return pid
		}
	}
	t.Fatalf("%s does not run", component)
	return 0
}

var portPattern = regexp.MustCompile(`--secure-port=(\d+)|http://127\.0\.0\.1:(\d+)`)

// listening are the ports that its components listen on, read off their command lines.
func (s supervisor) listening(t *testing.T) (ports []string) {
	t.Helper()
	for _, line := range processes(s.dir) {
		for _, match := range portPattern.FindAllStringSubmatch(line, -1) {
			ports = append(ports, match[1]+match[2])
		}
	}
	slices.Sort(ports)
	ports = slices.Compact(ports)
	if len(ports) != 5 {
		t.Fatalf("five ports are expected, found %v", ports)
	}
	for _, port := range ports {
		if !open(port) {
			t.Fatalf("nobody listens on port %s", port)
		}
	}
	return ports
}

func open(port string) bool {
	connection, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second)
	if err == nil {
		connection.Close()
	}
	return err == nil
}

// eventually fails the test if `holds` does not come true.
func eventually(t *testing.T, what string, holds func() (bool, string)) {
	t.Helper()
	var state string
	for range 400 {
		var ok bool
		if ok, state = holds(); ok {
			return
		}
		time.Sleep(pollInterval)
	}
	t.Fatalf("%s: not so after 20 s: %s", what, state)
}

// A Deployment's pods are made by the real controllers and bound by the real scheduler.
func TestPodsOfADeploymentAreBound(t *testing.T) {
	s := startUp(t)
	client, err := adminClient(runDir(s.dir))
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	amounts := corev1.ResourceList{"cpu": resource.MustParse("4"), "memory": resource.MustParse("8Gi"), "pods": resource.MustParse("10")}
	node, err := client.CoreV1().Nodes().Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-1"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	node.Status.Allocatable, node.Status.Capacity = amounts, amounts
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, LastHeartbeatTime: metav1.Now()}}
	if _, err := client.CoreV1().Nodes().UpdateStatus(ctx, node, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	labels, replicas := map[string]string{"app": "shop"}, int32(3)
	if _, err := client.AppsV1().Deployments("default").Create(ctx, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "shop"},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "shop", Image: "shop"}}},
			},
		},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "three pods are on node-1", func() (bool, string) {
		pods, err := client.CoreV1().Pods("default").List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=node-1"})
		if err != nil {
			return false, err.Error()
		}
		return len(pods.Items) == 3, fmt.Sprintf("%d are", len(pods.Items))
	})
}

// However a control plane ends, no process and no open port is left; and if its supervisor could, it has cleaned up.
func TestNothingIsLeftBehind(t *testing.T) {
	const killed = -1
	for name, test := range map[string]struct {
		end    func(*testing.T, supervisor)
		status int
		dirty  bool     // nobody was left to clean up
		parent []string // a command that starts the supervisor
	}{
		"SIGTERM":              {end: func(_ *testing.T, s supervisor) { _ = s.Process.Signal(syscall.SIGTERM) }},
		"Ctrl-C":               {end: func(_ *testing.T, s supervisor) { _ = syscall.Kill(-s.Process.Pid, syscall.SIGINT) }},
		"stdin closes":         {end: func(_ *testing.T, s supervisor) { s.stdin.Close() }},
		"supervisor is killed": {end: func(_ *testing.T, s supervisor) { _ = s.Process.Kill() }, status: killed, dirty: true},
		"parent is killed": {
			end:    func(_ *testing.T, s supervisor) { _ = s.Process.Kill() },
			status: killed,
			// The command after it keeps the shell from becoming the supervisor itself.
			parent: []string{"sh", "-c", `"$@"; exit`, "sh"},
		},
		"a component dies": {
			end: func(t *testing.T, s supervisor) {
				_ = syscall.Kill(s.pidOf(t, kubeScheduler), syscall.SIGKILL)
			},
			status: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := startUp(t, test.parent...)
			ports := s.listening(t)
			test.end(t, s)
			_ = s.Wait()
			if status := s.ProcessState.ExitCode(); status != test.status {
				t.Errorf("exit status %d, not %d", status, test.status)
			}
			eventually(t, "no process is left", func() (bool, string) {
				left := processes(s.dir)
				return len(left) == 0, fmt.Sprint(left)
			})
			// A process that ends loses its command line before its sockets.
			eventually(t, "no port is open", func() (bool, string) {
				left := slices.DeleteFunc(slices.Clone(ports), func(port string) bool { return !open(port) })
				return len(left) == 0, fmt.Sprint(left)
			})
			if entries, _ := filepath.Glob(filepath.Join(s.dir, "*")); !test.dirty && !slices.Equal(entries, []string{filepath.Join(s.dir, "logs")}) {
				t.Errorf("only the logs should be left, not %v", entries)
			}
		})
	}
}

// A component that cannot start is named, with what it said itself.
func TestAComponentThatCannotStart(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "run")
	cmd := exec.Command(self, "up", "--remove", "--dir="+dir, "--arg=kube-apiserver=--no-such-flag")
	cmd.Env = append(os.Environ(), beProgram+"=1")
	output, _ := cmd.CombinedOutput()
	if status := cmd.ProcessState.ExitCode(); status != 1 {
		t.Errorf("exit status %d, not 1", status)
	}
	for _, want := range []string{"kube-apiserver has ended (exit status 1)", "unknown flag: --no-such-flag"} {
		if !strings.Contains(string(output), want) {
			t.Errorf("the output lacks %q:\n%s", want, output)
		}
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the directory is still there (%v)", err)
	}
}

func TestFlagsThatMakeNoSense(t *testing.T) {
	for _, args := range [][]string{{"--without=etcd"}, {"--arg=kubelet=-v=1"}, {"--arg=etcd"}, {"what"}, {"--no-such-flag"}} {
		if _, err := parseOptions(args); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
}

// A given scheduler configuration stays as it is but for what ties it to this control plane.
func TestSchedulerConfig(t *testing.T) {
	dir := runDir(t.TempDir())
	given := dir.path("given.yaml")
	if err := os.WriteFile(given, []byte(`
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
percentageOfNodesToScore: 10
clientConnection: {kubeconfig: /elsewhere, qps: 7}
leaderElection: {leaderElect: true, resourceName: mine}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (options{schedulerConfig: given}).writeSchedulerConfig(dir); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(dir.path("scheduler.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := yaml.YAMLToJSON([]byte(`
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
percentageOfNodesToScore: 10
clientConnection: {kubeconfig: ` + dir.path("scheduler.kubeconfig") + `, qps: 7, burst: 2000}
leaderElection: {leaderElect: false, resourceName: mine}
`))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := yaml.YAMLToJSON(text); err != nil || string(got) != string(want) {
		t.Errorf("got %s (%v), not %s", got, err, want)
	}
}
