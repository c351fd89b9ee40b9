package simulator_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// route is a way to ask a server.
type route struct {
	name string
	open func(t *testing.T, s *simulator.Server) *http.Client
}

var routes = []route{
	{"by a direct call", func(_ *testing.T, s *simulator.Server) *http.Client { return s.Client() }},
	{"over HTTP on a pipe", overPipe},
}

// overPipe serves real HTTP, without a socket. All ends with the test.
func overPipe(t *testing.T, s *simulator.Server) *http.Client {
	listener := simulator.NewPipeListener()
	server := &http.Server{Handler: s}
	served := make(chan error)
	go func() { served <- server.Serve(listener) }()
	client := &http.Transport{DialContext: listener.DialContext}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return &http.Client{Transport: client}
}

// onRoutes runs a test over each route, in a bubble whose time is virtual.
func onRoutes(t *testing.T, test func(*testing.T, *simulator.Server, *http.Client)) {
	for _, r := range routes {
		t.Run(r.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := simulator.New(simulator.Config{Events: 60})
				test(t, s, r.open(t, s))
			})
		})
	}
}

func newRequest(t *testing.T, ctx context.Context) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://api.test"+path+"?limit=50", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "id:token")
	return r
}

func TestAnswersAreTheSameOnEveryRoute(t *testing.T) {
	onRoutes(t, func(t *testing.T, s *simulator.Server, c *http.Client) {
		want := ask(t, s, path+"?limit=50")
		got := send(c, newRequest(t, t.Context()))
		if got.err != nil || got.status != 200 || string(got.body) != string(want.body) {
			t.Errorf("got status %d, error %v, %d bytes; want the page of %d bytes", got.status, got.err, len(got.body), len(want.body))
		}
		for _, key := range []string{"Date", "Content-Type", "Content-Length"} {
			if got, want := got.header.Get(key), want.header.Get(key); got != want || got == "" {
				t.Errorf("got %s %q, want %q", key, got, want)
			}
		}
		if got, want := s.Requests()[1].Host, "api.test"; got != want {
			t.Errorf("got host %q, want %q", got, want)
		}
	})
}

func TestCutBody(t *testing.T) {
	onRoutes(t, func(t *testing.T, s *simulator.Server, c *http.Client) {
		whole := len(send(c, newRequest(t, t.Context())).body)
		s.Script(func(simulator.Request) simulator.Fault { return simulator.Fault{Cut: true} })
		got := send(c, newRequest(t, t.Context()))
		if !errors.Is(got.err, io.ErrUnexpectedEOF) {
			t.Errorf("got error %v, want unexpected EOF", got.err)
		}
		if len(got.body) != whole/2 {
			t.Errorf("got %d bytes of %d, want half", len(got.body), whole)
		}
	})
}

func TestAbort(t *testing.T) {
	onRoutes(t, func(t *testing.T, s *simulator.Server, c *http.Client) {
		s.Script(func(simulator.Request) simulator.Fault { return simulator.Fault{Abort: true} })
		if got := send(c, newRequest(t, t.Context())); got.err == nil || !strings.HasSuffix(got.err.Error(), ": EOF") && !strings.HasSuffix(got.err.Error(), "connection reset") {
			t.Errorf("got status %d, error %v; want the end of the connection", got.status, got.err)
		}
	})
}

func TestWaitingEndsWithTheClient(t *testing.T) {
	for name, fault := range map[string]simulator.Fault{
		"before the answer":       {Delay: time.Hour},
		"in the middle of a body": {Stall: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			onRoutes(t, func(t *testing.T, s *simulator.Server, c *http.Client) {
				s.Script(func(simulator.Request) simulator.Fault { return fault })
				begun := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				got := send(c, newRequest(t, ctx))
				if !errors.Is(got.err, context.DeadlineExceeded) {
					t.Errorf("got error %v, want the deadline", got.err)
				}
				if took := time.Since(begun); took != 30*time.Second {
					t.Errorf("took %v, want 30s", took)
				}
			})
		})
	}
}

func TestDelays(t *testing.T) {
	onRoutes(t, func(t *testing.T, s *simulator.Server, c *http.Client) {
		s.Script(func(simulator.Request) simulator.Fault {
			return simulator.Fault{Delay: time.Second, Stall: 2 * time.Second}
		})
		begun := time.Now()
		got := send(c, newRequest(t, t.Context()))
		if got.err != nil || len(decode(t, got).Data) != 50 {
			t.Errorf("got error %v, %d bytes; want the whole page", got.err, len(got.body))
		}
		if took := time.Since(begun); took != 3*time.Second {
			t.Errorf("took %v, want 3s", took)
		}
	})
}

func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulator.New(simulator.Config{Events: 60, Latency: 20 * time.Millisecond})
		begun := time.Now()
		walk(t, s, 10)
		if got, want := time.Since(begun), 6*20*time.Millisecond; got != want {
			t.Errorf("six pages took %v, want %v", got, want)
		}
	})
}

func TestBodyAfterClose(t *testing.T) {
	s, _ := newServer(simulator.Config{Events: 5})
	response, err := s.Client().Do(newRequest(t, t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := response.Body.Read(make([]byte, 1)); n != 0 || !errors.Is(err, http.ErrBodyReadAfterClose) {
		t.Errorf("got %d bytes, error %v; want none and %v", n, err, http.ErrBodyReadAfterClose)
	}
}

func TestPipeListenerAfterClose(t *testing.T) {
	l := simulator.NewPipeListener()
	for range 2 {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept: got %v, want net.ErrClosed", err)
	}
	if _, err := l.DialContext(t.Context(), "tcp", "api.test:80"); !errors.Is(err, net.ErrClosed) {
		t.Errorf("DialContext: got %v, want net.ErrClosed", err)
	}
}
