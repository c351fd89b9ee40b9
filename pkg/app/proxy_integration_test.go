//go:build integration

package app_test

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/kafkabroker"
)

// proxy forwards everything until its connections are cut.
type proxy struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	pairs map[*pair]bool
}

// pair is a connection to the proxy, and the one from there to the server.
type pair struct {
	near, far net.Conn
	deaf      atomic.Bool // bytes from far are lost
	gone      atomic.Bool // bytes from near are lost, too
}

func startProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", kafkabroker.Loopback("0"))
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, to: to, pairs: map[*pair]bool{}}
	served := make(chan struct{})
	go func() {
		defer close(served)
		p.serve()
	}()
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		p.cut(0)
		<-served
	})
	return p
}

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
			near.Close() // the server refused, so the client is refused, too
			continue
		}
		both := &pair{near: near, far: far}
		p.mu.Lock()
		p.pairs[both] = true
		p.mu.Unlock()
		passing.Go(func() {
			defer p.end(both)
			_, _ = io.Copy(outward{both}, near) // both copies end when the connections are cut
		})
		passing.Go(func() {
			defer p.end(both)
			_, _ = io.Copy(both, far)
		})
	}
}

// Write forwards bytes from the far side.
func (c *pair) Write(data []byte) (int, error) {
	if c.deaf.Load() {
		return len(data), nil
	}
	return c.near.Write(data)
}

// outward forwards bytes from the near side.
type outward struct{ *pair }

func (o outward) Write(data []byte) (int, error) {
	if o.gone.Load() {
		return len(data), nil
	}
	return o.far.Write(data)
}

func (p *proxy) end(c *pair) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pairs[c] {
		_ = errors.Join(c.near.Close(), c.far.Close()) // their errors do not matter any more
		delete(p.pairs, c)
	}
}

// deafen makes all open connections lose their answers, while requests still arrive. It
// returns these connections.
func (p *proxy) deafen() (all []*pair) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pairs {
		c.deaf.Store(true)
		all = append(all, c)
	}
	return all
}

// lose makes all open connections lose everything. They stay open.
func (p *proxy) lose() {
	for _, c := range p.deafen() {
		c.gone.Store(true)
	}
}

// cut cuts all open connections. For a while before that their answers are lost.
func (p *proxy) cut(deaf time.Duration) {
	all := p.deafen()
	<-time.After(deaf)
	for _, c := range all {
		p.end(c)
	}
}
