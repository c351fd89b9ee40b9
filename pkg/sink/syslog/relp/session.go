// Package relp is the sending side of RELP, the Reliable Event Logging Protocol
// (https://github.com/rsyslog/librelp/blob/master/doc/relp.md): syslog with an answer
// to every message. The caller makes the connection, with TLS if it wants that.
//
// # Guarantee
//
// An answer means that the next hop has the message in its queue. That hop's
// configuration decides whether the queue is stored: rsyslog's is in memory by default.
//
// # Errors
//
// A session ends at the first error: a broken connection; an answer that is
// malformed, unexpected or not 200; the server's hint that it closes; or the end of
// the caller's context. Send then returns how many messages, from the first on, were
// answered. Some of the others may have arrived. The caller must send them again in a
// new session; this package does not retry, so that only one place does. Up to a
// Window of messages can then arrive twice, and a refused message arrives after those
// that the server took after it.
//
// No error here is a fault of a message: a server answers 500 if its queue refuses,
// and in one session that looks the same as a message that it refuses.
//
// # Limitations
//
// The package does not listen, compress, send commands other than syslog, or negotiate
// TLS within the connection (starttls). It does not check messages, which may contain
// any bytes and have any length: rsyslog cuts messages that are longer than its
// maxMessageSize.
package relp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/pool"
)

const (
	answer    = "rsp"
	drainTime = time.Second // for answers that have arrived when a write fails
	writeSize = 64 << 10    // bytes of frames from which they are written
)

// ErrServerClosed is the server's hint that it closes. librelp sends it when it stops,
// and also when it ends a session over a message.
var ErrServerClosed = errors.New("server closes the session")

var errClosed = errors.New("session is closed")

// Session is an open RELP session. Send and Close must not be called concurrently,
// with one exception: Close may be called while a Send hangs, and ends it.
type Session struct {
	conn     net.Conn
	sending  sync.Mutex    // held while commands are written
	progress chan struct{} // holds an element if an answer came since the last wait
	over     chan struct{} // closed when the session has ended
	reader   sync.WaitGroup

	mu      sync.Mutex
	window  window
	closing bool  // close was sent; it is the last command
	err     error // why the session has ended; nil if it has not
}

// Open opens a session on conn. It takes ownership of conn, even if it fails: conn is
// closed when the session ends. ctx applies only to Open. The session must be closed,
// so that its reader ends.
func Open(ctx context.Context, conn net.Conn) (*Session, error) {
	s := &Session{
		conn: conn, window: newWindow(),
		progress: make(chan struct{}, 1), over: make(chan struct{}),
	}
	r := &receiver{from: conn, then: acknowledger(conn)}
	stop := s.endWith(ctx)
	defer stop()
	if err := s.open(r); err != nil {
		s.end(err)
		return nil, fmt.Errorf("opening RELP session: %w", s.Err())
	}
	s.reader.Go(func() { s.end(s.read(r)) })
	return s, nil
}

// endWith ends the session when ctx ends, until stop is called.
func (s *Session) endWith(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() { s.end(context.Cause(ctx)) })
}

// open exchanges offers. The session is ready once the server has answered.
func (s *Session) open(r *receiver) error {
	if err := s.write("open", []byte(offer)); err != nil {
		return err
	}
	frames, err := r.next(nil)
	if err != nil {
		return err
	}
	first := frames[0]
	if len(frames) > 1 || first.command != answer {
		return fmt.Errorf("server sent %q and %d more, want one answer", first.command, len(frames)-1)
	}
	if err := s.window.acknowledge(first.number); err != nil {
		return err
	}
	offers, err := parseResponse(first.data)
	if err != nil {
		return err
	}
	return checkOffers(offers)
}

// Err returns why the session has ended, nil if it has not. A server may end it at any
// time, also between two calls of Send.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Send sends messages, in order, and waits for their answers. It returns how many,
// from the first on, were answered: all of them if and only if err is nil. Otherwise
// the outcome of the rest is unknown, and the session has ended.
func (s *Session) Send(ctx context.Context, messages [][]byte) (acked int, err error) {
	s.sending.Lock()
	defer s.sending.Unlock()
	if err := ctx.Err(); err != nil {
		s.end(err)
		return 0, s.sendError(err)
	}
	stop := s.endWith(ctx)
	defer stop()
	before := s.count()
	for left := messages; len(messages) > 0; {
		if left, err = s.fill(left); err != nil {
			s.drain(err)
		}
		s.wait()
		err, acked = s.Err(), s.count()-before // in this order, so that answers before the end count
		switch {
		case acked == len(messages):
			return acked, nil
		case err != nil:
			return acked, s.sendError(err)
		}
	}
	return 0, nil
}

// wait waits for an answer or the end of the session.
func (s *Session) wait() {
	select {
	case <-s.progress:
	case <-s.over:
	}
}

func (s *Session) sendError(err error) error {
	return fmt.Errorf("sending over RELP: %w", err)
}

// count returns how many commands, from the first on, were answered without a gap.
func (s *Session) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int(s.window.oldest)
}

// fill sends as many messages as fit into the window, in few writes, and returns the
// others.
func (s *Session) fill(messages [][]byte) ([][]byte, error) {
	s.mu.Lock()
	n := min(Window-s.window.waiting(), len(messages))
	s.mu.Unlock()
	return messages[n:], s.write("syslog", messages[:n]...)
}

// write sends commands. It adds a command to the window before it writes any of its
// bytes, because the command may be answered before write returns.
func (s *Session) write(command string, data ...[]byte) error {
	out := pool.Get(writeSize)
	for i, d := range data {
		s.mu.Lock()
		n := s.window.add()
		s.mu.Unlock()
		out = append(append(appendHeader(out, n, command, len(d)), d...), '\n')
		if len(out) < writeSize && i < len(data)-1 {
			continue
		}
		if _, err := s.conn.Write(out); err != nil {
			return err
		}
		out = out[:0]
	}
	pool.Put(out)
	return nil
}

// read handles the server's frames until the session ends, and returns the reason.
func (s *Session) read(r *receiver) error {
	var frames []frame
	for {
		var err error
		if frames, err = r.next(frames); err != nil {
			return fmt.Errorf("reading answers: %w", err)
		}
		if err := s.handle(frames); err != nil {
			return err
		}
		select {
		case s.progress <- struct{}{}:
		default:
		}
	}
}

// drain ends the session after a failed write. It waits for the reader's error, since
// a server that closes may have sent answers and a reason before.
func (s *Session) drain(failed error) {
	defer time.AfterFunc(drainTime, func() { s.end(failed) }).Stop()
	<-s.over
}

func (s *Session) handle(frames []frame) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range frames {
		if err := s.handleFrame(f); err != nil {
			return err
		}
	}
	return nil
}

func (s *Session) handleFrame(f frame) error {
	switch {
	case f.number == 0 && f.command == "serverclose":
		return ErrServerClosed
	case f.number == 0 && f.command != answer:
		return nil // unknown hints are ignored
	case f.command != answer:
		return fmt.Errorf("server sent the command %q", f.command)
	}
	// librelp's answer to close is empty. It comes after all other answers.
	if ended := s.closing && len(f.data) == 0; !ended {
		if _, err := parseResponse(f.data); err != nil {
			return fmt.Errorf("transaction %d: %w", f.number, err)
		}
	}
	return s.window.acknowledge(f.number)
}

// end ends the session; the first reason counts. It ignores the error of closing the
// connection.
func (s *Session) end(reason error) {
	s.mu.Lock()
	first := s.err == nil
	if first {
		s.err = reason
		close(s.over)
	}
	s.mu.Unlock()
	if first {
		_ = s.conn.Close() // without the lock: TLS may need seconds to close
	}
}

// Close sends close and waits for the server's answer until ctx ends. It does not if a
// Send hangs, which it ends, or if the session has ended. An error means that the
// server did not answer; nothing depends on it.
func (s *Session) Close(ctx context.Context) error {
	defer s.reader.Wait()
	defer s.end(errClosed)
	if !s.sending.TryLock() {
		return nil
	}
	defer s.sending.Unlock()
	if s.Err() != nil {
		return nil
	}
	stop := s.endWith(ctx)
	defer stop()
	if err := s.farewell(); err != nil {
		return fmt.Errorf("closing RELP session: %w", err)
	}
	return nil
}

func (s *Session) farewell() error {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	before := s.count()
	if err := s.write("close", nil); err != nil {
		return err
	}
	for {
		switch err := s.Err(); {
		case s.count() > before:
			return nil
		case err != nil:
			return err
		}
		s.wait()
	}
}
