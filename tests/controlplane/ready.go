package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	readyTimeout = 2 * time.Minute
	pollInterval = 50 * time.Millisecond
)

// check is something that must be so before the control plane is ready: nil if it is.
type check func(context.Context) error

// await polls the check until it holds; if it never does, the error says what was waited for and what stood against it.
func await(ctx context.Context, what string, holds check) error {
	deadline := time.After(readyTimeout)
	for {
		err := holds(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-deadline:
			return fmt.Errorf("%s is not ready after %s: %w", what, readyTimeout, err)
		case <-time.After(pollInterval):
		}
	}
}

// apiServerReady asks with the very kubeconfig that users get, so that it is known to work.
func apiServerReady(client *kubernetes.Clientset) check {
	return func(ctx context.Context) error {
		if err := client.RESTClient().Get().AbsPath("/readyz").Do(ctx).Error(); err != nil {
			return err
		}
		_, err := client.CoreV1().Namespaces().Get(ctx, "default", metav1.GetOptions{})
		return err
	}
}

// defaultServiceAccount holds when the controller manager has begun its work and pods can be made.
func defaultServiceAccount(client *kubernetes.Clientset) check {
	return func(ctx context.Context) error {
		_, err := client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		return err
	}
}

// healthy asks a component's own health page. If it has a certificate then one that it made for itself when it started:
// there is nothing to check it by, and nothing secret is sent.
func healthy(url string) check {
	client := &http.Client{
		Timeout:   time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true},
	}
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %s", url, response.Status)
		}
		return nil
	}
}

func adminClient(r runDir) (*kubernetes.Clientset, error) {
	config, err := clientcmd.BuildConfigFromFlags("", r.path("kubeconfig"))
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(config)
}
