package kafkaclient

import (
	"encoding/binary"
	"net"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// gate keeps produce requests off the wire while it is shut. Manual flushing
// alone does not: kgo's loop that sends what is buffered may still be at it when
// the Flush that started it has returned, for seconds if it waits out a back-off,
// and then sends what is buffered for the next one.
type gate struct {
	mu     sync.Mutex
	open   chan struct{} // closed: requests pass
	broken chan struct{} // closed: requests fail
}

func newGate() *gate {
	g := &gate{open: make(chan struct{}), broken: make(chan struct{})}
	close(g.open)
	return g
}

// Hold keeps back what is produced from here on until Release. Nothing that was
// produced before may be without an outcome.
func (c *Client) Hold() {
	c.gate.mu.Lock()
	defer c.gate.mu.Unlock()
	c.gate.open = make(chan struct{})
}

// Release lets pass what Hold kept back.
func (c *Client) Release() {
	c.gate.mu.Lock()
	defer c.gate.mu.Unlock()
	close(c.gate.open)
}

func (g *gate) pass() error {
	g.mu.Lock()
	open := g.open
	g.mu.Unlock()
	select {
	case <-open:
		return nil
	case <-g.broken:
		return net.ErrClosed
	}
}

// gatedConn is a connection behind a gate. kgo writes each request at once.
type gatedConn struct {
	net.Conn
	gate *gate
}

func (c gatedConn) Write(request []byte) (int, error) {
	if produces(request) {
		if err := c.gate.pass(); err != nil {
			return 0, err
		}
	}
	return c.Conn.Write(request)
}

// produces looks at the key of a request, which follows its size (Kafka's
// protocol guide, section Request Header).
func produces(request []byte) bool {
	return len(request) >= 6 && int16(binary.BigEndian.Uint16(request[4:])) == kmsg.Produce.Int16()
}
