package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The API server goes by SIGUSR1 and comes by SIGUSR2, with all it knew and on the port it had; the others live on.
func TestTheAPIServerGoesAndComes(t *testing.T) {
	s := startUp(t)
	client, err := adminClient(runDir(s.dir))
	if err != nil {
		t.Fatal(err)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "before"}}
	if _, err := client.CoreV1().Namespaces().Create(t.Context(), namespace, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	answers := func() (bool, string) {
		_, err := client.CoreV1().Namespaces().Get(t.Context(), "before", metav1.GetOptions{})
		return err == nil, fmt.Sprint(err)
	}
	_ = s.Process.Signal(syscall.SIGUSR1)
	eventually(t, "it is gone", func() (bool, string) { ok, _ := answers(); return !ok, "it answers" })
	_ = s.Process.Signal(syscall.SIGUSR2)
	eventually(t, "it is back", answers)
	eventually(t, "the controllers go on", func() (bool, string) {
		_, err := client.CoreV1().ServiceAccounts("before").Get(t.Context(), "default", metav1.GetOptions{})
		return err == nil, fmt.Sprint(err)
	})
	// A scheduler that ends itself after that is started again.
	fallen := s.pidOf(t, kubeScheduler)
	_ = syscall.Kill(fallen, syscall.SIGKILL)
	eventually(t, "the scheduler is back", func() (bool, string) {
		for pid, line := range processes(s.dir) {
			if pid != fallen && strings.Contains(line, " "+kubeScheduler+" --") {
				return true, ""
			}
		}
		return false, "it does not run"
	})
	s.stdin.Close()
	if err := s.Wait(); err != nil {
		t.Errorf("the control plane ended badly: %v", err)
	}
}
