//go:build !linux

package syslog

import (
	"net"
	"time"
)

// unacknowledged knows of no way to ask this kernel. Elsewhere than on Linux a
// batch counts as delivered once it was written and the connection has lasted
// for the time that settle says: a receiver that vanishes without closing it, as
// in a loss of power, may then take what was not acknowledged along.
func unacknowledged(*net.TCPConn) (waiting int, err error) { return 0, nil }

// limitSilence leaves it at the kernel's own limit, and at keep-alive.
func limitSilence(*net.TCPConn, time.Duration) error { return nil }
