package syslog

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// datagram sends each message in a datagram of its own (RFC 5426, section 3.1).
// That they were handed to the kernel is all that is known of them.
type datagram struct{ conn net.Conn }

func dialDatagram(ctx context.Context, a Address) (link, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "udp", a.Host)
	if err != nil {
		return nil, err
	}
	return datagram{conn}, nil
}

func (datagram) usable() bool { return true }

func (d datagram) send(ctx context.Context, m *messages) (taken int, err error) {
	// A socket without room makes a write wait, which the end of ctx ends.
	stop := context.AfterFunc(ctx, func() { _ = d.conn.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	for i := range m.len() {
		_, err := d.conn.Write(m.at(i))
		switch {
		case errors.Is(err, syscall.EMSGSIZE):
			return i, sink.Permanent(fmt.Errorf("message of %d bytes: %w", len(m.at(i)), err))
		case err != nil:
			return i, err
		}
	}
	return m.len(), nil
}

func (datagram) stay(context.Context) error { return nil }

// close has nothing to say of datagrams that are on their way.
func (d datagram) close() { _ = d.conn.Close() }
