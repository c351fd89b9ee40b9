package syslog

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/sluice-siem/sluice/pkg/setting"
)

// stream is a TCP connection, with or without TLS. A write succeeds as soon as the
// local kernel has the bytes, even if the receiver is gone. So three things are
// checked before a batch counts as delivered: a goroutine that reads notices the end
// of the connection at once; the kernel reports whether the peer has acknowledged
// every byte; and then the connection must last for settle.
type stream struct {
	conn    net.Conn     // with TLS, if it is used
	beneath *net.TCPConn // the same, without TLS
	settle  time.Duration

	once    sync.Once
	gone    chan struct{} // closed when the connection must not be used any more
	cause   error         // the reason; set before gone is closed
	watched chan struct{} // closed once the goroutine is done
}

var (
	errHalfClosed = errors.New("the receiver has closed the connection")
	errSpoke      = errors.New("the receiver sent data, which no syslog receiver does")
	errDone       = errors.New("connection is closed")
)

func newStream(conn net.Conn, beneath *net.TCPConn, settle time.Duration) *stream {
	s := &stream{conn: conn, beneath: beneath, settle: settle, gone: make(chan struct{}), watched: make(chan struct{})}
	go s.watch()
	return s
}

// watch waits for the receiver to end the connection.
func (s *stream) watch() {
	defer close(s.watched)
	var b [2]byte
	n, err := s.conn.Read(b[:])
	switch {
	case setting.IsAlert(b[:n]):
		err = fmt.Errorf("%w: %w", errSpoke, setting.ErrSpeaksTLS)
	case err == nil:
		err = errSpoke
	}
	s.fail(err)
}

// fail closes the connection; the first cause counts. It closes TCP without TLS's
// close_notify, which could block.
func (s *stream) fail(cause error) {
	s.once.Do(func() {
		s.cause = cause
		close(s.gone)
		_ = s.beneath.Close() // the cause is the better error
	})
}

// broken closes the connection and returns the reason. A receiver that refuses the
// client may have sent the reason (a TLS alert) before it ended the connection; then
// the reading goroutine has a better error than the kernel, or will in a moment.
func (s *stream) broken(err error) error {
	const moment = 100 * time.Millisecond
	if cause := s.pause(moment); cause != nil {
		return cause
	}
	s.fail(err)
	return s.cause
}

// check returns how many bytes the peer has not acknowledged, or why the connection
// must not be used.
func (s *stream) check() (waiting int, err error) {
	select {
	case <-s.gone:
		return 0, s.cause
	default:
	}
	waiting, err = unacknowledged(s.beneath)
	if err != nil {
		return 0, s.broken(err)
	}
	return waiting, nil
}

func (s *stream) usable() bool {
	_, err := s.check()
	return err == nil
}

// send writes all messages in one write. If it ends early, the receiver may have a
// part of a message, so the connection must not be used any more.
func (s *stream) send(ctx context.Context, m *messages) (taken int, err error) {
	stop := context.AfterFunc(ctx, func() { s.fail(context.Cause(ctx)) })
	defer stop()
	if _, err := s.conn.Write(m.text); err != nil {
		return 0, s.broken(err)
	}
	if err := s.drain(); err != nil {
		return 0, err
	}
	if err := s.outlast(); err != nil {
		return 0, err
	}
	return m.len(), nil
}

// drain waits until the peer has acknowledged every byte.
func (s *stream) drain() error {
	const first, longest = 100 * time.Microsecond, 20 * time.Millisecond
	for pause := first; ; pause = min(2*pause, longest) {
		waiting, err := s.check()
		if err != nil || waiting == 0 {
			return err
		}
		if err := s.pause(pause); err != nil {
			return err
		}
	}
}

// outlast waits for settle and checks that the connection has lasted. A receiver that
// dies may leave unread bytes in its socket, although its kernel acknowledged them;
// its connection ends with it.
func (s *stream) outlast() error {
	if err := s.pause(s.settle); err != nil {
		return err
	}
	_, err := s.check()
	return err
}

func (s *stream) stay(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { s.fail(context.Cause(ctx)) })
	defer stop()
	return s.outlast()
}

// pause waits for d. It returns the cause early if the connection fails.
func (s *stream) pause(d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-s.gone:
		return s.cause
	}
}

// close closes the connection, with TLS's close_notify if it is used. Every message
// was acknowledged or counts as not delivered, so it need not wait, and errors do not
// matter.
func (s *stream) close() {
	select {
	case <-s.gone:
	default:
		_ = s.conn.Close()
	}
	s.fail(errDone)
	<-s.watched
}
