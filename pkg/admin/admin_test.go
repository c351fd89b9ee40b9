package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/admin"
	"github.com/sluice-siem/sluice/pkg/evidence/audit"
	"github.com/sluice-siem/sluice/pkg/internal/golden"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/source"
)

// letters is a store of dead letters.
type letters struct {
	counts map[string]int
	err    error
}

func (l letters) Count(lane string) (int, error) { return l.counts[lane], l.err }
func (l letters) Size() (int64, error)           { return 4096, l.err }
func (l letters) MaxBytes() int64                { return 1 << 30 }

func deps(lanes ...pipeline.Status) admin.Deps {
	return admin.Deps{
		Configuration: func() admin.Configuration {
			return admin.Configuration{Loaded: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC), Refused: []string{"sluice.yaml:1:1: is empty"}}
		},
		Memory: func() source.MemoryUsage {
			return source.MemoryUsage{Size: 128 << 20, Held: 5 << 20, Waiting: 2}
		},
		Lanes: func() []pipeline.Status { return lanes },
		Sources: func() map[string]source.Usage {
			return map[string]source.Usage{
				"acme":  {Answers: map[string]uint64{"200": 7, "429": 1, "error": 2}, BudgetLeft: 9.5},
				"other": {BudgetLeft: math.Inf(1)},
			}
		},
		DeadLetters: letters{counts: map[string]int{"acme/siem": 3}},
		Console:     http.HandlerFunc(page),
		Version:     "1.2.3",
		Log:         zerolog.Nop(),
	}
}

// page stands for the console.
func page(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/" {
		http.NotFound(w, r)
		return
	}
	io.WriteString(w, "the console")
}

// busy is a lane with a different number in each field.
func busy(now time.Time) pipeline.Status {
	return pipeline.Status{
		Lane: "acme/siem", Source: "acme", Sink: "siem", Format: "ecs",
		Ready: true, CatchingUp: true,
		Reader: source.Progress{
			LastRead: now.Add(-2 * time.Second), Overlap: 10 * time.Minute,
			Gaps: 1, Changed: 2, LateEvents: 3, WalksFailed: 4,
		},
		Position: source.Description{
			Event: now.Add(-time.Hour), Floor: now.Add(-2 * time.Hour), Through: now.Add(-3 * time.Hour),
			Expires: now.Add(360 * time.Hour),
		},
		Lag:         90 * time.Second,
		Counters:    pipeline.Counters{Read: 1000, Unmapped: 14, Truncated: 15, Published: 990, Rejected: 5, Filtered: 16, Unprepared: 17, BeyondWindow: 18},
		Retries:     map[string]uint64{"unavailable": 6, "destination": 7},
		QueuedPages: [2]int{8, 9}, QueuedBytes: 10, LastPublished: now.Add(-time.Second),
		Evidence: &pipeline.Evidence{Records: 1234, Covered: 1200, Notes: 21, LastNote: now.Add(-time.Minute), Pending: 1},
		Audits: &pipeline.Audits{
			Last: audit.Result{At: now.Add(-time.Hour), From: now.Add(-300 * time.Hour), Through: now.Add(-time.Hour), Missing: 1, Lateness: 31 * time.Minute},
			Next: now.Add(23 * time.Hour), Advice: time.Hour, Done: 3, Missing: 4, Vanished: 3, Altered: 2, Unclear: 1,
		},
		Lateness: pipeline.Histogram{Count: 5, Sum: 1900, Buckets: map[float64]uint64{60: 4, 3600: 5}},
		Publish:  pipeline.Histogram{Count: 12, Sum: 3.5, Buckets: map[float64]uint64{0.1: 4, 1: 11}},
	}
}

// fresh is a lane that has done nothing yet.
func fresh() pipeline.Status {
	return pipeline.Status{Lane: "acme/new", Reason: "read: nothing was read yet"}
}

func gather(t *testing.T, d admin.Deps) []*dto.MetricFamily {
	t.Helper()
	families, err := admin.Registry(d).Gather()
	if err != nil {
		t.Fatal(err)
	}
	return families
}

func ask(method, path string) *http.Request {
	r := httptest.NewRequest(method, path, nil)
	r.Host = "localhost"
	return r
}

func get(d admin.Deps, path string) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	admin.Handler(d).ServeHTTP(answer, ask(http.MethodGet, path))
	return answer
}

func TestMetrics(t *testing.T) {
	t.Run("names, types, help and values match the golden file", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var got bytes.Buffer
			for _, family := range gather(t, deps(busy(time.Now()), fresh())) {
				if !strings.HasPrefix(family.GetName(), "sluice_") {
					continue
				}
				if _, err := expfmt.MetricFamilyToText(&got, family); err != nil {
					t.Fatal(err)
				}
			}
			golden.Check(t, "metrics.golden", strings.ReplaceAll(got.String(), runtime.Version(), "GO"))
		})
	})
	t.Run("each counter of a lane and its reader is one", func(t *testing.T) {
		s, number := pipeline.Status{Lane: "acme/siem"}, uint64(1000)
		var names []string
		for _, counters := range []reflect.Value{reflect.ValueOf(&s.Counters).Elem(), reflect.ValueOf(&s.Reader).Elem()} {
			for i := range counters.NumField() {
				if counters.Field(i).Kind() == reflect.Uint64 {
					names = append(names, counters.Type().Field(i).Name)
					counters.Field(i).SetUint(number + uint64(len(names)))
				}
			}
		}
		shown := get(deps(s), "/metrics").Body.String()
		for i, name := range names {
			if strings.Count(shown, fmt.Sprintf("_total{lane=\"acme/siem\"} %d\n", number+uint64(i)+1)) != 1 {
				t.Errorf("%s is not shown by one metric; add it to laneMetrics", name)
			}
		}
	})
	t.Run("follow Prometheus's conventions", func(t *testing.T) {
		problems, err := promlint.NewWithMetricFamilies(gather(t, deps(busy(time.Now())))).Lint()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	})
	t.Run("each help text gives advice", func(t *testing.T) {
		for _, family := range gather(t, deps(busy(time.Now()))) {
			name, help := family.GetName(), family.GetHelp()
			if strings.HasPrefix(name, "sluice_") && name != "sluice_dead_letter_limit_bytes" && !strings.Contains(help, "If ") {
				t.Errorf("help of %s: got %q, want advice", name, help)
			}
		}
	})
	t.Run("hostile names stay labels", func(t *testing.T) {
		s := busy(time.Now())
		s.Lane = "a\"} 1\nforged_total{x=\"\xff\\"
		s.Retries = map[string]uint64{"\xffclass\n": 1}
		answer := get(deps(s), "/metrics")
		if answer.Code != http.StatusOK {
			t.Fatalf("got status %d: %s", answer.Code, answer.Body)
		}
		if want := `sluice_events_read_total{lane="a\"} 1\nforged_total{x=\"` + "\uFFFD" + `\\"} 1000`; !strings.Contains(answer.Body.String(), want) {
			t.Errorf("got no line %s", want)
		}
		if strings.Contains(answer.Body.String(), "\nforged_total") {
			t.Error("a lane's name forged a metric")
		}
	})
	t.Run("a metric that fails hides no other and is logged", func(t *testing.T) {
		var log bytes.Buffer
		d := deps(busy(time.Now()))
		d.DeadLetters = letters{err: errors.New("the disk is gone")}
		d.Log = zerolog.New(&log)
		answer := get(d, "/metrics")
		body := answer.Body.String()
		if answer.Code != http.StatusOK || !strings.Contains(body, "sluice_lane_ready") || !strings.Contains(body, "go_goroutines") {
			t.Errorf("got status %d without the other metrics: %s", answer.Code, body)
		}
		if strings.Contains(body, "sluice_dead_letters{") || strings.Contains(body, "sluice_dead_letter_bytes ") {
			t.Error("got a number for a metric that failed")
		}
		if !strings.Contains(log.String(), "the disk is gone") {
			t.Errorf("got log %q, want the reason", log.String())
		}
	})
}

func TestReady(t *testing.T) {
	unready := fresh()
	for name, c := range map[string]struct {
		lanes  []pipeline.Status
		status int
	}{
		"all lanes ready":          {[]pipeline.Status{{Lane: "a/b", Ready: true}, {Lane: "a/c", Ready: true}}, http.StatusOK},
		"catching up is ready":     {[]pipeline.Status{{Lane: "a/b", Ready: true, CatchingUp: true}}, http.StatusOK},
		"the first lane not ready": {[]pipeline.Status{unready, {Lane: "a/b", Ready: true}}, http.StatusServiceUnavailable},
		"the last lane not ready":  {[]pipeline.Status{{Lane: "a/b", Ready: true}, unready}, http.StatusServiceUnavailable},
		"a paused lane":            {[]pipeline.Status{{Lane: "a/b", Paused: &pipeline.Pause{By: "root"}}, {Lane: "a/c", Ready: true}}, http.StatusOK},
		"a paused lane in trouble": {[]pipeline.Status{{Lane: "a/b", Paused: &pipeline.Pause{}, Troubles: []pipeline.Trouble{{}}}}, http.StatusServiceUnavailable},
		"no lane":                  {nil, http.StatusServiceUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			answer := get(deps(c.lanes...), "/readyz")
			if answer.Code != c.status {
				t.Errorf("got status %d, want %d", answer.Code, c.status)
			}
			var body admin.Readiness
			if err := json.Unmarshal(answer.Body.Bytes(), &body); err != nil {
				t.Fatal(err)
			}
			if got, want := body.Ready, c.status == http.StatusOK; got != want {
				t.Errorf("ready: got %v, want %v", got, want)
			}
			if got, want := len(body.Lanes), len(c.lanes); got != want {
				t.Errorf("got %d lanes, want %d", got, want)
			}
			if got := get(deps(c.lanes...), "/healthz"); got.Code != http.StatusOK || got.Body.String() != "ok\n" {
				t.Errorf("healthz: got %d %q, want 200 ok", got.Code, got.Body)
			}
		})
	}
	t.Run("reports the whole state of each lane", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			odd := fresh()
			odd.Position.Event = time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("", -2*3600))
			answer := get(deps(busy(time.Now()), odd), "/readyz")
			if got, want := answer.Header().Get("Content-Type"), "application/json"; got != want {
				t.Errorf("got content type %q, want %q", got, want)
			}
			golden.Check(t, "readyz.golden", answer.Body.String())
		})
	})
}

func TestRequests(t *testing.T) {
	for _, path := range []string{"/", "/metrics", "/healthz", "/readyz"} {
		t.Run(path+" answers only GET and HEAD, and forbids caching and sniffing", func(t *testing.T) {
			handler := admin.Handler(deps(pipeline.Status{Lane: "a/b", Ready: true}))
			for method, want := range map[string]int{
				http.MethodGet: 200, http.MethodHead: 200,
				http.MethodPost: 405, http.MethodPut: 405, http.MethodDelete: 405, http.MethodOptions: 405,
			} {
				answer := httptest.NewRecorder()
				handler.ServeHTTP(answer, ask(method, path))
				if answer.Code != want {
					t.Errorf("%s: got status %d, want %d", method, answer.Code, want)
				}
				if got := answer.Header().Get("X-Content-Type-Options"); got != "nosniff" {
					t.Errorf("%s: got X-Content-Type-Options %q", method, got)
				}
				if got := answer.Header().Get("Cache-Control"); got != "no-store" {
					t.Errorf("%s: got Cache-Control %q", method, got)
				}
			}
		})
	}
	t.Run("other paths are not found", func(t *testing.T) {
		for _, path := range []string{"/x", "/metrics/", "/debug/pprof/"} {
			if got := get(deps(), path).Code; got != http.StatusNotFound {
				t.Errorf("%s: got status %d, want 404", path, got)
			}
		}
	})
}

// The address that the server listens on proves nothing about the client: in a
// container the server listens on all interfaces, and the port may be published on
// loopback only.
func TestHost(t *testing.T) {
	for _, c := range []struct {
		host string
		want int
	}{
		{"localhost:9876", 200},
		{"LOCALHOST", 200},
		{"127.0.0.1:9876", 200},
		{"[::1]:9876", 200},
		{"[::1]", 200},
		{"10.0.0.7:9876", 200}, // a probe of Kubernetes
		{"sluice:9876", 200},   // Prometheus in the same network of containers
		{"Sluice", 200},
		{"evil.example:9876", 403},
		{"evil.example", 403},
		{"localhost.evil.example", 403},
		{"LOCALHOST.", 200}, // a complete name (RFC 1034, section 3.1)
		{"localhost.:9876", 200},
		{"sluice.", 200},
		{"localhost..", 403},
		{".", 403},
		{"127.0.0.1.", 403},
		{"localhost:evil.com", 403},
		{"127.0.0.1:evil.com", 403},
		{"[::1]:evil.com", 403},
		{"[::1]evil.com", 403},
		{"[::1%25evil.com]", 403},
		{"[::1%evil.com]:9876", 403},
		{"::1%evil.com", 403},
		{"[::1", 403},
		{"::1]", 403},
		{"[localhost]", 403},
		{"[localhost", 403},
		{"localhost]", 403},
		{"local%68ost", 403},
		{"localhost/evil.com", 403},
		{"localhost?evil.com", 403},
		{"localhost#evil.com", 403},
		{"127.0.0.1.evil.example:9876", 403},
		{"sluice.evil.example", 403},
		{"evil.sluice", 403},
		{"evil.example@sluice", 403},
		{"", 403},
	} {
		for _, local := range []string{"127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.7", "172.17.0.2"} {
			request := httptest.NewRequest(http.MethodGet, "/readyz", nil)
			request.Host = c.host
			request = request.WithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, net.Addr(&net.TCPAddr{IP: net.ParseIP(local), Port: 9876})))
			answer := httptest.NewRecorder()
			d := deps(pipeline.Status{Ready: true})
			d.Hosts = []string{"sluice", ""}
			admin.Handler(d).ServeHTTP(answer, request)
			if answer.Code != c.want {
				t.Errorf("host %q at %v: got status %d, want %d", c.host, local, answer.Code, c.want)
			}
			if refused := answer.Code == http.StatusForbidden; refused != strings.Contains(answer.Body.String(), "admin.hosts") {
				t.Errorf("host %q: got %q, want what to do", c.host, answer.Body)
			}
		}
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestServe(t *testing.T) {
	t.Run("answers until its context ends, and finishes an answer it has begun", func(t *testing.T) {
		listener := listen(t)
		asked, finish := make(chan struct{}), make(chan struct{})
		d := deps()
		d.Lanes = func() []pipeline.Status {
			close(asked)
			<-finish
			return []pipeline.Status{{Lane: "a/b", Ready: true}}
		}
		ctx, stop := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- admin.Serve(ctx, listener, d) }()
		type reply struct {
			body string
			err  error
		}
		replied := make(chan reply, 1)
		go func() {
			answer, err := http.Get("http://" + listener.Addr().String() + "/readyz")
			if err != nil {
				replied <- reply{"", err}
				return
			}
			body, err := io.ReadAll(answer.Body)
			replied <- reply{string(body), errors.Join(err, answer.Body.Close())}
		}()
		<-asked
		stop()
		for { // until nobody listens any more
			conn, err := net.Dial("tcp", listener.Addr().String())
			if err != nil {
				break
			}
			if err := conn.Close(); err != nil {
				t.Fatal(err)
			}
		}
		close(finish)
		if got := <-replied; got.err != nil || !strings.Contains(got.body, `"ready": true`) {
			t.Errorf("got %q, %v, want the answer", got.body, got.err)
		}
		if err := <-served; err != nil {
			t.Errorf("got error %v, want nil", err)
		}
	})
	t.Run("does not wait for an answer that hangs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			client, server := net.Pipe()
			asked, finish := make(chan struct{}), make(chan struct{})
			d := deps()
			d.Lanes = func() []pipeline.Status {
				close(asked)
				<-finish
				return nil
			}
			ctx, stop := context.WithCancel(t.Context())
			served := make(chan error, 1)
			go func() { served <- admin.Serve(ctx, newPipeListener(server), d) }()
			if _, err := io.WriteString(client, "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			<-asked
			begin := time.Now()
			stop()
			if err := <-served; err != nil {
				t.Errorf("got error %v, want nil", err)
			}
			if got, want := time.Since(begin), 4*time.Second; got > want {
				t.Errorf("stopped after %v, want at most %v", got, want)
			}
			close(finish)
		})
	})
	t.Run("ends a stream of the console at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			client, server := net.Pipe()
			streams := make(chan struct{})
			d := deps()
			d.Console = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				close(streams)
				<-r.Context().Done()
			})
			ctx, stop := context.WithCancel(t.Context())
			served := make(chan error, 1)
			go func() { served <- admin.Serve(ctx, newPipeListener(server), d) }()
			go func() { _, _ = io.Copy(io.Discard, client) }()
			if _, err := io.WriteString(client, "GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			<-streams
			begin := time.Now()
			stop()
			if err := <-served; err != nil {
				t.Errorf("got error %v, want nil", err)
			}
			// Shutdown looks every few milliseconds.
			if got, want := time.Since(begin), time.Second; got > want {
				t.Errorf("stopped after %v, want less than %v", got, want)
			}
		})
	})
	t.Run("cuts off a client that does not finish its request", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			client, server := net.Pipe()
			ctx, stop := context.WithCancel(t.Context())
			served := make(chan error, 1)
			go func() { served <- admin.Serve(ctx, newPipeListener(server), deps()) }()
			if _, err := io.WriteString(client, "GET / HTTP/1.1\r\nX-Slow: "); err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			if _, err := io.ReadAll(client); err != nil {
				t.Fatal(err)
			}
			if got, want := time.Since(begin), 10*time.Second; got > want {
				t.Errorf("cut off after %v, want at most %v", got, want)
			}
			stop()
			if err := <-served; err != nil {
				t.Errorf("got error %v, want nil", err)
			}
		})
	})
	t.Run("answers at most 64 connections at once, and closes none that it answers", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			finish := make(chan struct{})
			d := deps()
			d.Console = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				<-finish
				_, _ = io.WriteString(w, "done")
			})
			s := serve(t, d)
			replies := make(chan error, 64)
			for range 64 {
				client := s.dial()
				go func() { replies <- s.ask(client, "/") }()
			}
			synctest.Wait()
			waited := make(chan error, 1)
			go func() { waited <- s.ask(s.dial(), "/healthz") }()
			time.Sleep(10 * time.Second) // of synctest's clock
			select {
			case err := <-waited:
				t.Errorf("a 65th connection got an answer, or error %v; want it to wait", err)
			default:
			}
			close(finish)
			for range 64 {
				if err := <-replies; err != nil {
					t.Errorf("a connection that was being answered: got error %v", err)
				}
			}
			if err := <-waited; err != nil {
				t.Errorf("the connection that waited: got error %v, want an answer", err)
			}
			s.end()
		})
	})
	t.Run("lets nobody who sends no request keep others out", func(t *testing.T) {
		const request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
		for name, sent := range map[string]string{"idle": request, "silent": "", "slow": request[:9]} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := serve(t, deps())
					const strangers = 200
					over := make(chan struct{})
					var gone sync.WaitGroup
					for range strangers {
						gone.Go(func() {
							for { // Whoever is cut off comes again.
								select {
								case <-over:
									return
								default:
								}
								client := s.dial()
								go func() { _, _ = io.WriteString(client, sent) }()
								_, _ = io.Copy(io.Discard, client)
							}
						})
					}
					time.Sleep(200 * time.Millisecond)
					for range 2 {
						begin := time.Now()
						if err := s.ask(s.dial(), "/healthz"); err != nil {
							t.Errorf("got error %v, want an answer", err)
						}
						if got, want := time.Since(begin), 500*time.Millisecond; got > want {
							t.Errorf("answered after %v, want at most %v", got, want)
						}
					}
					close(over)
					s.end()
					gone.Wait()
				})
			})
		}
	})
	t.Run("stops while all places are taken", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := deps()
			d.Console = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
			s := serve(t, d)
			for range 65 {
				client := s.dial()
				go func() { _ = s.ask(client, "/") }()
			}
			synctest.Wait()
			s.end()
		})
	})
	t.Run("returns the error of a listener that failed", func(t *testing.T) {
		listener := listen(t)
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
		if err := admin.Serve(t.Context(), listener, deps()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("got error %v, want net.ErrClosed", err)
		}
	})
}

// server is an admin server whose clients are in memory, which do not freeze synctest's
// clock.
type server struct {
	t        *testing.T
	listener *pipeListener
	stop     context.CancelFunc
	served   chan error
}

func serve(t *testing.T, d admin.Deps) *server {
	ctx, stop := context.WithCancel(t.Context())
	s := &server{t, newPipeListener(nil), stop, make(chan error, 1)}
	s.listener.conns = make(chan net.Conn)
	go func() { s.served <- admin.Serve(ctx, s.listener, d) }()
	return s
}

// dial returns a connection once the server has accepted it. After the end it is closed.
func (s *server) dial() net.Conn {
	client, server := net.Pipe()
	select {
	case s.listener.conns <- server:
	case <-s.listener.closed:
		client.Close()
	}
	return client
}

// ask returns nil if path is answered with status 200.
func (s *server) ask(client net.Conn, path string) error {
	if _, err := io.WriteString(client, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); err != nil {
		return err
	}
	answer, err := io.ReadAll(client)
	if err == nil && !strings.HasPrefix(string(answer), "HTTP/1.1 200 ") {
		err = fmt.Errorf("got the answer %q", answer)
	}
	return err
}

func (s *server) end() {
	s.stop()
	if err := <-s.served; err != nil {
		s.t.Errorf("got error %v, want nil", err)
	}
}

// pipeListener accepts in-memory connections, which do not freeze synctest's clock.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipeListener(conn net.Conn) *pipeListener {
	l := &pipeListener{conns: make(chan net.Conn, 1), closed: make(chan struct{})}
	if conn != nil {
		l.conns <- conn
	}
	return l
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	close(l.closed)
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
