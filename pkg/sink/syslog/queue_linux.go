package syslog

import (
	"fmt"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// unacknowledged returns how many bytes the peer's kernel has not acknowledged
// (tcp(7), SIOCOUTQ), or an error if the connection is no longer fully open.
func unacknowledged(c *net.TCPConn) (waiting int, err error) {
	err = control(c, func(fd int) error {
		// A connection that breaks discards its queue, so an empty queue alone proves
		// nothing. The queue is read first: if the connection is sound after that, the
		// peer has acknowledged the bytes.
		n, err := unix.IoctlGetUint32(fd, unix.SIOCOUTQ)
		if err != nil {
			return fmt.Errorf("reading the send queue: %w", err)
		}
		waiting = int(n)
		return sound(fd)
	})
	return waiting, err
}

func sound(fd int) error {
	code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return fmt.Errorf("reading the state of the connection: %w", err)
	}
	if code != 0 {
		return syscall.Errno(code)
	}
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return fmt.Errorf("reading the state of the connection: %w", err)
	}
	if info.State != unix.BPF_TCP_ESTABLISHED {
		return errHalfClosed
	}
	return nil
}

// limitSilence limits how long sent bytes may stay unacknowledged (tcp(7),
// TCP_USER_TIMEOUT).
func limitSilence(c *net.TCPConn, d time.Duration) error {
	return control(c, func(fd int) error {
		return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.Milliseconds()))
	})
}

func control(c *net.TCPConn, f func(fd int) error) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = f(int(fd)) }); err != nil {
		return err
	}
	return failed
}
