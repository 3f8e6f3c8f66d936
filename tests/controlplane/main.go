// Command controlplane is a real Kubernetes control plane in one binary.
//
// Its first argument says what it is: etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kubectl are
// upstream's own programs with upstream's own flags, linked from upstream's modules. `controlplane up` starts one of
// each of the first four and keeps them together.
//
// One binary instead of five because they share nearly all of their code: it is linked once and is a fifth as large.
package main

import (
	"fmt"
	"os"
	_ "time/tzdata" // time zones of CronJobs, as upstream's programs have them

	"go.etcd.io/etcd/server/v3/etcdmain"
	_ "k8s.io/client-go/plugin/pkg/client/auth"
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

const usage = `usage: controlplane up [flags]                 start a control plane (controlplane up --help)
       controlplane etcd-snapshot DIR FILE     save the data of a control plane that runs
       controlplane kubectl ...                upstream's kubectl
       controlplane COMPONENT [its flags]      one of etcd, kube-apiserver, kube-controller-manager, kube-scheduler
`

func main() {
	followLifeline()
	if len(os.Args) < 2 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	// Upstream's commands read os.Args themselves, so they must find it as if they had been started by their own name.
	os.Args = os.Args[1:]
	switch os.Args[0] {
	case "up":
		os.Exit(up(os.Args[1:]))
	case "etcd-snapshot":
		os.Exit(saveSnapshot(os.Args[1:]))
	case "etcd":
		etcdmain.Main(os.Args)
	case "kube-apiserver":
		os.Exit(cli.Run(apiserver.NewAPIServerCommand()))
	case "kube-controller-manager":
		os.Exit(cli.Run(controllermanager.NewControllerManagerCommand()))
	case "kube-scheduler":
		os.Exit(cli.Run(scheduler.NewSchedulerCommand()))
	case "kubectl":
		// The verbosity must be known before the command is made, for making it may log already.
		_, _ = logs.GlogSetter(kubectl.GetLogVerbosity(os.Args))
		if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
			kubectlutil.CheckErr(err)
		}
	case "help", "-h", "--help":
		fmt.Print(usage)
	default:
		fmt.Fprintf(os.Stderr, "controlplane: there is no command %q\n%s", os.Args[0], usage)
		os.Exit(2)
	}
}
