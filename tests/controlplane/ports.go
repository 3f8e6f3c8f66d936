package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// reservePort finds a free port of 127.0.0.1 and keeps it for as long as this process lives.
//
// Asking the kernel for a free port and giving it back before the component takes it would let anything else take it in
// between, and tests start many control planes at once. So the port stays bound here, by a socket that never listens and
// therefore receives nothing; a component that sets SO_REUSEPORT too (--permit-port-sharing) can listen on it beside us,
// nothing else can.
func reservePort() (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return 0, fmt.Errorf("cannot make a socket: %w", err)
	}
	unix.CloseOnExec(fd)
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return 0, fmt.Errorf("cannot share a port: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, fmt.Errorf("no port of 127.0.0.1 is free: %w", err)
	}
	address, err := unix.Getsockname(fd)
	if err != nil {
		return 0, fmt.Errorf("cannot tell which port was reserved: %w", err)
	}
	return address.(*unix.SockaddrInet4).Port, nil
}
