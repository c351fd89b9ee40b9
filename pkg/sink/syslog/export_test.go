package syslog

import (
	"context"
	"net"
	"net/netip"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// Message returns the message of a record under the settings, with the framing
// of their transport.
func Message(s Settings, r sink.Record) ([]byte, error) {
	e, err := newEncoder(&s)
	if err != nil {
		return nil, err
	}
	var m messages
	m.encode([]sink.Record{r}, &e, s.framing(), int(s.MaxMessageBytes))
	if len(m.refused) > 0 {
		return nil, m.refused
	}
	return m.text, nil
}

// Gone is closed once the sink's connection, which there must be, is known to be
// of no use any more.
func Gone(s sink.Sink) <-chan struct{} { return s.(*syslog).link.(*stream).gone }

// Unacknowledged is what drain goes by.
var Unacknowledged = unacknowledged

// Beneath is TCP as the sink uses it, of the connection that there must be.
func Beneath(s sink.Sink) *net.TCPConn { return s.(*syslog).link.(*stream).beneath }

// Through has the sink, which sends over UDP, resolve names and open sockets so.
func Through(s sink.Sink, lookup func(ctx context.Context, network, host string) ([]netip.Addr, error), dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	for _, n := range s.(*syslog).names {
		n.net = &network{lookup, dial}
	}
}

// Hurry makes the sink wait for nothing between attempts.
func Hurry(s sink.Sink) { s.(*syslog).respite = 0 }

// Dial has the sink use connections that a test made up. One sends messages and
// returns how many were taken and why not the next.
func Dial(s sink.Sink, dial func(context.Context, Address) (Send, error)) {
	s.(*syslog).dial = func(ctx context.Context, a Address) (link, error) {
		send, err := dial(ctx, a)
		if err != nil {
			return nil, err
		}
		return madeUp{send}, nil
	}
}

// Send is a connection that a test made up.
type Send func(ctx context.Context, messages [][]byte) (taken int, err error)

type madeUp struct{ how Send }

func (l madeUp) usable() bool                                       { return true }
func (l madeUp) stay(context.Context) error                         { return nil }
func (l madeUp) close()                                             {}
func (l madeUp) send(ctx context.Context, m *messages) (int, error) { return l.how(ctx, m.list()) }

// Trials must agree before a record is rejected.
const Trials = trials

// ErrHalfClosed and ErrSpoke are ends of a connection over TCP.
var (
	ErrHalfClosed = errHalfClosed
	ErrSpoke      = errSpoke
)
