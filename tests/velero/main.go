// Command velero is the real Velero, client and server in one binary as its own distribution is, with one plugin for tests.
//
// Under the name velero-plugin-directory (a link in the directory that the server is given as --plugin-dir) the same binary
// is that plugin: an object store in a directory of this machine, so that no bucket of any cloud is needed. Its provider is
// called velero.io/fs because this is also the name of kopia's file-system backend, which reads the same config.fspath.
//
// The server ends with its standard input, so that nothing stays when the test that started it is killed.
package main

import (
	"io"
	"os"
	"path/filepath"

	"github.com/sirupsen/logrus"
	"github.com/spf13/pflag"
	"k8s.io/klog/v2"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/vmware-tanzu/velero/pkg/cmd"
	"github.com/vmware-tanzu/velero/pkg/cmd/velero"
	"github.com/vmware-tanzu/velero/pkg/plugin/framework"
)

// pluginName is the name under which this binary is a plugin instead of Velero.
const pluginName = "velero-plugin-directory"

func main() {
	if filepath.Base(os.Args[0]) == pluginName {
		framework.NewServer().
			BindFlags(pflag.CommandLine).
			RegisterObjectStore("velero.io/fs", func(logrus.FieldLogger) (any, error) { return &directoryStore{}, nil }).
			Serve()
		return
	}
	if len(os.Args) > 1 && os.Args[1] == "server" {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(0)
		}()
	}
	// The manager's own metrics server has no flag of Velero's; two servers on one machine would both want its port.
	metricsserver.DefaultBindAddress = "0"
	defer klog.Flush()
	cmd.CheckError(velero.NewCommand("velero").Execute())
}
