package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// lifelineEnv names the descriptor that is a process's lifeline.
	lifelineEnv = "CONTROLPLANE_LIFELINE"
	// lifelineFd is that descriptor in components: the first after the standard ones.
	lifelineFd = 3
	// stopGrace is how long a component may take to end by itself. Nothing of its state is kept, so it need not be long.
	stopGrace = 5 * time.Second
	// tailBytes is how much of the log of a dead component is shown.
	tailBytes = 3000
)

// followLifeline ends this process as soon as the supervisor that started it is gone, however it went.
//
// The lifeline is a pipe into which nobody writes: its end comes when the only process that holds the writing end, the
// supervisor, is no more. Unlike a parent-death signal it has no moment at which the death goes unseen (a supervisor that
// died before this line has closed the pipe already), and it does not care which thread of the supervisor has forked.
// A test that starts a component itself can use it too, with standard input as the lifeline.
func followLifeline() {
	fd, err := strconv.Atoi(os.Getenv(lifelineEnv))
	if err != nil {
		return
	}
	_ = os.Unsetenv(lifelineEnv)
	syscall.CloseOnExec(fd)
	go func() {
		_, _ = io.Copy(io.Discard, os.NewFile(uintptr(fd), "lifeline"))
		os.Exit(1)
	}()
}

// process is a component that runs.
type process struct {
	name   string
	log    string
	cmd    *exec.Cmd
	exited chan struct{}
	// killed is set when its end is wanted and the others shall live on.
	killed atomic.Bool
}

// start runs this binary as the component `name` with its output in the file `log`, tied to `lifeline`.
//
// `died` is called when the process ends, for whatever reason but kill.
func start(name string, args []string, log string, lifeline *os.File, died func(*process)) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("cannot find the binary to start %s from: %w", name, err)
	}
	output, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot open the log of %s: %w", name, err)
	}
	defer output.Close()
	p := &process{name: name, log: log, exited: make(chan struct{})}
	p.cmd = exec.Command(self, append([]string{name}, args...)...)
	p.cmd.Stdout, p.cmd.Stderr = output, output
	p.cmd.Env = append(os.Environ(), lifelineEnv+"="+strconv.Itoa(lifelineFd))
	p.cmd.ExtraFiles = []*os.File{lifeline}
	// A group of its own, or Ctrl-C would reach the components at the same time as the supervisor, which stops them in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", name, err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.exited)
		if !p.killed.Load() {
			died(p)
		}
	}()
	return p, nil
}

// stop ends the process and returns when it has ended.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(stopGrace):
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
}

// kill ends the process as a crash would, at any instruction, and returns when it has ended.
func (p *process) kill() {
	p.killed.Store(true)
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// obituary says how the process ended and shows the end of its log.
func (p *process) obituary() error {
	text, err := os.ReadFile(p.log)
	if err != nil {
		text = []byte(err.Error())
	}
	if len(text) > tailBytes {
		text = text[len(text)-tailBytes:]
		text = text[bytes.IndexByte(text, '\n')+1:]
	}
	return fmt.Errorf("%s has ended (%s); the end of its log:\n%s", p.name, p.cmd.ProcessState, bytes.TrimSpace(text))
}
