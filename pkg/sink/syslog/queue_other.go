//go:build !linux

package syslog

import (
	"net"
	"time"
)

// unacknowledged returns 0, since this kernel cannot be asked. On systems other than
// Linux a batch counts as delivered once it was written and the connection has lasted
// for settle. If the receiver vanishes without closing the connection, as in a loss of
// power, unacknowledged bytes may then be lost.
func unacknowledged(*net.TCPConn) (waiting int, err error) { return 0, nil }

// limitSilence does nothing: the kernel's own limit and keep-alive apply.
func limitSilence(*net.TCPConn, time.Duration) error { return nil }
