package syslog

import (
	"context"
	"net"
	"net/netip"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// Message returns the message of a record with the settings, including framing.
func Message(s Settings, r sink.Record) ([]byte, error) {
	e, err := newEncoder(&s, "planetscale.audit")
	if err != nil {
		return nil, err
	}
	m := encode([]sink.Record{r}, &e, s.framing(), int(s.MaxMessageBytes))
	if len(m.refused) > 0 {
		return nil, m.refused
	}
	return m.text, nil
}

// Gone is closed once the sink's connection has failed. The sink must have one.
func Gone(s sink.Sink) <-chan struct{} { return s.(*syslog).link.(*stream).gone }

// Unacknowledged is the check that drain uses.
var Unacknowledged = unacknowledged

// Beneath returns the TCP connection of the sink, which must have one.
func Beneath(s sink.Sink) *net.TCPConn { return s.(*syslog).link.(*stream).beneath }

// Through replaces the functions with which a sink over UDP resolves names and opens
// sockets.
func Through(s sink.Sink, lookup func(ctx context.Context, network, host string) ([]netip.Addr, error), dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	for _, n := range s.(*syslog).names {
		n.net = &network{lookup, dial}
	}
}

// Hurry removes the pause between attempts.
func Hurry(s sink.Sink) { s.(*syslog).respite = 0 }

// Dial replaces the sink's connections. A Send returns how many messages were taken, and
// why the next one was not.
func Dial(s sink.Sink, dial func(context.Context, Address) (Send, error)) {
	s.(*syslog).dial = func(ctx context.Context, a Address) (link, error) {
		send, err := dial(ctx, a)
		if err != nil {
			return nil, err
		}
		return madeUp{send}, nil
	}
}

// Send is a test's connection.
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
