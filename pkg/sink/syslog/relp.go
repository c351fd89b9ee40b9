package syslog

import (
	"context"
	"net"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink/syslog/relp"
)

// farewell is how long the end of a session may take. Nothing depends on it.
const farewell = 500 * time.Millisecond

// session is RELP, in which the receiver answers every message.
type session struct{ *relp.Session }

func dialRELP(ctx context.Context, conn net.Conn) (link, error) {
	s, err := relp.Open(ctx, conn)
	if err != nil {
		return nil, err
	}
	return session{s}, nil
}

func (s session) usable() bool { return s.Err() == nil }

func (s session) send(ctx context.Context, m *messages) (taken int, err error) {
	return s.Send(ctx, m.list())
}

// stay has nothing to wait for: the receiver answered when the session opened.
func (s session) stay(context.Context) error { return s.Err() }

func (s session) close() {
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	_ = s.Close(ctx) // Every message was answered or counts as not delivered.
}
