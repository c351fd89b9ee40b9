package syslog

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// stream is a TCP connection, with TLS or without. A write to one succeeds as
// soon as the local kernel has the bytes, even if the receiver is gone; so three
// things are looked at before a batch counts as delivered: a goroutine that
// reads notices the end of the connection at once, the kernel tells whether the
// peer acknowledged every byte, and then the connection has to last for a while.
type stream struct {
	conn    net.Conn     // to write to
	beneath *net.TCPConn // the same, without TLS
	settle  time.Duration

	once    sync.Once
	gone    chan struct{} // closed when the connection is of no use any more
	cause   error         // why; set before gone is closed
	watched chan struct{} // closed once the goroutine is done
}

var (
	errHalfClosed = errors.New("the receiver has closed the connection")
	errSpoke      = errors.New("the receiver sent something, which no syslog receiver does")
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
	var b [1]byte
	_, err := s.conn.Read(b[:])
	if err == nil {
		err = errSpoke
	}
	s.fail(err)
}

// fail gives the connection up, for the first cause it is called with. TCP is
// closed without the farewell of TLS, which could block.
func (s *stream) fail(cause error) {
	s.once.Do(func() {
		s.cause = cause
		close(s.gone)
		_ = s.beneath.Close() // The cause tells more than what closing says of a broken connection.
	})
}

// broken gives the connection up, and returns why. A receiver that refuses us may
// have said so before it ended the connection; then the goroutine that reads knows
// more than the kernel, or will in a moment.
func (s *stream) broken(err error) error {
	const moment = 100 * time.Millisecond
	if cause := s.pause(moment); cause != nil {
		return cause
	}
	s.fail(err)
	return s.cause
}

// check returns how many bytes the peer has not acknowledged, or why the
// connection is of no use.
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

// send writes the messages as one. Where that ends early the receiver may have
// a part of one, so the connection cannot be used any more.
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

// outlast waits for the connection to last. A receiver that ends may have bytes
// in its socket that it did not read, which the kernel acknowledged all the same;
// the connection ends with it.
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

// pause returns early if the connection is given up.
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

// close says farewell where TLS is spoken. All that was sent has been
// acknowledged or counts as not delivered, so there is nothing to wait for, and
// nothing that could still go wrong.
func (s *stream) close() {
	select {
	case <-s.gone:
	default:
		_ = s.conn.Close()
	}
	s.fail(errDone)
	<-s.watched
}
