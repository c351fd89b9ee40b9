package syslog

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/time/rate"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// datagram sends each message in a datagram of its own (RFC 5426, section 3.1). A
// receiver does not answer. An ICMP error is the only sign that a datagram was not
// taken, and the kernel reports it at a later call on the socket, without naming the
// datagram (udp(7)). So after an error the whole batch counts as not taken. The
// absence of an error proves nothing at first: a socket is proven once settle has
// passed after a batch without an error.
type datagram struct {
	conn   net.Conn
	name   *name
	pace   *rate.Limiter
	settle time.Duration
	proven bool
}

// newPace spreads datagrams over time: a receiver's socket holds about a hundred, and
// its kernel discards the rest. A sender that was delayed may catch up on a 50th of a
// second.
func newPace(perSecond int) *rate.Limiter {
	if perSecond == 0 {
		return rate.NewLimiter(rate.Inf, 0)
	}
	return rate.NewLimiter(rate.Limit(perSecond), max(1, perSecond/50))
}

func dialDatagram(ctx context.Context, n *name, pace *rate.Limiter, settle time.Duration) (link, error) {
	conn, err := n.dial(ctx)
	if err != nil {
		return nil, err
	}
	return &datagram{conn: conn, name: n, pace: pace, settle: settle}, nil
}

func (*datagram) usable() bool { return true }

func (d *datagram) send(ctx context.Context, m *messages) (taken int, err error) {
	if err := d.follow(ctx); err != nil {
		return 0, err
	}
	taken, err = d.write(ctx, m)
	if err != nil && !sink.IsPermanent(err) {
		return 0, err
	}
	if taken > 0 {
		if err := d.prove(ctx); err != nil {
			return 0, err
		}
	}
	return taken, err
}

// follow opens a new socket if the name has a new address.
func (d *datagram) follow(ctx context.Context) error {
	conn, err := d.name.follow(ctx)
	if conn == nil || err != nil {
		return err
	}
	d.close()
	d.conn, d.proven = conn, false
	return nil
}

func (d *datagram) write(ctx context.Context, m *messages) (written int, err error) {
	// A write waits if the socket is full; the end of ctx ends the wait.
	stop := context.AfterFunc(ctx, func() { _ = d.conn.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	for i := range m.len() {
		if err := d.pace.Wait(ctx); err != nil {
			return i, fmt.Errorf("waiting for rate: %w", err)
		}
		_, err := d.conn.Write(m.at(i))
		switch {
		case errors.Is(err, syscall.EMSGSIZE):
			return i, sink.Permanent(fmt.Errorf("message of %d bytes: %w", len(m.at(i)), err))
		case err != nil:
			return i, d.failed(ctx, err)
		}
	}
	return m.len(), nil
}

// prove waits for settle on a socket that is not proven. A receiver sends nothing, so
// a read returns early only for an ICMP error. Datagrams from the receiver are
// ignored.
func (d *datagram) prove(ctx context.Context) error {
	if d.proven {
		return nil
	}
	if err := d.conn.SetReadDeadline(time.Now().Add(d.settle)); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = d.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	var err error
	for b := [1]byte{}; err == nil; {
		_, err = d.conn.Read(b[:])
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) || ctx.Err() != nil {
		return d.failed(ctx, err)
	}
	d.proven = true
	return nil
}

// failed returns the reason why the socket is closed. Unless that is the end of ctx,
// the next socket uses another address of the name, if there is one.
func (d *datagram) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	d.name.refused = true
	return err
}

func (*datagram) stay(context.Context) error { return nil }

// close ignores the error, which proves nothing about sent datagrams.
func (d *datagram) close() { _ = d.conn.Close() }
