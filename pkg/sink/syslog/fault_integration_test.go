//go:build integration

package syslog_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/rsyslogd"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink/syslog"
)

// TestNothingIsLostWhenTheReceiverIsStopped stops rsyslog with SIGTERM and restarts it,
// 20 times.
func TestNothingIsLostWhenTheReceiverIsStopped(t *testing.T) {
	t.Parallel() // They wait for most of the time.
	for _, transport := range []string{"tcp", "tls"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			lost := trial{transport, time.Second, (*rsyslogd.Daemon).Stop, 20}.run(t)
			if lost > 0 {
				t.Errorf("%d records are lost that count as delivered", lost)
			}
		})
	}
}

// TestReceiverIsKilled measures the losses by SIGKILL that docs/syslog.md states.
func TestReceiverIsKilled(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"tcp", "tls"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			without := 0
			for tries := 0; without == 0 && tries < 3; tries++ { // Ten kills may all meet a moment without harm.
				without = trial{transport, 0, (*rsyslogd.Daemon).Kill, 10}.run(t)
			}
			with := trial{transport, time.Second, (*rsyslogd.Daemon).Kill, 15}.run(t)
			if with >= without {
				t.Errorf("with settle %d records are lost, without it %d", with, without)
			}
		})
	}
}

// trial is a receiver that ends repeatedly while a lane publishes.
type trial struct {
	transport string
	settle    time.Duration
	end       func(*rsyslogd.Daemon) error
	cycles    int
}

// run returns how many records were lost although they count as delivered.
func (tr trial) run(t *testing.T) int {
	// Without a queue, so that records can be lost only on the way.
	d := rsyslogd.Start(t, rsyslogd.Config{Direct: true})
	s := transports(t, d)[tr.transport]
	s.Settle = setting.Duration(tr.settle)
	p := publish(t, s, 2000)
	for range tr.cycles {
		<-p.took
		// At a random moment: while a batch is written, read, waited for or delivered.
		<-time.After(rand.N(tr.settle + 200*time.Millisecond))
		if err := errors.Join(tr.end(d), d.Start()); err != nil {
			t.Error(err)
		}
	}
	return p.lost(t, d)
}

// TestNothingIsLostWhenAProxyResets resets the connections on both sides of a
// proxy 50 times.
func TestNothingIsLostWhenAProxyResets(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"tcp", "tls"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			d := rsyslogd.Start(t, rsyslogd.Config{Direct: true})
			s := transports(t, d)[transport]
			x := newProxy(t, s.Address[0].Host)
			s.Address[0].Host = x.address
			s.Settle = setting.Duration(time.Second) // the default
			p := publish(t, s, 200)
			for range 50 {
				<-p.took
				<-time.After(rand.N(400 * time.Millisecond))
				x.reset()
			}
			if lost := p.lost(t, d); lost > 0 {
				t.Errorf("%d records are lost that count as delivered", lost)
			}
		})
	}
}

// publishing is a lane without pauses.
type publishing struct {
	settings syslog.Settings
	size     int           // of a batch
	took     chan struct{} // receives an element for each batch that was taken, if anybody waits
	enough   chan struct{} // closed when the next batch should be the last
	running  sync.WaitGroup

	delivered, failures int // good once it does not run
}

func publish(t *testing.T, s syslog.Settings, size int) *publishing {
	p := &publishing{settings: s, size: size, took: make(chan struct{}), enough: make(chan struct{})}
	p.running.Go(func() { p.run(t) })
	return p
}

// lost ends the lane and the receiver, and returns how many records did not arrive
// although they count as delivered.
func (p *publishing) lost(t *testing.T, d *rsyslogd.Daemon) int {
	t.Helper()
	close(p.enough)
	p.running.Wait()
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	got, err := d.Messages()
	if err != nil {
		t.Fatal(err)
	}
	lost := p.delivered - len(numbers(t, got))
	t.Logf("%s, settle %v: %d delivered, %d lost, %d arrived again, %d attempts failed",
		p.settings.Address[0].Scheme, p.settings.Settle, p.delivered, lost, len(got)-p.delivered+lost, p.failures)
	return lost
}

func (p *publishing) run(t *testing.T) {
	snk := unclosed(t, p.settings, quiet)
	for ended := false; !ended; {
		select {
		case <-p.enough:
			ended = true
		default:
		}
		records := batch(p.delivered, p.size)
		for i := range records {
			body := records[i].Body
			records[i].Body = fmt.Appendf(body[:len(body)-1], `,"pad":"%s"}`, strings.Repeat("x", 200))
		}
		p.failures += deliver(t, snk, records)
		p.delivered += p.size
		select {
		case p.took <- struct{}{}:
		default:
		}
	}
	if err := snk.Close(); err != nil {
		t.Error(err)
	}
}

var number = regexp.MustCompile(`"n":(\d+)`)

// numbers returns the records that arrived. It ignores fragments of messages.
func numbers(t *testing.T, messages []rsyslogd.Message) map[int]bool {
	t.Helper()
	all := make(map[int]bool)
	for _, m := range messages {
		if !strings.HasPrefix(m.Raw, "<110>1 ") || !strings.HasSuffix(m.Raw, `x"}`) {
			t.Logf("fragment: %.100q", m.Raw)
			continue
		}
		n, err := strconv.Atoi(number.FindStringSubmatch(m.Raw)[1])
		if err != nil {
			t.Fatal(err)
		}
		all[n] = true
	}
	return all
}

// proxy forwards bytes until it is reset.
type proxy struct {
	to, address string

	mu    sync.Mutex
	conns []*net.TCPConn
	ended bool
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{to: to, address: l.Addr().String()}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { p.serve(conn.(*net.TCPConn)) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.mu.Lock()
		p.ended = true
		p.mu.Unlock()
		p.reset()
		serving.Wait()
	})
	return p
}

func (p *proxy) serve(near *net.TCPConn) {
	conn, err := net.Dial("tcp", p.to)
	if err != nil {
		_ = near.Close()
		return
	}
	far := conn.(*net.TCPConn)
	p.mu.Lock()
	p.conns = append(p.conns, near, far)
	ended := p.ended
	p.mu.Unlock()
	if ended {
		p.reset()
	}
	var copying sync.WaitGroup
	for from, to := range map[*net.TCPConn]*net.TCPConn{near: far, far: near} {
		copying.Go(func() {
			_, _ = io.Copy(to, from)
			_ = to.CloseWrite()
		})
	}
	copying.Wait()
}

func (p *proxy) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.SetLinger(0)
		_ = c.Close()
	}
	p.conns = nil
}
