package kafkaclient

import (
	"encoding/binary"
	"net"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// gate holds back produce requests while it is shut. Manual flushing alone does not: the
// loop in kgo that sends buffered records may run on after the Flush that started it has
// returned, for seconds if it is in a back-off. It then sends records that are buffered
// for the next Flush.
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

// Hold holds back what is produced from here on, until Release. Everything that was
// produced before must have its outcome.
func (c *Client) Hold() {
	c.gate.mu.Lock()
	defer c.gate.mu.Unlock()
	c.gate.open = make(chan struct{})
}

// Release sends what Hold held back.
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

// gatedConn is a connection behind a gate. kgo writes each request with one Write.
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

// produces reports whether a request is a produce request. Its key follows its size
// (Kafka's protocol guide, section Request Header).
func produces(request []byte) bool {
	return len(request) >= 6 && int16(binary.BigEndian.Uint16(request[4:])) == kmsg.Produce.Int16()
}
