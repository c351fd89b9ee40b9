// Package relp is the sending side of RELP, the Reliable Event Logging Protocol
// (https://github.com/rsyslog/librelp/blob/master/doc/relp.md): syslog with an
// answer to every message, over a connection that the caller made and, if it is to
// be secret, wrapped in TLS.
//
// # What is proven
//
// An answer says that the next hop has the message in its queue. Whether it is
// stored is for that hop to say: rsyslog answers once the message is in its queue,
// which by default is in memory.
//
// # What becomes of a broken connection
//
// A session ends at the first thing that goes wrong: the connection, an answer
// that is malformed, unasked for or not 200, the server's hint that it closes, or
// the end of the caller's context. Send then tells how many messages, from the
// first on, were answered. Of the others some may have arrived: they are to be
// sent again, in a new session. This package does neither, so that there is one
// place that retries. What had arrived arrives again, up to a Window of it, and
// what a server refused comes behind what it took after that.
//
// No error here is about a message. A server answers 500 when its queue refuses,
// and nothing in one session tells that from a message it does not like.
//
// # What it does not do
//
// Listen; compress; send other commands than syslog; negotiate TLS within the
// connection (starttls); or look at messages, which may hold any bytes and be of
// any length: rsyslog cuts those that are longer than its maxMessageSize.
package relp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

const (
	answer    = "rsp"
	drainTime = time.Second // for answers that are there when a write fails
)

// ErrServerClosed is the server's hint that it closes. librelp's sends it when it
// stops, and also when it ends a session over a message that it does not take.
var ErrServerClosed = errors.New("server closes the session")

var errClosed = errors.New("session is closed")

// Session is an open RELP session. Send and Close must not be called by several
// at once, except that Close may be called while a Send hangs, which ends it.
type Session struct {
	conn     net.Conn
	out      *bufio.Writer
	sending  sync.Mutex    // held by who writes
	progress chan struct{} // an answer came since somebody looked
	over     chan struct{} // closed when the session has ended
	reader   sync.WaitGroup

	mu      sync.Mutex
	window  window
	closing bool  // close was sent, behind which nothing is
	err     error // why the session has ended; nil if it has not
}

// Open opens a session on conn, which is the session's from then on, also if it
// fails: it is closed when the session ends. ctx is for the opening alone. The
// session must be closed, so that its reader ends.
func Open(ctx context.Context, conn net.Conn) (*Session, error) {
	s := &Session{
		conn: conn, out: bufio.NewWriterSize(conn, 64<<10), window: newWindow(),
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

// open exchanges offers. The session is ready only once they were answered.
func (s *Session) open(r *receiver) error {
	if err := s.write("open", []byte(offer)); err != nil {
		return err
	}
	if err := s.out.Flush(); err != nil {
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
	if err := s.window.settle(first.number); err != nil {
		return err
	}
	offers, err := parseResponse(first.data)
	if err != nil {
		return err
	}
	return checkOffers(offers)
}

// Err is why the session has ended, and nil as long as it has not. A server may
// end it at any time, also between one Send and the next.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Send sends messages, in order, and waits for their answers. It returns how
// many, from the first on, were answered: all of them if and only if err is nil.
// Of the rest nothing is known, and the session has ended.
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
		err, acked = s.Err(), s.count()-before // in this order: answers may come before the end
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

// count is how many commands were answered without one before them that was not.
func (s *Session) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int(s.window.oldest)
}

// fill sends as many messages as the window has room for, in as few writes as
// the buffer allows, and returns the others.
func (s *Session) fill(messages [][]byte) ([][]byte, error) {
	s.mu.Lock()
	room := min(Window-s.window.waiting(), len(messages))
	s.mu.Unlock()
	for _, m := range messages[:room] {
		if err := s.write("syslog", m); err != nil {
			return nil, err
		}
	}
	return messages[room:], s.out.Flush()
}

// write takes a command into the window and then into the buffer, in this order:
// what the buffer held may be on its way before write returns, and answered.
func (s *Session) write(command string, data []byte) error {
	s.mu.Lock()
	n := s.window.add()
	s.mu.Unlock()
	if _, err := s.out.Write(appendHeader(s.out.AvailableBuffer(), n, command, len(data))); err != nil {
		return err
	}
	if _, err := s.out.Write(data); err != nil {
		return err
	}
	return s.out.WriteByte('\n')
}

// read takes what the server sends until the session ends, and returns why.
func (s *Session) read(r *receiver) error {
	var frames []frame
	for {
		var err error
		if frames, err = r.next(frames); err != nil {
			return fmt.Errorf("reading answers: %w", err)
		}
		if err := s.take(frames); err != nil {
			return err
		}
		select {
		case s.progress <- struct{}{}:
		default:
		}
	}
}

// drain ends the session after a write that failed: with what the reader finds,
// since a server that closes may have answered, and said why, before.
func (s *Session) drain(failed error) {
	defer time.AfterFunc(drainTime, func() { s.end(failed) }).Stop()
	<-s.over
}

func (s *Session) take(frames []frame) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range frames {
		if err := s.takeOne(f); err != nil {
			return err
		}
	}
	return nil
}

func (s *Session) takeOne(f frame) error {
	switch {
	case f.number == 0 && f.command == "serverclose":
		return ErrServerClosed
	case f.number == 0 && f.command != answer:
		return nil // A hint is for those who understand it.
	case f.command != answer:
		return fmt.Errorf("server sent the command %q", f.command)
	}
	// librelp's answer to close, before which all others are there, is empty.
	if ended := s.closing && len(f.data) == 0; !ended {
		if _, err := parseResponse(f.data); err != nil {
			return fmt.Errorf("transaction %d: %w", f.number, err)
		}
	}
	return s.window.settle(f.number)
}

// end ends the session, once; only the first reason counts. What the connection
// says to being closed is of no use: everything that was to be known of it is.
func (s *Session) end(reason error) {
	s.mu.Lock()
	first := s.err == nil
	if first {
		s.err = reason
		close(s.over)
	}
	s.mu.Unlock()
	if first {
		_ = s.conn.Close() // not under the lock: TLS may take seconds to say farewell
	}
}

// Close tells the server and waits for its answer until ctx ends. A Send that
// hangs is ended instead, and of a session that has ended there is nothing to
// tell. An error says that the server did not answer; nothing depends on it.
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
	if err := s.out.Flush(); err != nil {
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
