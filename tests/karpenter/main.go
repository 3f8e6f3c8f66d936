// Command karpenter is the real Karpenter with its provider kwok, whose machines exist as Node objects only.
//
// It brings its own CustomResourceDefinitions into the cluster that KUBECONFIG names, then runs Karpenter's own operator
// with Karpenter's own flags. It ends with its standard input, so that nothing stays when the test that started it is killed.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	kwokapis "sigs.k8s.io/karpenter/kwok/apis"
	kwok "sigs.k8s.io/karpenter/kwok/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/apis"
	"sigs.k8s.io/karpenter/pkg/cloudprovider/overlay"
	"sigs.k8s.io/karpenter/pkg/controllers"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/operator"
)

// establishTimeout is how long the API server may take to serve the new kinds.
const establishTimeout = 30 * time.Second

func main() {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	if err := installDefinitions(context.Background()); err != nil {
		fmt.Fprintf(os.Stderr, "karpenter: cannot install its definitions: %v\n", err)
		os.Exit(1)
	}
	run()
}

// run is what the command kwok of Karpenter's module does.
func run() {
	ctx, op := operator.NewOperator()
	instanceTypes, err := kwok.ConstructInstanceTypes(ctx)
	if err != nil {
		log.FromContext(ctx).Error(err, "failed constructing instance types")
		os.Exit(1)
	}
	undecorated := kwok.NewCloudProvider(ctx, op.GetClient(), instanceTypes)
	provider := overlay.Decorate(undecorated, op.GetClient(), op.InstanceTypeStore)
	op.WithControllers(ctx, controllers.NewControllers(
		ctx,
		op.Manager,
		op.Clock,
		op.GetClient(),
		op.EventRecorder,
		provider,
		undecorated,
		state.NewCluster(op.Clock, op.GetClient(), provider),
		op.InstanceTypeStore,
	)...).Start(ctx)
}

// installDefinitions makes Karpenter's kinds known to the API server and waits until it serves them.
func installDefinitions(ctx context.Context) error {
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	if err := apiextensionsv1.AddToScheme(scheme); err != nil {
		return err
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return err
	}
	definitions := append(apis.CRDs, kwokapis.CRDs...)
	for _, definition := range definitions {
		if err := c.Create(ctx, definition.DeepCopy()); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("%s: %w", definition.Name, err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, establishTimeout)
	defer cancel()
	for _, definition := range definitions {
		if err := established(ctx, c, definition.Name); err != nil {
			return fmt.Errorf("%s: %w", definition.Name, err)
		}
	}
	return nil
}

// established returns when the API server serves a kind.
func established(ctx context.Context, c client.Client, name string) error {
	for {
		var definition apiextensionsv1.CustomResourceDefinition
		err := c.Get(ctx, client.ObjectKey{Name: name}, &definition)
		if err != nil && ctx.Err() == nil {
			return err
		}
		for _, condition := range definition.Status.Conditions {
			if condition.Type == apiextensionsv1.Established && condition.Status == apiextensionsv1.ConditionTrue {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return errors.New("the API server does not serve it in time")
		case <-time.After(50 * time.Millisecond):
		}
	}
}
