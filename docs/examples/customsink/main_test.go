package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/sinktest"
)

const token = "acme-token"

// TestMain lets this test be the program, too.
func TestMain(m *testing.M) {
	if os.Getenv("SLUICE_ACME") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// sluice runs the program with that standard input.
func sluice(t *testing.T, stdin string, args ...string) (output string, err error) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), program, args...)
	command.Env, command.Stdin = append(os.Environ(), "SLUICE_ACME=1"), strings.NewReader(stdin)
	out, err := command.CombinedOutput()
	return string(out), err
}

func TestCheckNamesMissingSettings(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sluice.yaml")
	const text = `sources:
- {name: acme, type: planetscale, settings: {organization: acme, access_token: t}}
sinks:
- name: hook
  type: webhook
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := sluice(t, "", "check", "-c", file)
	if err == nil {
		t.Error("want an error")
	}
	for _, want := range []string{
		":4:3: sinks[0].settings.token: missing; write token or token_file: Token for the address\n",
		":4:3: sinks[0].settings.url: missing; write url: Address that takes one record a request\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("got:\n%s\nwant %q in it", out, want)
		}
	}
}

// hook is the receiver of the webhook. It can be down or hang.
type hook struct {
	mu       sync.Mutex
	bodies   [][]byte
	down     bool
	hanging  chan struct{} // closed by repair; nil if it does not hang
	reached  chan struct{}
	requests []*http.Request
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "cut off", http.StatusBadRequest)
		return
	}
	if hanging := h.arrived(r); hanging != nil {
		select {
		case <-hanging:
		case <-r.Context().Done():
			return
		}
	}
	w.WriteHeader(h.accept(body))
}

func (h *hook) arrived(r *http.Request) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.requests = append(h.requests, r)
	if h.hanging != nil && h.reached != nil {
		close(h.reached)
		h.reached = nil
	}
	return h.hanging
}

func (h *hook) accept(body []byte) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.down:
		return http.StatusServiceUnavailable
	case bytes.HasPrefix(body, []byte("malformed")):
		return http.StatusUnprocessableEntity
	}
	h.bodies = append(h.bodies, body)
	return http.StatusAccepted
}

func (h *hook) received(testing.TB) [][]byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([][]byte(nil), h.bodies...)
}

func (h *hook) takeDown(testing.TB) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down = true
}

func (h *hook) hang(testing.TB) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hanging, h.reached = make(chan struct{}), make(chan struct{})
	return h.reached
}

func (h *hook) repair(testing.TB) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down = false
	if h.hanging != nil {
		close(h.hanging)
		h.hanging = nil
	}
}

func open(t testing.TB, url string) sink.Sink {
	t.Helper()
	settings := Type.Settings().(*Webhook)
	settings.URL, settings.Token = url, setting.NewSecret(token)
	snk, err := Type.Open(t.Context(), sink.Env{Lane: "acme/webhook"}, settings)
	if err != nil {
		t.Fatal(err)
	}
	return snk
}

func TestContract(t *testing.T) {
	sinktest.Run(t, func(t testing.TB) sinktest.Harness {
		h := &hook{}
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)
		t.Cleanup(func() { h.repair(t) })
		return sinktest.Harness{
			Open:     func(t testing.TB) sink.Sink { return open(t, server.URL) },
			Received: h.received,
			Refused:  func(testing.TB) sink.Record { return sink.Record{Body: []byte("malformed")} },
			Break:    h.takeDown,
			Hang:     h.hang,
			Repair:   h.repair,
		}
	})
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		status     int
		retryAfter string
		permanent  bool
		retry      time.Duration
	}{
		{http.StatusBadRequest, "", true, 0},
		{http.StatusRequestEntityTooLarge, "", true, 0},
		{http.StatusUnprocessableEntity, "", true, 0},
		{http.StatusMovedPermanently, "", false, 0},
		{http.StatusUnauthorized, "", false, 0},
		{http.StatusForbidden, "", false, 0},
		{http.StatusNotFound, "", false, 0},
		{http.StatusTooManyRequests, "7", false, 7 * time.Second},
		{http.StatusTooManyRequests, "soon", false, 0},
		{http.StatusInternalServerError, "", false, 0},
		{http.StatusServiceUnavailable, "120", false, 2 * time.Minute},
	} {
		t.Run(http.StatusText(c.status)+" "+c.retryAfter, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", c.retryAfter)
				w.WriteHeader(c.status)
			}))
			defer server.Close()
			err := open(t, server.URL).Publish(t.Context(), []sink.Record{{Body: []byte("{}")}})
			if err == nil || sink.IsPermanent(err) != c.permanent {
				t.Fatalf("got error %v, want permanent %t", err, c.permanent)
			}
			if got := failure.RetryAfter(err); got != c.retry {
				t.Errorf("got a wait of %v, want %v", got, c.retry)
			}
		})
	}
}

func TestTokenGoesNowhereElse(t *testing.T) {
	elsewhere := &hook{}
	other := httptest.NewServer(elsewhere)
	defer other.Close()
	var got string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("Authorization")
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	err := open(t, server.URL).Publish(t.Context(), []sink.Record{{Body: []byte("{}")}})
	if err == nil || strings.Contains(err.Error(), token) {
		t.Errorf("got error %v, want one without the token", err)
	}
	if want := "Bearer " + token; got != want {
		t.Errorf("got authorization %q, want %q", got, want)
	}
	if len(elsewhere.requests) > 0 {
		t.Error("the redirect was followed")
	}
}
