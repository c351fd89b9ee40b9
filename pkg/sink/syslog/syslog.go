// Package syslog sends records to a syslog receiver: rsyslog, syslog-ng, a
// collector of Sentinel, ArcSight or QRadar. A message has a header of RFC 5424 or
// RFC 3164, and the record's body as its text.
//
// # Guarantee
//
// Publish returns nil once every message was taken. What that means depends on the
// transport:
//
//   - relp, relp+tls: the receiver answered that each message is in its queue. The
//     receiver's configuration decides what its queue survives. Prefer this
//     transport.
//   - tcp, tls: the receiver's kernel acknowledged every byte (on Linux, by SIOCOUTQ
//     with the connection fully open; on other systems this is unknown), and the
//     connection then lasted for settle. If the connection breaks before, the whole
//     batch is sent again. Messages are lost if the receiver's kernel acknowledged
//     them, the receiver did not read them within settle, and then died. Behind a
//     proxy all this is about the proxy.
//   - udp: nothing. The kernel took the datagrams, and no ICMP error came back: on a
//     new socket within settle, on a proven one until the batch was written.
//
// # Messages
//
// One record is one message, never split and never cut. The sink's limits leave room
// for the largest header, so that formats shorten records that do not fit, and mark
// them. A message that is still too large is refused for good.
//
// A record cannot break out of its message. Headers contain only allowed characters.
// With newline framing CR, LF and NUL in a body become spaces; with RFC 3164 all
// control characters but TAB do. Otherwise bodies are unchanged.
//
// RFC 5424 carries the event's id, organization and action as structured data; MSGID
// is the action. It has room for 32 bytes, so a longer action ends in ~ and eight digits of
// its SHA-256: no two actions share a MSGID. RFC 3164 has no field for them, no year and no time
// zone: there the body must contain them, as CEF and LEEF do.
//
// # Connections
//
// The first Publish opens one connection, which is kept. If it breaks, Publish fails
// and the next one opens a new connection, to the first address that accepts it, in
// their order. An address that accepted a connection but took no message comes last.
// The connection stays with its address until it breaks. Certificates and
// authorities are read again for each connection.
//
// Names are resolved for each connection. A UDP socket does not end, so for UDP names
// are also resolved every minute and after each error. The socket is kept if its
// address is still among the answers, or if the lookup fails.
//
// If a receiver ends the connection over one record, over RELP, TCP or TLS, that
// record is rejected: Publish returns a permanent error for it, once it is proven that
// no outage is the reason. See suspicion for the proof.
//
// # Files
//
// The package has one small file for each concept: a transport has one that implements
// link (stream, datagram, relp), a message is built in message and framing, and
// suspicion decides about rejects alone. That is easier to read than fewer, larger
// files.
//
// # Limitations
//
// The package does not listen, compress, sign messages (RFC 5848), use DTLS, or
// connect to the local syslog daemon's socket.
package syslog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/time/rate"

	"github.com/sluice-siem/sluice/pkg/sink"
)

var errClosed = errors.New("sink was closed")

const (
	// patience is how long a Publish starts new attempts. The next Publish continues
	// with the state of the suspicion.
	patience = 20 * time.Second

	// respite gives a receiver that crashed time to close its socket.
	respite = 200 * time.Millisecond
)

type syslog struct {
	settings Settings
	log      zerolog.Logger
	encoder  encoder
	frame    framing
	names    map[Address]*name // of udp
	pace     *rate.Limiter     // of udp
	life     context.Context   // ends with Close
	end      context.CancelFunc
	dial     func(context.Context, Address) (link, error)

	busy   sync.Mutex // guards the fields below
	link   link       // nil: the next Publish opens one
	at     int        // index of the link's address
	proven bool       // link took a message
	first  int        // index of the address that is tried first

	suspicion suspicion     // of a message over which the receiver ends the connection
	respite   time.Duration // between an end of the connection and the next attempt
}

func open(_ context.Context, env sink.Env, s Settings) (sink.Sink, error) {
	e, err := newEncoder(&s, env.Dataset)
	if err != nil {
		return nil, err
	}
	if s.TLS.InsecureSkipVerify {
		env.Log.Warn().Msg("tls.insecure_skip_verify: anyone on the network path can pose as the receiver and read the records")
	}
	if e.legacy {
		env.Log.Info().Str("zone", e.zone.String()).Msg("rfc3164 headers have local times without a time zone")
	}
	names, err := newNames(s.Address, system(), env.Log)
	if err != nil {
		return nil, err
	}
	life, end := context.WithCancel(context.Background())
	snk := &syslog{settings: s, log: env.Log, encoder: e, frame: s.framing(), names: names, pace: newPace(s.Rate), life: life, end: end, respite: respite}
	snk.dial = snk.open
	return snk, nil
}

// Limits leaves room for the largest header, so that the format shortens records that
// do not fit. The timeout includes settle, and the time that a receiver which reads
// nothing has to recover.
func (s *syslog) Limits() sink.Limits {
	l := sink.Limits{
		RecordBytes: int(s.settings.MaxMessageBytes) - s.encoder.overhead(),
		Timeout:     patience + userTimeout + s.settings.Settle.Std(),
	}
	switch to := s.settings.Address[0]; {
	case to.stream():
		// Messages that the receiver has read by the end of settle cannot be lost in its
		// socket. So a batch has no more than slow receivers read in less than a second.
		// A source's page has less than half of that.
		l.Records = 2000
	case to.Scheme == udp:
		// As much as fits into a socket (udp(7), rmem_default), with the kernel's
		// overhead for each datagram.
		l.Records, l.Bytes = 50, mostInDatagram
		if perSecond := s.settings.Rate; perSecond > 0 {
			l.Records = min(l.Records, perSecond) // a batch takes at most a second
		}
	}
	return l
}

// Publish sends the batch over the open connection, or over a new one.
func (s *syslog) Publish(ctx context.Context, batch []sink.Record) error {
	if len(batch) == 0 {
		return nil
	}
	s.busy.Lock()
	defer s.busy.Unlock()
	ctx, cancel := s.within(ctx)
	defer cancel()
	m := encode(batch, &s.encoder, s.frame, int(s.settings.MaxMessageBytes))
	defer m.release()
	if m.len() == 0 {
		return m.report(0, nil)
	}
	return m.report(s.send(ctx, m))
}

// send sends messages until all are taken, one is at fault, or the lane should wait
// before the next attempt.
func (s *syslog) send(ctx context.Context, m *messages) (taken int, err error) {
	until := time.Now().Add(patience)
	for {
		rest := m
		if taken > 0 {
			rest = m.part(taken, m.len())
		}
		part, as := s.suspicion.next(rest)
		if as.trial() {
			s.disconnect() // a trial needs a connection of its own
		}
		o := s.attempt(ctx, part)
		n, again, err := s.suspicion.answer(part, rest, as, o)
		taken += n
		if !again || time.Now().After(until) || o.ended && !wait(ctx, s.respite) {
			return taken, err
		}
	}
}

// attempt sends messages once, over the open connection or a new one.
func (s *syslog) attempt(ctx context.Context, m *messages) outcome {
	if err := s.connect(ctx); err != nil {
		return outcome{err: fmt.Errorf("connecting to %w", err)}
	}
	taken, err := s.link.send(ctx, m)
	s.proven = s.proven || taken > 0
	if err == nil {
		return outcome{taken: taken}
	}
	if !sink.IsPermanent(err) {
		s.disconnect()
	}
	return outcome{taken, fmt.Errorf("sending to %w", s.settings.explain(err, s.settings.Address[s.at])), endedByReceiver(err)}
}

// wait waits for d. It returns false if ctx ends first.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// within returns a context that also ends when the sink is closed.
func (s *syslog) within(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.life, func() { cancel(errClosed) })
	return ctx, func() { stop(); cancel(nil) }
}

// connect opens a link if there is none that is usable. It tries the addresses in
// their order, starting after one that accepted a connection but took nothing.
func (s *syslog) connect(ctx context.Context) error {
	if s.link != nil && s.link.usable() {
		return nil
	}
	s.disconnect()
	var failed error
	for i := range s.settings.Address {
		s.at = (s.first + i) % len(s.settings.Address)
		address := s.settings.Address[s.at]
		l, err := s.dial(ctx, address)
		if err == nil {
			s.link = l
			if s.at != 0 {
				s.log.Warn().Err(failed).Stringer("address", address).Msg("connected to a fallback address")
			}
			return nil
		}
		failed = both(failed, s.settings.explain(err, address))
		if ctx.Err() != nil {
			return fmt.Errorf("%w: %w", failed, context.Cause(ctx))
		}
	}
	return failed
}

func both(first, second error) error {
	if first == nil {
		return second
	}
	return fmt.Errorf("%w; %w", first, second)
}

// disconnect closes the link, if there is one.
func (s *syslog) disconnect() {
	if s.link == nil {
		return
	}
	s.link.close()
	s.first = 0
	if !s.proven {
		s.first = (s.at + 1) % len(s.settings.Address)
	}
	s.link, s.proven = nil, false
}

// Check connects to every address, does the handshake, and checks that the receiver
// keeps the connection open. It publishes nothing.
func (s *syslog) Check(ctx context.Context) (string, error) {
	s.busy.Lock()
	defer s.busy.Unlock()
	ctx, cancel := s.within(ctx)
	defer cancel()
	var seen []string
	var failed error
	for _, a := range s.settings.Address {
		if err := s.try(ctx, a); err != nil {
			failed = both(failed, s.settings.explain(err, a))
			continue
		}
		seen = append(seen, fmt.Sprintf("%s: %s", a, promises[a.Scheme]))
	}
	if len(seen) == 0 {
		return "", fmt.Errorf("connecting to %w", failed)
	}
	if failed != nil {
		seen = append(seen, fmt.Sprintf("warning: %v", failed))
	}
	return strings.Join(seen, "; "), nil
}

// promises describe, by transport, what Check found and what it means that the
// receiver took a record.
var promises = map[string]string{
	udp:     "resolved, which is all that can be checked with UDP; no receiver confirms records",
	tcp:     "connected; its kernel acknowledges records, not the receiver",
	tcpTLS:  "connected with TLS; its kernel acknowledges records, not the receiver",
	relpTCP: "connected; the receiver acknowledges each record",
	relpTLS: "connected with TLS; the receiver acknowledges each record",
}

func (s *syslog) try(ctx context.Context, a Address) error {
	l, err := s.dial(ctx, a)
	if err != nil {
		return err
	}
	defer l.close()
	return l.stay(ctx)
}

// Close ends an unfinished Publish, whose records then have an unknown outcome.
func (s *syslog) Close() error {
	s.end()
	s.busy.Lock()
	defer s.busy.Unlock()
	s.disconnect()
	return nil
}
