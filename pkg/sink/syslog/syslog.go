// Package syslog sends records to a syslog receiver: rsyslog, syslog-ng, a
// collector of Sentinel, ArcSight or QRadar. A message has a header of RFC 5424 or
// RFC 3164, and the record's body as its text.
//
// # What is taken responsibility for
//
// Publish returns nil once every message was taken, which is worth as much as the
// transport:
//
//   - relp, relp+tls: the receiver answered that each is in its queue. What that
//     queue survives is a matter of its configuration. The transport to choose.
//   - tcp, tls: the receiver's kernel acknowledged every byte (on Linux, by
//     SIOCOUTQ with the connection fully open; elsewhere this is not known), and
//     the connection lasted for settle after that. Until then a broken
//     connection leaves the whole batch unpublished, and it is sent again. What
//     is lost is what a receiver acknowledged, kept unread for longer than settle
//     and took along when it died. Behind a proxy all this is about the proxy.
//   - udp: nothing. The datagrams were handed to the kernel, and no ICMP error came
//     back: on a new socket for as long as settle, on another until the batch was
//     written.
//
// # Messages
//
// One record is one message, never split and never cut. The sink's limits leave
// room for the largest header, so that formats shorten what does not fit, and
// say so. A message that is too large all the same is refused for good.
//
// Whatever a record holds stays in its message: headers have only characters
// that they may have, and with newline framing CR, LF and NUL in a body become
// spaces, as all control characters but TAB do in RFC 3164. Otherwise bodies are
// left as they are.
//
// RFC 5424 carries the event's id, organization and action as structured data;
// MSGID is the action in the 32 bytes that there are. RFC 3164 has no room for
// them, no year and no time zone: there the body has to tell, as CEF and LEEF do.
//
// # Connections
//
// There is one, opened by the first Publish and kept. If it breaks, Publish fails
// and the next one opens another: to the first address that can be connected to,
// in their order, except that one which was connected to and took nothing comes
// last. It stays there until that breaks. Certificates and authorities are read
// anew for each.
//
// Names are resolved for each connection. For UDP, which has none that could end,
// they are resolved every minute and after each error, too: the socket stays where
// its address is still among the answers, or where the lookup fails.
//
// A receiver that ends the connection over one record, over RELP, TCP or TLS, gets
// it rejected: Publish returns a permanent error for that record, once it is proven
// that no outage is the reason. See suspicion in this package for the proof.
//
// # What it does not do
//
// Listen, compress, sign messages (RFC 5848), use DTLS, or speak to the local
// syslog daemon over its socket.
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
	// patience is how long a Publish begins new attempts. What is found out by then is
	// kept for the next.
	patience = 20 * time.Second

	// respite lets a receiver that crashed take its socket down.
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

	busy     sync.Mutex // held by what uses the fields below
	messages messages   // of the last Publish; their memory is used again
	link     link       // nil: the next Publish opens one
	at       int        // which of the addresses link leads to
	proven   bool       // link took a batch
	first    int        // which of the addresses is tried first

	suspicion suspicion     // of a message over which the receiver ends the connection
	respite   time.Duration // passes between an end of the connection and the next attempt
}

func open(_ context.Context, env sink.Env, s Settings) (sink.Sink, error) {
	e, err := newEncoder(&s)
	if err != nil {
		return nil, err
	}
	if s.TLS.InsecureSkipVerify {
		env.Log.Warn().Msg("tls.insecure_skip_verify is set: whoever answers is taken for the receiver")
	}
	if e.legacy {
		env.Log.Info().Str("zone", e.zone.String()).Msg("the header of rfc3164 gives times in the local zone, without saying so")
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

// Limits leaves room for the largest header, so that it is the format that
// leaves out and shortens. A batch must be given the time that it has to settle,
// and that a receiver which reads nothing has to come back.
func (s *syslog) Limits() sink.Limits {
	l := sink.Limits{
		RecordBytes: int(s.settings.MaxMessageBytes) - s.encoder.overhead(),
		Timeout:     patience + userTimeout + s.settings.Settle.Std(),
	}
	switch to := s.settings.Address[0]; {
	case to.stream():
		// What a receiver read by the end of settle cannot be lost in its socket any
		// more, so a batch is what the slower ones read in less than a second. The
		// source hands out less than half of that in one.
		l.Records = 2000
	case to.Scheme == udp:
		// As much as a socket has room for (udp(7), rmem_default), with what the
		// kernel adds to each datagram.
		l.Records, l.Bytes = 50, mostInDatagram
		if perSecond := s.settings.Rate; perSecond > 0 {
			l.Records = min(l.Records, perSecond) // A batch takes no longer than a second.
		}
	}
	return l
}

// Publish sends the batch over the connection there is, or over a new one.
func (s *syslog) Publish(ctx context.Context, batch []sink.Record) error {
	if len(batch) == 0 {
		return nil
	}
	s.busy.Lock()
	defer s.busy.Unlock()
	ctx, cancel := s.within(ctx)
	defer cancel()
	m := &s.messages
	m.encode(batch, &s.encoder, s.frame, int(s.settings.MaxMessageBytes))
	if m.len() == 0 {
		return m.report(0, nil)
	}
	return m.report(s.send(ctx, m))
}

// send sends messages until all are taken, one is at fault, or the lane is to wait
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
			s.disconnect() // A trial is about a connection of its own.
		}
		o := s.attempt(ctx, part)
		n, again, err := s.suspicion.answer(part, rest, as, o)
		taken += n
		if !again || time.Now().After(until) || o.ended && !wait(ctx, s.respite) {
			return taken, err
		}
	}
}

// attempt sends messages over the connection there is, or over a new one.
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
	return outcome{taken, fmt.Errorf("sending to %w", explain(err, s.settings.Address[s.at])), endedByReceiver(err)}
}

// wait reports whether d passed before ctx ended.
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

// within ends ctx when the sink is closed, too.
func (s *syslog) within(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.life, func() { cancel(errClosed) })
	return ctx, func() { stop(); cancel(nil) }
}

// connect sees to it that there is a link. It tries the addresses in their
// order, beginning behind one that was connected to and took nothing.
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
				s.log.Warn().Err(failed).Stringer("address", address).Msg("connected to another than the first address")
			}
			return nil
		}
		failed = both(failed, explain(err, address))
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

// disconnect lets go of the link, if there is one.
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

// Check connects to every address, shakes hands, and waits whether the receiver
// leaves it at that. It publishes nothing.
func (s *syslog) Check(ctx context.Context) (string, error) {
	s.busy.Lock()
	defer s.busy.Unlock()
	ctx, cancel := s.within(ctx)
	defer cancel()
	var seen []string
	var failed error
	for _, a := range s.settings.Address {
		if err := s.try(ctx, a); err != nil {
			failed = both(failed, explain(err, a))
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

// promises are what was seen of a receiver that answered, and what it means that
// it takes a record.
var promises = map[string]string{
	udp:     "has an address, which is all that UDP tells; nobody says whether records arrive",
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

// Close ends a Publish under way, whose records then have an unknown outcome.
func (s *syslog) Close() error {
	s.end()
	s.busy.Lock()
	defer s.busy.Unlock()
	s.disconnect()
	return nil
}
