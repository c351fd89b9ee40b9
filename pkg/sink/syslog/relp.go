package syslog

import (
	"context"
	"net"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink/syslog/relp"
)

// farewell limits the time to end a session. Nothing depends on it.
const farewell = 500 * time.Millisecond

// session is a RELP connection, on which the receiver answers every message.
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

// stay need not wait: the receiver answered when the session opened.
func (s session) stay(context.Context) error { return s.Err() }

func (s session) close() {
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	_ = s.Close(ctx) // every message was answered or counts as not delivered
}
