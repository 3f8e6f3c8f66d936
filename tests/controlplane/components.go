package main

import (
	"fmt"
	"os"

	"sigs.k8s.io/yaml"
)

const (
	etcd              = "etcd"
	kubeAPIServer     = "kube-apiserver"
	controllerManager = "kube-controller-manager"
	kubeScheduler     = "kube-scheduler"
)

// components are all that a control plane consists of.
var components = []string{etcd, kubeAPIServer, controllerManager, kubeScheduler}

// ports are where the components listen, all on 127.0.0.1.
type ports struct {
	etcdClient, etcdPeer, apiServer, controllerManager, scheduler int
}

func reservePorts() (p ports, err error) {
	for _, port := range []*int{&p.etcdClient, &p.etcdPeer, &p.apiServer, &p.controllerManager, &p.scheduler} {
		if *port, err = reservePort(); err != nil {
			return p, err
		}
	}
	return p, nil
}

// arguments are the flags that each component is started with. What is not named has upstream's default.
func (o options) arguments(r runDir, p ports) map[string][]string {
	local := func(port int) string { return fmt.Sprintf("http://127.0.0.1:%d", port) }
	serving := func(port int) []string {
		return []string{"--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", port), "--permit-port-sharing"}
	}
	args := map[string][]string{
		etcd: {
			"--name=default",
			"--data-dir=" + r.path("etcd"),
			"--listen-client-urls=" + local(p.etcdClient),
			"--advertise-client-urls=" + local(p.etcdClient),
			"--listen-peer-urls=" + local(p.etcdPeer),
			"--initial-advertise-peer-urls=" + local(p.etcdPeer),
			"--initial-cluster=default=" + local(p.etcdPeer),
			"--socket-reuse-port",
			// Nothing outlives the control plane, so nothing need be safe on the disk.
			"--unsafe-no-fsync",
		},
		kubeAPIServer: append(serving(p.apiServer),
			"--advertise-address=127.0.0.1",
			// The Endpoints of the Service `kubernetes` may not be a loopback address.
			"--endpoint-reconciler-type=none",
			"--etcd-servers="+local(p.etcdClient),
			"--etcd-prefix="+o.etcdPrefix,
			"--tls-cert-file="+r.path("apiserver.crt"),
			"--tls-private-key-file="+r.path("apiserver.key"),
			"--token-auth-file="+r.path("tokens.csv"),
			"--authorization-mode=RBAC",
			"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
			"--service-account-key-file="+r.path("service-account.key"),
			"--service-account-signing-key-file="+r.path("service-account.key"),
			"--service-cluster-ip-range=10.96.0.0/16",
			"--allow-privileged",
			// A test may send all it has at once; upstream's 400 and 200 would answer 429.
			"--max-requests-inflight=4000",
			"--max-mutating-requests-inflight=2000",
		),
		controllerManager: append(serving(p.controllerManager),
			"--kubeconfig="+r.path("controller-manager.kubeconfig"),
			"--leader-elect=false",
			"--use-service-account-credentials",
			"--service-account-private-key-file="+r.path("service-account.key"),
			"--root-ca-file="+r.path("ca.crt"),
			// Its default is a directory of the whole machine, and it is made if it is not there.
			"--flex-volume-plugin-dir="+r.path("flexvolume"),
			"--kube-api-qps=500",
			"--kube-api-burst=1000",
		),
		kubeScheduler: append(serving(p.scheduler), "--config="+r.path("scheduler.yaml")),
	}
	if !o.runs(controllerManager) {
		// Nobody makes the service account `default`, and without it this plugin would refuse every pod.
		args[kubeAPIServer] = append(args[kubeAPIServer], "--disable-admission-plugins=ServiceAccount")
	}
	for _, extra := range o.args {
		args[extra.component] = append(args[extra.component], extra.flag)
	}
	return args
}

// writeSchedulerConfig writes the scheduler's configuration: the given file, or an empty one, with what ties it to
// this control plane.
func (o options) writeSchedulerConfig(r runDir) error {
	config := map[string]any{"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration"}
	if o.schedulerConfig != "" {
		text, err := os.ReadFile(o.schedulerConfig)
		if err != nil {
			return fmt.Errorf("cannot read the scheduler's configuration: %w", err)
		}
		config = nil
		if err := yaml.Unmarshal(text, &config); err != nil {
			return fmt.Errorf("%s is no YAML object: %w", o.schedulerConfig, err)
		}
		if config == nil {
			return fmt.Errorf("%s is empty: it must hold a KubeSchedulerConfiguration", o.schedulerConfig)
		}
	}
	connection := section(config, "clientConnection")
	connection["kubeconfig"] = r.path("scheduler.kubeconfig")
	for key, value := range map[string]any{"qps": 1000, "burst": 2000} {
		if _, given := connection[key]; !given {
			connection[key] = value
		}
	}
	section(config, "leaderElection")["leaderElect"] = false
	text, err := yaml.Marshal(config)
	if err != nil {
		return err
	}
	return os.WriteFile(r.path("scheduler.yaml"), text, 0o600)
}

// section is the object under a key, made if it is not there.
func section(config map[string]any, key string) map[string]any {
	if object, ok := config[key].(map[string]any); ok {
		return object
	}
	object := map[string]any{}
	config[key] = object
	return object
}
