package syslog

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"github.com/sluice-siem/sluice/pkg/setting"
)

// link is an open connection to a receiver. One goroutine uses it.
type link interface {
	// usable reports whether the connection, as far as is known, still leads to
	// the receiver.
	usable() bool

	// send sends messages. It returns nil once the receiver took all of them, in the
	// sense of the transport. Otherwise taken is the number of messages, from the first
	// on, that the receiver is known to have taken, and err is the reason for the next
	// one. A permanent error is about that one alone; after any other error the link
	// must not be used. send returns soon after ctx ended.
	send(ctx context.Context, m *messages) (taken int, err error)

	// stay checks a connection without sending. It returns nil if the connection lasts
	// for the time that the transport waits after a batch.
	stay(ctx context.Context) error

	close()
}

const (
	// dialTimeout leaves a Publish time to try several addresses.
	dialTimeout = 10 * time.Second

	// userTimeout is how long bytes may stay unacknowledged, or unsent because the peer
	// reads nothing, before the kernel ends the connection. The kernel's own limit is
	// about 15 minutes (tcp(7), tcp_retries2).
	userTimeout = 30 * time.Second
)

// keepAlive detects within 30 s that an idle connection is dead.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}

// open opens a link to an address.
func (s *syslog) open(ctx context.Context, a Address) (link, error) {
	within, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	settle := s.settings.Settle.Std()
	if a.Scheme == udp {
		return dialDatagram(within, s.names[a], s.pace, settle)
	}
	conn, beneath, err := dialTCP(within, a, &s.settings.TLS)
	if err != nil {
		return nil, err
	}
	if a.stream() {
		return newStream(conn, beneath, settle), nil
	}
	return dialRELP(within, conn)
}

// dialTCP returns the connection, and the TCP connection beneath TLS.
func dialTCP(ctx context.Context, a Address, t *setting.TLS) (conn net.Conn, beneath *net.TCPConn, err error) {
	if a.encrypted() {
		conn, err = t.Dial(ctx, "tcp", a.Host)
	} else {
		conn, err = new(net.Dialer).DialContext(ctx, "tcp", a.Host)
	}
	if err != nil {
		return nil, nil, err
	}
	switch c := conn.(type) {
	case *tls.Conn:
		beneath = c.NetConn().(*net.TCPConn)
	case *net.TCPConn:
		beneath = c
	}
	if err := watchOver(beneath); err != nil {
		_ = conn.Close() // the first error is the one that matters
		return nil, nil, fmt.Errorf("setting up the connection: %w", err)
	}
	return conn, beneath, nil
}

// watchOver makes the kernel detect dead connections.
func watchOver(c *net.TCPConn) error {
	if err := c.SetKeepAliveConfig(keepAlive); err != nil {
		return err
	}
	return limitSilence(c, userTimeout)
}
