package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/pflag"
)

const upUsage = `usage: controlplane up [flags]

Starts etcd, kube-apiserver, kube-controller-manager and kube-scheduler, each as a process of its own, on free ports of
127.0.0.1. When all are ready, prints the path of a kubeconfig (cluster-admin, by token) as the only line on standard
output. Runs until SIGTERM, SIGINT or SIGHUP, until its parent process ends, or until a component ends; then stops the
others. Exits with 0 if it was asked to stop, else with 1.

SIGUSR1 kills the API server (SIGKILL), and SIGUSR2 starts it again on the same port; all else lives on, but that a
scheduler that ends itself thereafter is started again, as a kubelet would.

With --etcd-snapshot it takes over the objects of another control plane: from a snapshot (controlplane etcd-snapshot), under
another prefix if --etcd-prefix says so, with the credentials of the one in --credentials-of. Revisions and uids stay.

The run directory holds kubeconfig, scheduler.kubeconfig, controller-manager.kubeconfig, scheduler.yaml, pid (the
supervisor's), etcd.url, logs/COMPONENT.log and etcd's data. In the end it is removed; with --dir its logs stay.

flags:
`

// errAsked is why a control plane ends that was asked to.
var errAsked = errors.New("asked to stop")

// options are what was asked for on the command line.
type options struct {
	dir, schedulerConfig                    string
	etcdPrefix, etcdSnapshot, credentialsOf string
	remove, untilStdinCloses, detached      bool
	without                                 []string
	args                                    []extraArgument
}

// extraArgument is a flag that goes to a component behind those it has anyway.
type extraArgument struct{ component, flag string }

// runs says whether the component is wanted.
func (o options) runs(component string) bool { return !slices.Contains(o.without, component) }

func parseOptions(args []string) (o options, err error) {
	var extra []string
	flags := pflag.NewFlagSet("up", pflag.ContinueOnError)
	flags.Usage = func() { fmt.Fprint(os.Stderr, upUsage, flags.FlagUsages()) }
	flags.StringVar(&o.dir, "dir", "", "the run directory; must be empty or not exist (default: a new temporary one)")
	flags.BoolVar(&o.remove, "remove", false, "remove the logs too in the end, and so the whole directory given by --dir")
	flags.StringArrayVar(&o.without, "without", nil, "leave out kube-scheduler or kube-controller-manager (repeatable)")
	flags.StringArrayVar(&extra, "arg", nil, "append a flag to a component's, as in kube-scheduler=-v=10 (repeatable)")
	flags.StringVar(&o.schedulerConfig, "scheduler-config", "",
		"a KubeSchedulerConfiguration; its kubeconfig and leader election are replaced")
	flags.BoolVar(&o.untilStdinCloses, "until-stdin-closes", false, "stop when standard input ends too")
	flags.BoolVar(&o.detached, "detached", false, "live on when the parent process ends or the terminal closes")
	flags.StringVar(&o.etcdPrefix, "etcd-prefix", defaultEtcdPrefix, "where the API server keeps its objects in etcd")
	flags.StringVar(&o.etcdSnapshot, "etcd-snapshot", "", "a snapshot to begin with; its objects are moved from "+defaultEtcdPrefix+" to --etcd-prefix")
	flags.StringVar(&o.credentialsOf, "credentials-of", "", "a run directory whose keys and tokens are taken over")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if len(o.etcdPrefix) < 2 || o.etcdPrefix[0] != '/' || strings.HasSuffix(o.etcdPrefix, "/") {
		return o, fmt.Errorf("--etcd-prefix %s: must begin with a slash, name something and not end with a slash", o.etcdPrefix)
	}
	for _, component := range o.without {
		if component != kubeScheduler && component != controllerManager {
			return o, fmt.Errorf("--without %s: only %s and %s can be left out", component, kubeScheduler, controllerManager)
		}
	}
	for _, argument := range extra {
		component, flag, ok := strings.Cut(argument, "=")
		if !ok || !slices.Contains(components, component) {
			return o, fmt.Errorf("--arg %s: must be COMPONENT=FLAG with one of %s", argument, strings.Join(components, ", "))
		}
		o.args = append(o.args, extraArgument{component, flag})
	}
	return o, nil
}

// up is the command: it returns the exit status.
func up(args []string) int {
	o, err := parseOptions(args)
	if errors.Is(err, pflag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "controlplane up: %v\n", err)
		return 2
	}
	ctx, stop := context.WithCancelCause(context.Background())
	if err := o.watchForEnd(stop); err != nil {
		fmt.Fprintf(os.Stderr, "controlplane up: %v\n", err)
		return 2
	}
	if err := o.supervise(ctx, stop); !errors.Is(err, errAsked) {
		fmt.Fprintf(os.Stderr, "controlplane up: %v\n", err)
		return 1
	}
	return 0
}

// watchForEnd calls `stop` when the outside wants an end: by a signal, by closing standard input, by dying.
//
// The parent's death is seen by getppid, not by a parent-death signal: that one comes when the *thread* ends which
// started us, and test harnesses start us from threads that end with their test.
func (o options) watchForEnd(stop context.CancelCauseFunc) error {
	signals := make(chan os.Signal, 1)
	if o.detached {
		signal.Ignore(syscall.SIGHUP)
		signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	} else {
		parent := os.Getppid()
		if parent == 1 {
			return errors.New("the parent process is process 1: either the real one has died already, or it is meant so; " +
				"then say --detached")
		}
		signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
		go func() {
			for os.Getppid() == parent {
				time.Sleep(pollInterval)
			}
			stop(fmt.Errorf("%w: the parent process has ended", errAsked))
		}()
	}
	go func() { stop(fmt.Errorf("%w by signal: %s", errAsked, <-signals)) }()
	if o.untilStdinCloses {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			stop(fmt.Errorf("%w: standard input has ended", errAsked))
		}()
	}
	return nil
}

// supervise runs a control plane until `ctx` ends, and returns why it has ended.
func (o options) supervise(ctx context.Context, stop context.CancelCauseFunc) error {
	dir, err := makeRunDir(o.dir)
	if err != nil {
		return fmt.Errorf("cannot make the run directory: %w", err)
	}
	defer o.cleanUp(dir)
	plane, err := o.prepare(dir, stop)
	if err != nil {
		return err
	}
	defer plane.stopAll()
	// Before anybody can know that there is a control plane to send them to.
	outages := make(chan os.Signal, 8)
	signal.Notify(outages, syscall.SIGUSR1, syscall.SIGUSR2)
	if err := plane.startAll(ctx); err != nil {
		return err
	}
	fmt.Println(dir.path("kubeconfig"))
	return plane.serve(ctx, outages)
}

// restartsAfterOutage is how often the scheduler is started again after the API server has come back.
const restartsAfterOutage = 3

// serve waits until `ctx` ends, and lets the API server go and come as signals say. Who wants it back asks it whether it
// is ready.
//
// After an outage the scheduler may find its cache at odds with what it is told (a pod that has the name of one before) and
// end itself, so that whoever watches over it starts it again: in a real control plane a kubelet, here we.
func (c *controlPlane) serve(ctx context.Context, outages <-chan os.Signal) error {
	c.serving.Store(true)
	restarts := 0
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case p := <-c.fallen:
			if restarts == 0 {
				return p.obituary()
			}
			restarts--
			fmt.Fprintf(os.Stderr, "controlplane up: %v\n%s is started again\n", p.obituary(), p.name)
			c.running = slices.DeleteFunc(c.running, func(r *process) bool { return r == p })
			if err := c.start(p.name); err != nil {
				return err
			}
		case s := <-outages:
			i := slices.IndexFunc(c.running, func(p *process) bool { return p.name == kubeAPIServer })
			if s == syscall.SIGUSR1 && i >= 0 {
				c.running[i].kill()
				c.running = slices.Delete(c.running, i, i+1)
			}
			if s == syscall.SIGUSR2 && i < 0 {
				restarts = restartsAfterOutage
				if err := c.start(kubeAPIServer); err != nil {
					return err
				}
			}
		}
	}
}

// cleanUp removes what a control plane that has ended leaves behind.
func (o options) cleanUp(dir runDir) {
	remove := dir.clear
	if o.dir == "" || o.remove {
		remove = dir.remove
	}
	if err := remove(); err != nil {
		fmt.Fprintf(os.Stderr, "controlplane up: cannot clean up: %v\n", err)
	}
}

// controlPlane is the components of one control plane, those that run and those that are to.
type controlPlane struct {
	options
	dir       runDir
	ports     ports
	arguments map[string][]string
	running   []*process
	lifeline  *os.File
	// lifelineEnd is never used and never closed, only held: it ends with this process.
	lifelineEnd *os.File
	died        func(*process)
	// serving is set when all are ready.
	serving atomic.Bool
	// fallen is the scheduler, when it has ended while all served.
	fallen chan *process
}

// prepare writes all files that the components need and reserves their ports.
func (o options) prepare(dir runDir, stop context.CancelCauseFunc) (*controlPlane, error) {
	ports, err := reservePorts()
	if err != nil {
		return nil, err
	}
	if err := errors.Join(dir.prepare(), dir.writeEtcdURL(ports.etcdClient), o.writeSchedulerConfig(dir)); err != nil {
		return nil, err
	}
	if o.credentialsOf == "" {
		err = dir.writeCredentials(ports.apiServer)
	} else {
		err = dir.takeCredentials(o.credentialsOf, ports.apiServer)
	}
	if err != nil {
		return nil, err
	}
	if o.etcdSnapshot != "" {
		if err := o.restore(dir, ports); err != nil {
			return nil, err
		}
	}
	lifeline, lifelineEnd, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	c := &controlPlane{
		options: o, dir: dir, ports: ports, arguments: o.arguments(dir, ports), lifeline: lifeline, lifelineEnd: lifelineEnd,
		fallen: make(chan *process, 8),
	}
	c.died = func(p *process) {
		if p.name == kubeScheduler && c.serving.Load() {
			c.fallen <- p
			return
		}
		// While the control plane stops, this is called too, but then `stop` has been called and keeps its first cause.
		stop(p.obituary())
	}
	return c, nil
}

// startAll starts the components and returns when all are ready.
func (c *controlPlane) startAll(ctx context.Context) error {
	client, err := adminClient(c.dir)
	if err != nil {
		return err
	}
	// Each is started when those it needs are ready: they would wait by themselves, but fill their logs with errors.
	if err := c.start(etcd); err != nil {
		return err
	}
	if err := await(ctx, etcd, healthy(fmt.Sprintf("http://127.0.0.1:%d/health", c.ports.etcdClient))); err != nil {
		return err
	}
	if err := c.start(kubeAPIServer); err != nil {
		return err
	}
	if err := await(ctx, kubeAPIServer, apiServerReady(client)); err != nil {
		return err
	}
	if err := c.start(controllerManager, kubeScheduler); err != nil {
		return err
	}
	if c.runs(kubeScheduler) {
		if err := await(ctx, kubeScheduler, healthy(fmt.Sprintf("https://127.0.0.1:%d/readyz", c.ports.scheduler))); err != nil {
			return err
		}
	}
	if c.runs(controllerManager) {
		if err := await(ctx, controllerManager, healthy(fmt.Sprintf("https://127.0.0.1:%d/healthz", c.ports.controllerManager))); err != nil {
			return err
		}
		return await(ctx, "the service account default", defaultServiceAccount(client))
	}
	return nil
}

// start starts those of the named components that are wanted.
func (c *controlPlane) start(names ...string) error {
	for _, name := range names {
		if !c.runs(name) {
			continue
		}
		p, err := start(name, c.arguments[name], c.dir.log(name), c.lifeline, c.died)
		if err != nil {
			return err
		}
		c.running = append(c.running, p)
	}
	return nil
}

// stopAll stops what runs, the last started first: nobody shall see those vanish whom it depends on.
func (c *controlPlane) stopAll() {
	for _, p := range slices.Backward(c.running) {
		p.stop()
	}
}
