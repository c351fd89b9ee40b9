//go:build integration

package splunkhec_test

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/sluice-siem/sluice/pkg/internal/freeport"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/splunkhec"
	"github.com/sluice-siem/sluice/pkg/sink/splunkhec/hectest"
)

// haproxy's cookie contains the time and is renewed about every four seconds. Behind
// it each event is indexed once and confirmed. A renewed cookie leads to the same
// indexer, the only one that knows the channel. When that indexer dies, the other one
// takes over, and no confirmed event is sent again.
func TestBehindHaproxy(t *testing.T) {
	f := newFarm(t)
	snk := f.open(t)
	const batches, each = 12, 100
	published := 0
	publish := func() {
		records := batch((published + 1) * each)[published*each:]
		published++
		if refused, err := settle(t.Context(), snk, records); err != nil || len(refused) > 0 {
			t.Fatalf("batch %d: refused %v, %v", published, refused, err)
		}
	}
	for range batches {
		publish() // The acknowledgement takes a second.
	}
	f.judge(t, batches*each, 0)
	used := f.used()
	if values := used.cookies(); len(values) < 3 || len(f.other(used).posts()) > 0 {
		t.Fatalf("cookies %q, and %d requests to the other indexer: want at least two renewals that lead to one indexer", values, len(f.other(used).posts()))
	}
	publishing := make(chan struct{})
	go func() {
		defer close(publishing)
		publish()
	}()
	f.await(t, "the indexer to have a batch that is not acknowledged", func() bool { return len(used.posts()) > batches })
	used.end()
	<-publishing
	publish()
	f.judge(t, (batches+2)*each, each)
	if n := len(f.other(used).posts()); n < 2 {
		t.Errorf("the other indexer took %d requests, want two at least", n)
	}
	t.Logf("%d events, the cookies %q", (batches+2)*each, used.cookies())
}

// farm is two indexers behind a haproxy.
type farm struct {
	indexers [2]*indexer
	url      string

	mu        sync.Mutex
	times     map[string]int
	confirmed map[string]bool
	needless  int // confirmed events that were indexed again
}

type indexer struct {
	*rig
	server *httptest.Server
	ended  bool
}

func newFarm(t *testing.T) *farm {
	t.Helper()
	f := &farm{times: map[string]int{}, confirmed: map[string]bool{}}
	for i := range f.indexers {
		hec := hectest.NewServer(hectest.Config{
			Token: token, Ack: true, AckDelay: time.Second, Strict: true, Indexed: f.index, Confirmed: f.confirm,
		})
		server := httptest.NewServer(hec)
		t.Cleanup(server.CloseClientConnections)
		f.indexers[i] = &indexer{rig: &rig{Server: hec}, server: server}
	}
	f.balance(t)
	return f
}

// configuration is haproxy's: "cookie" of its manual, section 4.2, says that a
// cookie with maxidle is refreshed.
const configuration = `
defaults
	mode http
	timeout connect 2s
	timeout client 30s
	timeout server 30s
	option redispatch
frontend hec
	bind %s
	default_backend indexers
backend indexers
	balance roundrobin
	cookie SERVERID insert nocache maxidle 8s maxlife 1h
	default-server check inter 200ms fall 2
	server a %s cookie a
	server b %s cookie b
`

// balance runs haproxy.
func (f *farm) balance(t *testing.T) {
	t.Helper()
	port, err := freeport.Loopback()
	if err != nil {
		t.Fatal(err)
	}
	address, file := fmt.Sprintf("127.0.0.1:%d", port), filepath.Join(t.TempDir(), "haproxy.cfg")
	f.url = "http://" + address
	text := fmt.Sprintf(configuration, address, f.indexers[0].server.Listener.Addr(), f.indexers[1].server.Listener.Addr())
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	binary, err := exec.LookPath("haproxy")
	if err != nil {
		binary = "/usr/sbin/haproxy" // That is in the PATH of root alone.
	}
	var said bytes.Buffer
	cmd := exec.Command(binary, "-db", "-f", file)
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatalf("install the Debian package haproxy: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // its output is checked below
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("haproxy: %s", said.String())
		}
	})
	f.await(t, "haproxy to listen", func() bool {
		conn, err := net.Dial("tcp", address)
		return err == nil && conn.Close() == nil
	})
}

// open opens a sink that connects to haproxy, with the product's transport.
func (f *farm) open(t *testing.T) sink.Sink {
	t.Helper()
	r := &rig{settings: defaults(f.url), transport: (*setting.TLS)(nil).Transport(splunkhec.NewTransport())}
	r.settings.Ack = "required"
	return r.open(t)
}

func (f *farm) await(t *testing.T, what string, there func() bool) {
	t.Helper()
	look := func() error {
		if !there() {
			return fmt.Errorf("waited too long for %s", what)
		}
		return nil
	}
	if err := backoff.Retry(look, backoff.WithMaxRetries(backoff.NewConstantBackOff(20*time.Millisecond), 1000)); err != nil {
		t.Fatal(err)
	}
}

func id(e hectest.Event) string { return e.Fields["sluice_event_id"].(string) }

func (f *farm) index(e hectest.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.times[id(e)]++
	if f.confirmed[id(e)] {
		f.needless++
	}
}

func (f *farm) confirm(e hectest.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.confirmed[id(e)] = true
}

// judge checks the number of events, that all are confirmed, that at most some were
// indexed again, and that none was indexed again after it was confirmed.
func (f *farm) judge(t *testing.T, events, again int) {
	t.Helper()
	for _, x := range f.indexers {
		if !x.ended {
			x.Events() // indexes the events in memory
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	repeated := 0
	for _, n := range f.times {
		repeated += n - 1
	}
	if len(f.times) != events || len(f.confirmed) != events || repeated > again || f.needless > 0 {
		t.Errorf("%d events indexed, %d confirmed, %d indexed again, %d of these confirmed before; want %d, %d, at most %d, and 0",
			len(f.times), len(f.confirmed), repeated, f.needless, events, events, again)
	}
}

// used returns the indexer that got the events.
func (f *farm) used() *indexer {
	if len(f.indexers[0].posts()) >= len(f.indexers[1].posts()) {
		return f.indexers[0]
	}
	return f.indexers[1]
}

func (f *farm) other(than *indexer) *indexer {
	if f.indexers[0] == than {
		return f.indexers[1]
	}
	return f.indexers[0]
}

// cookies are the values of haproxy's cookie that came, in order.
func (x *indexer) cookies() (values []string) {
	for _, q := range x.Requests() {
		c, err := (&http.Request{Header: q.Header}).Cookie("SERVERID")
		if err == nil && (len(values) == 0 || values[len(values)-1] != c.Value) {
			values = append(values, c.Value)
		}
	}
	return values
}

// end stops an indexer as a power loss does, memory included.
func (x *indexer) end() {
	x.ended = true
	_ = x.server.Listener.Close() // It is closed once.
	x.server.CloseClientConnections()
}
