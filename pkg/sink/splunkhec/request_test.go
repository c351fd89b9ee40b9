package splunkhec_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/splunkhec"
	"github.com/sluice-siem/sluice/pkg/sink/splunkhec/hectest"
)

func TestRequests(t *testing.T) {
	long := fmt.Sprintf(`{"pad":%q}`, strings.Repeat("x", 3000))
	tests := []struct {
		name    string
		records int
		body    string
		change  func(*rig)
		want    int // requests
	}{
		{"as many events as a request may hold", 1000, `{}`, nil, 2},
		{"one more", 1001, `{}`, nil, 3},
		{"as many bytes as a request may hold", 1000, long, nil, 4},
		{"as many events as the settings say", 1000, `{}`, func(r *rig) { r.settings.MaxRequestEvents = 100 }, 10},
		{"as many bytes as the settings say", 1000, long, func(r *rig) { r.settings.MaxRequestBytes = 100_000 }, 33},
		{"not compressed", 1000, `{}`, func(r *rig) { r.settings.Compression = "none" }, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			largest := 0
			bubble(t, hectest.Config{Script: func(q hectest.Request) hectest.Fault {
				largest = max(largest, len(q.Body))
				return hectest.Fault{}
			}}, func(t *testing.T, r *rig) {
				if test.change != nil {
					test.change(r)
				}
				records := make([]sink.Record, test.records)
				for i := range records {
					records[i] = record(i, test.body)
				}
				if err := r.publish(t, records); err != nil {
					t.Fatal(err)
				}
				wantIndexed(t, r, records)
				if got := len(r.posts()); got != test.want {
					t.Errorf("%d requests, want %d", got, test.want)
				}
				if most := int(r.settings.MaxRequestBytes); largest > most {
					t.Errorf("a request has %d bytes, want at most %d", largest, most)
				}
				for _, q := range r.posts() {
					wantHeaders(t, r, q)
				}
			})
		})
	}
}

var guid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func wantHeaders(t *testing.T, r *rig, q hectest.Request) {
	t.Helper()
	for name, want := range map[string]string{
		"Authorization":    "Splunk " + token,
		"User-Agent":       "sluice",
		"Content-Type":     "application/json",
		"Content-Encoding": map[string]string{"gzip": "gzip"}[r.settings.Compression],
	} {
		if got := q.Header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if n, err := strconv.Atoi(q.Header.Get("Content-Length")); err != nil || n == 0 {
		t.Errorf("Content-Length %q", q.Header.Get("Content-Length"))
	}
	if !guid.MatchString(q.Channel) {
		t.Errorf("channel %q", q.Channel)
	}
}

// A record that is larger than a request, which can happen because of escaping, is
// sent alone.
func TestRecordLargerThanARequest(t *testing.T) {
	bubble(t, hectest.Config{}, func(t *testing.T, r *rig) {
		r.settings.MaxRequestBytes = 64 << 10
		records := batch(3)
		records[1].MediaType, records[1].Body = "text/plain", []byte(strings.Repeat(`"`, 60_000))
		if err := r.publish(t, records); err != nil {
			t.Fatal(err)
		}
		wantIndexed(t, r, records)
		var events []int
		for _, q := range r.posts() {
			events = append(events, q.Events)
		}
		if got, want := fmt.Sprint(events), "[1 1 1]"; got != want {
			t.Errorf("events in requests: %s, want %s", got, want)
		}
	})
}

// Requests run concurrently, within a limit.
func TestConcurrency(t *testing.T) {
	bubble(t, hectest.Config{Script: func(hectest.Request) hectest.Fault { return hectest.Fault{Delay: time.Second} }},
		func(t *testing.T, r *rig) {
			began := time.Now()
			if err := r.publish(t, batch(500*17)); err != nil {
				t.Fatal(err)
			}
			// One alone, then two times eight.
			if got, want := time.Since(began), 3*time.Second; got != want {
				t.Errorf("17 requests of a second took %s, want %s", got, want)
			}
		})
}

// Connections are kept, unless a load balancer should choose another indexer.
func TestConnections(t *testing.T) {
	for _, test := range []struct {
		name   string
		status int
		want   int64
	}{
		{"all is well", 200, 1},
		{"a bad event", 400, 1},
		{"too many requests", 429, 2},
		{"a bad gateway", 502, 2},
		{"a busy server", 503, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			var opened atomic.Int64
			hec := hectest.NewServer(hectest.Config{Token: token, Script: only(
				hectest.Fault{Answer: &hectest.Answer{Status: test.status, Code: map[bool]int{true: 6}[test.status == 400]}}, 1)})
			server := httptest.NewUnstartedServer(hec)
			server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateNew {
					opened.Add(1)
				}
			}
			server.Start()
			defer server.Close()
			r := &rig{settings: defaults(server.URL), transport: (*setting.TLS)(nil).Transport(splunkhec.NewTransport())}
			snk := r.open(t)
			for range 10 {
				_ = snk.Publish(t.Context(), batch(1)) // in some cases the first one fails
			}
			if got := opened.Load(); got != test.want {
				t.Errorf("%d connections for ten requests, want %d", got, test.want)
			}
		})
	}
}

// After a request failed for a reason that is not its own, no further ones are sent.
func TestNothingMoreIsSentIntoTrouble(t *testing.T) {
	revoked := hectest.Fault{Answer: &hectest.Answer{Status: 403, Code: 4}}
	bubble(t, hectest.Config{Script: func(q hectest.Request) hectest.Fault { return revoked }}, func(t *testing.T, r *rig) {
		if err := r.publish(t, batch(24_000)); kindOf(err) != "destination" {
			t.Errorf("got %v", err)
		}
		if got := len(r.posts()); got != 1 {
			t.Errorf("%d requests, want 1", got)
		}
	})
}

// The token is read again for each request.
func TestTokenIsRotated(t *testing.T) {
	bubble(t, hectest.Config{}, func(t *testing.T, r *rig) {
		path := filepath.Join(t.TempDir(), "token")
		write := func(text string) {
			if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write(token)
		r.settings.Token = setting.SecretFile(path)
		snk := r.open(t)
		if err := snk.Publish(t.Context(), batch(1)); err != nil {
			t.Fatal(err)
		}
		r.SetToken("another")
		if err := snk.Publish(t.Context(), batch(1)); kindOf(err) != "destination" {
			t.Errorf("with the token of before: %v", err)
		}
		write("another")
		if err := snk.Publish(t.Context(), batch(1)); err != nil {
			t.Error(err)
		}
		write("an other")
		if err := snk.Publish(t.Context(), batch(1)); kindOf(err) != "destination" || !strings.Contains(err.Error(), path+": has a blank in it") {
			t.Errorf("with a blank in the token: %v", err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := snk.Publish(t.Context(), batch(1)); kindOf(err) != "destination" || !strings.Contains(failure.Hint(err), "can read the token") {
			t.Errorf("without the file: %v", err)
		}
	})
}

// A token that was rotated and is refused does not stop a sink whose former one works: each
// record arrives once, and the settings say what is wrong until it is mended.
func TestARefusedRotationKeepsTheFormerToken(t *testing.T) {
	bubble(t, hectest.Config{}, func(t *testing.T, r *rig) {
		path := filepath.Join(t.TempDir(), "token")
		write := func(text string) {
			if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write(token)
		r.settings.Token = setting.SecretFile(path)
		snk := r.open(t)
		publish := func(when string) {
			t.Helper()
			if err := snk.Publish(t.Context(), batch(100)); err != nil {
				t.Errorf("%s: %v", when, err)
			}
		}
		publish("before")
		write("a-wrong-token")
		for range 10 {
			publish("with a wrong token")
		}
		if trouble := r.settings.Rotation().Trouble(); trouble == nil || !strings.Contains(trouble.Why, "Invalid token") {
			t.Errorf("got %+v", trouble)
		}
		if got := len(r.Events()); got != 1100 {
			t.Errorf("%d events arrived, want 1100", got)
		}
		refused := 0
		for _, q := range r.Requests() {
			if strings.Contains(q.Header.Get("Authorization"), "a-wrong-token") {
				refused++
			}
		}
		if refused != 1 {
			t.Errorf("the wrong token was sent %d times within a minute, want once", refused)
		}
		r.SetToken("a-right-token")
		write("a-right-token")
		publish("with the right token")
		if trouble := r.settings.Rotation().Trouble(); trouble != nil {
			t.Errorf("mended: %+v", trouble)
		}
	})
}

// The token goes only to the configured host.
func TestRedirectsAreNotFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		other := overSockets(t, hectest.Config{})
		r := overSockets(t, hectest.Config{})
		r.SetScript(func(hectest.Request) hectest.Fault {
			return hectest.Fault{Answer: &hectest.Answer{Status: status, Location: other.settings.URL + hectest.PathEvent}}
		})
		if err := r.publish(t, batch(1)); kindOf(err) != "destination" || !strings.Contains(failure.Hint(err), "redirects") {
			t.Errorf("%d: got %v", status, err)
		}
		if got := len(other.Requests()); got != 0 {
			t.Errorf("%d: %d requests reached the other host", status, got)
		}
	}
}
