package syslog

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"github.com/sluice-siem/sluice/pkg/setting"
)

// link is an open connection to a receiver. It is used by one goroutine.
type link interface {
	// usable reports whether the connection, as far as is known, still leads to
	// the receiver.
	usable() bool

	// send returns once the receiver took responsibility, in the sense of its
	// transport, for all messages, or how many it is known to have taken, from the
	// first on, and what kept the next from it. A permanent error is about that
	// one alone; after any other the link is not used any more. send returns soon
	// after ctx ended.
	send(ctx context.Context, m *messages) (taken int, err error)

	// stay returns nil if the connection lasts for the time that the transport
	// waits after a batch, and is for finding out whether it would be used.
	stay(ctx context.Context) error

	close()
}

const (
	// dialTimeout leaves a Publish the time to try several addresses.
	dialTimeout = 10 * time.Second

	// userTimeout is how long bytes may wait for the peer's acknowledgement, or
	// for room at a peer that reads nothing, before the kernel gives the
	// connection up. By itself it would try for about 15 minutes (tcp(7),
	// tcp_retries2).
	userTimeout = 30 * time.Second
)

// keepAlive finds out within 30 s that an idle connection leads nowhere any more.
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

// dialTCP returns the connection to write to, and TCP beneath it.
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
		_ = conn.Close() // What matters is why it cannot be used.
		return nil, nil, fmt.Errorf("setting up the connection: %w", err)
	}
	return conn, beneath, nil
}

// watchOver has the kernel find out about connections that lead nowhere.
func watchOver(c *net.TCPConn) error {
	if err := c.SetKeepAliveConfig(keepAlive); err != nil {
		return err
	}
	return limitSilence(c, userTimeout)
}
