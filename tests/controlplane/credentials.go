package main

import (
	"bytes"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"os"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	certutil "k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

// identities are those whom the API server knows by a token, and the file that carries it.
//
// The scheduler and the controller manager are who they are in a real cluster, with the rights that RBAC's bootstrap
// policy gives them. Tokens, not client certificates: any HTTP client can send one.
var identities = []struct{ user, group, kubeconfig string }{
	{"admin", "system:masters", "kubeconfig"},
	{"system:kube-scheduler", "", "scheduler.kubeconfig"},
	{"system:kube-controller-manager", "", "controller-manager.kubeconfig"},
}

// writeCredentials makes all keys and tokens anew, and a kubeconfig for each identity to the API server at `port`.
func (r runDir) writeCredentials(port int) error {
	chain, key, err := certutil.GenerateSelfSignedCertKeyWithOptions(certutil.SelfSignedCertKeyOptions{
		Host:         "127.0.0.1",
		AlternateIPs: []net.IP{net.IPv4(127, 0, 0, 1)},
		AlternateDNS: []string{"localhost"},
	})
	if err != nil {
		return fmt.Errorf("cannot make the API server's certificate: %w", err)
	}
	// The chain is the server's certificate and then its authority's. Clients need the latter only.
	_, authority := pem.Decode(chain)
	serviceAccounts, err := keyutil.MakeEllipticPrivateKeyPEM()
	if err != nil {
		return fmt.Errorf("cannot make the key of service accounts: %w", err)
	}
	var tokens bytes.Buffer
	for _, identity := range identities {
		token := rand.Text()
		fmt.Fprintf(&tokens, "%s,%s,%s,%q\n", token, identity.user, identity.user, identity.group)
		if err := r.writeKubeconfig(identity.kubeconfig, port, authority, token); err != nil {
			return err
		}
	}
	for name, content := range map[string][]byte{
		"apiserver.crt":       chain,
		"apiserver.key":       key,
		"ca.crt":              authority,
		"service-account.key": serviceAccounts,
		"tokens.csv":          tokens.Bytes(),
	} {
		if err := os.WriteFile(r.path(name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (r runDir) writeKubeconfig(name string, port int, authority []byte, token string) error {
	config := clientcmdapi.NewConfig()
	config.Clusters["controlplane"] = &clientcmdapi.Cluster{
		Server:                   fmt.Sprintf("https://127.0.0.1:%d", port),
		CertificateAuthorityData: authority,
	}
	config.AuthInfos["controlplane"] = &clientcmdapi.AuthInfo{Token: token}
	config.Contexts["controlplane"] = &clientcmdapi.Context{Cluster: "controlplane", AuthInfo: "controlplane"}
	config.CurrentContext = "controlplane"
	return clientcmd.WriteToFile(*config, r.path(name))
}

// copyKubeconfig writes the kubeconfig in the file `from` as `name`, for the API server at `port`.
func (r runDir) copyKubeconfig(from, name string, port int) error {
	config, err := clientcmd.LoadFromFile(from)
	if err != nil {
		return err
	}
	for _, cluster := range config.Clusters {
		cluster.Server = fmt.Sprintf("https://127.0.0.1:%d", port)
	}
	return clientcmd.WriteToFile(*config, r.path(name))
}
