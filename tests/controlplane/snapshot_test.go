package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A second control plane goes on with the objects of the first, under another prefix of etcd's keys: same uids, same
// resource versions, same credentials; what was deleted stays deleted.
func TestAnotherControlPlaneTakesOver(t *testing.T) {
	first := startUp(t)
	client, err := adminClient(runDir(first.dir))
	if err != nil {
		t.Fatal(err)
	}
	maps := client.CoreV1().ConfigMaps("default")
	create := func(name string) *corev1.ConfigMap {
		made, err := maps.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	kept, gone := create("kept"), create("gone")
	if err := maps.Delete(t.Context(), gone.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	_ = first.Process.Signal(syscall.SIGUSR1)
	eventually(t, "the API server is gone", func() (bool, string) {
		_, err := maps.Get(t.Context(), "kept", metav1.GetOptions{})
		return err != nil, "it answers"
	})
	file := filepath.Join(t.TempDir(), "snapshot")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	save := exec.Command(self, "etcd-snapshot", first.dir, file)
	save.Env = append(os.Environ(), beProgram+"=1")
	if output, err := save.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}

	second := startUpWith(t, nil, "--etcd-snapshot="+file, "--etcd-prefix=/c0123", "--credentials-of="+first.dir)
	client, err = adminClient(runDir(second.dir))
	if err != nil {
		t.Fatal(err)
	}
	maps = client.CoreV1().ConfigMaps("default")
	found, err := maps.Get(t.Context(), "kept", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if found.UID != kept.UID || found.ResourceVersion != kept.ResourceVersion {
		t.Errorf("it was %s at %s and is %s at %s", kept.UID, kept.ResourceVersion, found.UID, found.ResourceVersion)
	}
	if _, err := maps.Get(t.Context(), "gone", metav1.GetOptions{}); err == nil {
		t.Error("what was deleted is there")
	}
	version := func(object *corev1.ConfigMap) uint64 {
		number, err := strconv.ParseUint(object.ResourceVersion, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return number
	}
	if made := create("later"); version(made) <= version(kept) {
		t.Errorf("resource version %d comes after %d", version(made), version(kept))
	}
	tokens := func(dir string) string {
		text, err := os.ReadFile(runDir(dir).path("tokens.csv"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(text))
	}
	if tokens(first.dir) != tokens(second.dir) {
		t.Error("the tokens differ")
	}
}
