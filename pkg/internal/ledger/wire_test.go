//go:build integration

package ledger_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/kafkabroker"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// wire is a network to the brokers that can interfere with a request.
type wire struct {
	mu     sync.Mutex
	key    int16
	before func()
	after  func()
	id     string        // transactional.id whose time-out the wire changes
	limit  time.Duration // the new time-out
}

// at calls before and after around the next request of the kind, once.
func (w *wire) at(key kmsg.Key, before, after func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.key, w.before, w.after = key.Int16(), before, after
}

func (w *wire) met(key int16) (before, after func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.before == nil && w.after == nil || w.key != key {
		return nil, nil
	}
	before, after = w.before, w.after
	w.before, w.after = nil, nil
	return before, after
}

func (w *wire) dial(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, address)
	return &tapped{conn, w}, err
}

type tapped struct {
	net.Conn
	wire *wire
}

// Write is called once for each request. The request's key follows its size (Kafka's
// protocol guide, section Request Header).
func (c *tapped) Write(request []byte) (int, error) {
	key := int16(binary.BigEndian.Uint16(request[4:]))
	if at := bytes.Index(request, []byte(c.wire.id)); c.wire.id != "" && key == kmsg.InitProducerID.Int16() && at >= 0 {
		request = bytes.Clone(request)
		binary.BigEndian.PutUint32(request[at+len(c.wire.id):], uint32(c.wire.limit.Milliseconds()))
	}
	before, after := c.wire.met(key)
	if before != nil {
		before()
	}
	n, err := c.Conn.Write(request)
	if after != nil {
		after()
	}
	return n, err
}

// proxy forwards everything until its connections are cut.
type proxy struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	conns map[net.Conn]bool
	shut  bool // new connections are cut, too
	mute  bool // answers are discarded
}

func startProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", kafkabroker.Loopback("0"))
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, to: to, conns: make(map[net.Conn]bool)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.serve()
	}()
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		p.cut()
		<-done
	})
	return p
}

func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) serve() {
	var passing sync.WaitGroup
	defer passing.Wait()
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return // the listener was closed
		}
		far, err := net.Dial("tcp", p.to)
		if err != nil {
			near.Close() // the broker is down, so the proxy ends the connection
			continue
		}
		if !p.hold(near, far) {
			continue
		}
		passing.Go(func() { p.pass(near, far) })
		passing.Go(func() { p.pass(far, answers{near, p}) })
	}
}

func (p *proxy) hold(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if p.shut {
			c.Close()
			continue
		}
		p.conns[c] = true
	}
	return !p.shut
}

// pass forwards bytes until one of the connections ends, and then closes both.
func (p *proxy) pass(from, to net.Conn) {
	_, _ = io.Copy(to, from)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range []net.Conn{from, to} {
		c.Close()
	}
	delete(p.conns, from)
}

// answers forwards answers to a client, and discards them while the proxy is mute.
type answers struct {
	net.Conn
	proxy *proxy
}

func (a answers) Write(answer []byte) (int, error) {
	a.proxy.mu.Lock()
	mute := a.proxy.mute
	a.proxy.mu.Unlock()
	if mute {
		return len(answer), nil
	}
	return a.Conn.Write(answer)
}

// close cuts all connections, and every new one until open is called.
func (p *proxy) close() {
	p.set(true, false)
	p.cut()
}

func (p *proxy) open()    { p.set(false, false) }
func (p *proxy) silence() { p.set(false, true) }

func (p *proxy) set(shut, mute bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut, p.mute = shut, mute
}

// cut cuts all connections, as a firewall does.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}
