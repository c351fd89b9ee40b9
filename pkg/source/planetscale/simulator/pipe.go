package simulator

import (
	"context"
	"fmt"
	"net"
	"sync"
)

// PipeListener is a net.Listener in memory. It serves real HTTP where a socket cannot, as
// in a testing/synctest bubble. Its connections come from net.Pipe.
type PipeListener struct {
	dialed chan net.Conn
	closed chan struct{}
	close  sync.Once
}

var _ net.Listener = (*PipeListener)(nil)

// NewPipeListener listens until Close.
func NewPipeListener() *PipeListener {
	return &PipeListener{dialed: make(chan net.Conn), closed: make(chan struct{})}
}

// DialContext connects to the listener for any address. It is meant for http.Transport.
// It waits for Accept. Its error is that of the context, or net.ErrClosed.
func (l *PipeListener) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.dialed <- server:
		return client, nil
	case <-l.closed:
		return nil, fmt.Errorf("dial %s: %w", address, net.ErrClosed)
	case <-ctx.Done():
		return nil, fmt.Errorf("dial %s: %w", address, ctx.Err())
	}
}

// Accept waits for a connection; net.ErrClosed after Close.
func (l *PipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.dialed:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and DialContext. Connections stay open.
func (l *PipeListener) Close() error {
	l.close.Do(func() { close(l.closed) })
	return nil
}

// Addr names no real address.
func (l *PipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }
