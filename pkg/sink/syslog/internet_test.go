package syslog_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/syslog"
)

// internet simulates names, hosts and ICMP errors in virtual time. The port is always
// 514.
type internet struct {
	mu      sync.Mutex
	answers []netip.Addr // to every lookup
	failing error        // of every lookup
	hanging bool         // a lookup waits for its end
	lookups int
	down    map[string]bool  // hosts that nobody listens on
	absent  map[string]bool  // hosts without a route
	chatty  bool             // hosts answer each datagram
	arrived map[string][]int // by host: after how many milliseconds
	open    int              // sockets
	began   time.Time
}

const away = 10 * time.Millisecond // from where a host answers by ICMP

var errNameServer = errors.New("the name server says SERVFAIL")

func newInternet(answers ...string) *internet {
	n := &internet{down: map[string]bool{}, absent: map[string]bool{}, arrived: map[string][]int{}, began: time.Now()}
	n.answer(answers...)
	return n
}

func (n *internet) answer(hosts ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.answers = nil
	for _, h := range hosts {
		n.answers = append(n.answers, netip.MustParseAddr(h))
	}
}

// sink returns a sink that sends through it.
func (n *internet) sink(t testing.TB, log zerolog.Logger, change ...func(*syslog.Settings)) sink.Sink {
	s := settings(t, "udp://siem.example.com:514")
	for _, c := range change {
		c(&s)
	}
	snk := logged(t, s, log)
	syslog.Through(snk, n.lookup, n.dial)
	return snk
}

func (n *internet) lookup(ctx context.Context, _, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	n.lookups++
	answers, err, hanging := n.answers, n.failing, n.hanging
	n.mu.Unlock()
	if hanging {
		<-ctx.Done()
		err = ctx.Err()
	}
	if err != nil {
		return nil, &net.DNSError{Err: err.Error(), Name: host, UnwrapErr: err}
	}
	return answers, nil
}

func (n *internet) dial(_ context.Context, _, address string) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	host, port, err := net.SplitHostPort(address)
	if err != nil || port != "514" {
		return nil, fmt.Errorf("dialed %s: %w", address, err)
	}
	if n.absent[host] {
		return nil, os.NewSyscallError("connect", syscall.ENETUNREACH)
	}
	n.open++
	c := &socket{to: host, net: n}
	c.Conn, c.far = net.Pipe()
	return c, nil
}

// count returns how many datagrams arrived at a host.
func (n *internet) count(host string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.arrived[host])
}

// set changes the state of the internet.
func (n *internet) set(change func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change()
}

// socket is a connected UDP socket. Its read side is a pipe: nothing can be read until
// the far end closes it with an ICMP error.
type socket struct {
	net.Conn
	far  net.Conn
	to   string
	net  *internet
	once sync.Once
	icmp error // guarded by net.mu
}

func (s *socket) Write(b []byte) (int, error) {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	if s.icmp != nil {
		return 0, s.icmp
	}
	if s.net.down[s.to] {
		time.AfterFunc(away, s.refuse)
		return len(b), nil
	}
	if s.net.chatty {
		time.AfterFunc(away, func() { _, _ = s.far.Write([]byte("ok")) }) // It may be closed by then.
	}
	s.net.arrived[s.to] = append(s.net.arrived[s.to], int(time.Since(s.net.began).Milliseconds()))
	return len(b), nil
}

func (s *socket) refuse() {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	s.icmp = os.NewSyscallError("write", syscall.ECONNREFUSED)
	_ = s.far.Close()
}

func (s *socket) Read(b []byte) (int, error) {
	k, err := s.Conn.Read(b)
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	if s.icmp != nil {
		return 0, s.icmp
	}
	return k, err
}

func (s *socket) Close() error {
	s.once.Do(func() { s.net.set(func() { s.net.open-- }) })
	return s.Conn.Close()
}
