package planetscale_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// server is an API with one answer.
type server func(r *http.Request) *http.Response

func (s server) RoundTrip(r *http.Request) (*http.Response, error) {
	if a := s(r); a != nil {
		return a, nil
	}
	return nil, errors.New("connection refused")
}

func answer(status int, body string, header ...string) *http.Response {
	h := http.Header{"Date": {time.Now().UTC().Format(http.TimeFormat)}}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{
		StatusCode: status, Status: fmt.Sprint(status, " ", http.StatusText(status)),
		Header: h, Body: io.NopCloser(strings.NewReader(body)),
	}
}

const empty = `{"type":"list","has_next":false,"has_prev":false,"cursor_start":null,"cursor_end":null,"data":[]}`

func ask(t *testing.T, s planetscale.Settings, api server) (*planetscale.Source, error) {
	t.Helper()
	src, err := planetscale.New(s, planetscale.Options{Log: zerolog.Nop(), Transport: api})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := src.Close(); err != nil {
			t.Error(err)
		}
	})
	_, err = src.Check(t.Context())
	return src, err
}

func TestAnswersAreClassified(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer *http.Response
		class  source.Class
		least  time.Duration
		hint   string
	}{
		{"401", answer(401, `{"error":"invalid_token","error_description":"expired"}`), source.Refused, 30 * time.Second, "expired"},
		{"403", answer(403, `{"code":"forbidden","message":"Forbidden"}`), source.Refused, 30 * time.Second, "read_audit_logs"},
		{"404", answer(404, `{"code":"not_found","message":"Not Found"}`), source.Refused, 30 * time.Second, "read_audit_logs"},
		{"429 with seconds", answer(429, "", "Retry-After", "17"), source.Throttled, 17 * time.Second, ""},
		{"429 with a date", answer(429, "", "Retry-After", time.Date(2000, 1, 1, 0, 0, 40, 0, time.UTC).Format(http.TimeFormat), "Date", time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Format(http.TimeFormat)), source.Throttled, 39 * time.Second, ""},
		{"429 without", answer(429, ""), source.Throttled, time.Second, ""},
		{"500", answer(500, ""), source.Unavailable, 0, ""},
		{"503 with HTML", answer(503, "<html><script>"), source.Unavailable, 0, ""},
		{"503 with Retry-After", answer(503, "", "Retry-After", "9"), source.Unavailable, 9 * time.Second, ""},
		{"a redirect", answer(302, "", "Location", "https://elsewhere/"), source.Unavailable, 0, "url"},
		{"no connection", nil, source.Unavailable, 0, ""},
		{"200 {}", answer(200, `{}`), source.Malformed, 0, ""},
		{"200 with HTML", answer(200, `<html>`), source.Malformed, 0, ""},
		{"has_next without events", answer(200, strings.Replace(empty, `"has_next":false`, `"has_next":true`, 1)), source.Malformed, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, err := ask(t, defaults, func(*http.Request) *http.Response { return c.answer })
				var got *source.Error
				if !errors.As(err, &got) {
					t.Fatalf("got %v, want a source.Error", err)
				}
				if got.Class != c.class || failure.RetryAfter(err) < c.least || !strings.Contains(got.Hint, c.hint) {
					t.Errorf("got %s, retry after %s, hint %q", got.Class, failure.RetryAfter(err), got.Hint)
				}
				if strings.Contains(err.Error(), "<html") {
					t.Errorf("markup in %q", err)
				}
			})
		})
	}
}

func TestTokenGoesToTheHostAloneAndIsReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	write := func(token string) {
		if err := os.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := defaults
	s.AccessToken = setting.Secret{}
	s.ServiceTokenID, s.ServiceToken = "id", setting.SecretFile(path)
	var seen []string
	api := server(func(r *http.Request) *http.Response {
		seen = append(seen, r.URL.Host+" "+strings.Join(r.Header.Values("Authorization"), ","))
		return answer(302, "", "Location", "https://elsewhere.example/")
	})
	write("one")
	src, err := ask(t, s, api)
	write("two")
	_, err2 := src.Check(t.Context())
	if err == nil || err2 == nil || strings.Contains(err.Error()+err2.Error(), "one") {
		t.Errorf("got %v and %v", err, err2)
	}
	write("three\nlines")
	if _, err := src.Check(t.Context()); err == nil || !strings.Contains(err.Error(), path+": has a line end") {
		t.Errorf("got %v for a file of several lines, want what is wrong with it", err)
	}
	want := []string{"api.planetscale.com id:one", "api.planetscale.com id:two"}
	if fmt.Sprint(seen) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", seen, want)
	}
}

func TestLargeAnswerIsAskedForInSmallerPages(t *testing.T) {
	var limits []string
	huge := strings.Repeat(" ", 16<<20)
	_, err := ask(t, defaults, func(r *http.Request) *http.Response {
		limits = append(limits, r.URL.Query().Get("limit"))
		if len(limits) < 4 {
			return answer(200, empty+huge)
		}
		return answer(200, empty)
	})
	if err != nil || fmt.Sprint(limits) != "[100 50 25 12]" {
		t.Errorf("got limits %v, %v", limits, err)
	}
}

func TestRequestsStayWithinTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := simulator.New(simulator.Config{Events: 150_000, RequestsPerMinute: 600})
		s := defaults
		s.RequestsPerMinute = 500
		budgets := &planetscale.Budgets{}
		var lanes []source.Reader
		for range 2 { // two sources with one credential
			src, err := planetscale.New(s, planetscale.Options{Log: zerolog.Nop(), Transport: sim.Transport(), Budgets: budgets})
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close()
			pos, err := src.Start(t.Context(), source.Start{})
			if err != nil {
				t.Fatal(err)
			}
			r, err := src.Open(pos, source.Env{Log: zerolog.Nop()})
			if err != nil {
				t.Fatal(err)
			}
			lanes = append(lanes, r)
		}
		done := make(chan error, len(lanes))
		for _, r := range lanes {
			go func() {
				_, err := r.Next(t.Context())
				done <- err
			}()
		}
		for range lanes {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		requests := sim.Requests()
		for i, r := range requests {
			if i >= 510 && r.Time.Sub(requests[i-510].Time) < time.Minute {
				t.Fatalf("request %d came %s after the one 510 before", r.N, r.Time.Sub(requests[i-510].Time))
			}
		}
		if took := requests[len(requests)-1].Time.Sub(requests[0].Time); took > 7*time.Minute {
			t.Errorf("%d requests took %s", len(requests), took)
		}
	})
}

func TestA429PausesAllLanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var requests []time.Time
		src, err := ask(t, defaults, func(*http.Request) *http.Response {
			requests = append(requests, time.Now())
			if len(requests) == 1 {
				return answer(429, "", "Retry-After", "40")
			}
			return answer(200, empty)
		})
		if got, ok := errors.AsType[*source.Error](err); !ok || got.Class != source.Throttled {
			t.Fatalf("got %v for a 429, want class %s", err, source.Throttled)
		}
		if _, err := src.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := requests[1].Sub(requests[0]); got < 40*time.Second {
			t.Errorf("the next request came after %s", got)
		}
	})
}

func TestLanesShareRequestsInFlightAndPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := simulator.New(simulator.Config{Events: 5000, Latency: 20 * time.Millisecond})
		src := newSource(t, sim, defaults)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		const lanes = 5
		var events atomic.Int64
		done := make(chan error, lanes)
		for range lanes {
			pos, err := src.Start(ctx, source.Start{})
			if err != nil {
				t.Fatal(err)
			}
			r, err := src.Open(pos, source.Env{Log: zerolog.Nop()})
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				for {
					p, err := r.Next(ctx)
					if ctx.Err() != nil {
						done <- nil
						return
					}
					if err != nil {
						done <- err
						return
					}
					events.Add(int64(len(p.Events)))
				}
			}()
		}
		for range lanes {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		src.Close()
		if got := events.Load(); got != lanes*5000 {
			t.Errorf("got %d events, want %d", got, lanes*5000)
		}
		// 50 pages, 120 polls, and four walks down to the floor.
		if got := sim.RequestCount(); got > 50+120+4*8 {
			t.Errorf("got %d requests for %d lanes", got, lanes)
		}
	})
}

// A lane starts after the others of its source have polled. It does not wait for the next
// poll, which may be long after; afterwards it shares the polls.
func TestALaneThatBeginsPollsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := simulator.New(simulator.Config{Events: 20})
		s := defaults
		s.PollInterval = setting.Duration(time.Minute)
		src := newSource(t, sim, s)
		defer src.Close()
		began := time.Now()
		var readers []source.Reader
		for range 3 {
			pos, err := src.Start(t.Context(), source.Start{})
			if err != nil {
				t.Fatal(err)
			}
			r, err := src.Open(pos, source.Env{Log: zerolog.Nop()})
			if err != nil {
				t.Fatal(err)
			}
			if p, err := r.Next(t.Context()); err != nil || len(p.Events) != 0 {
				t.Fatalf("got %d events, %v; want a page that only saves what was listed", len(p.Events), err)
			}
			if p, err := r.Next(t.Context()); err != nil || len(p.Events) != 20 || !p.CaughtUp {
				t.Fatalf("got %d events, caught up %v, %v; want all 20", len(p.Events), p.CaughtUp, err)
			}
			readers = append(readers, r)
			time.Sleep(time.Second)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("the lanes read their first pages in %s", took)
		}
		sent := sim.RequestCount()
		sim.Append(1)
		var reading sync.WaitGroup
		for _, r := range readers {
			reading.Go(func() {
				if p, err := r.Next(t.Context()); err != nil || len(p.Events) != 1 {
					t.Errorf("got %d events, %v; want the new one", len(p.Events), err)
				}
			})
		}
		reading.Wait()
		if got := sim.RequestCount() - sent; got != 1 {
			t.Errorf("the lanes polled %d times, want once for all", got)
		}
		for _, r := range readers {
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestPositionsOfAnotherLogAreRefused(t *testing.T) {
	sim := simulator.New(simulator.Config{})
	src := newSource(t, sim, defaults)
	defer src.Close()
	beginning, err := src.Start(t.Context(), source.Start{})
	if err != nil {
		t.Fatal(err)
	}
	pos, err := src.Start(t.Context(), source.Start{Since: time.Now().Add(-time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	other := defaults
	other.Organization = "other"
	elsewhere := defaults
	elsewhere.URL = "https://api.example"
	for name, s := range map[string]planetscale.Settings{"organization": other, "host": elsewhere} {
		src := newSource(t, sim, s)
		_, err := src.Open(pos, source.Env{})
		if !failure.IsUnusable(err) || failure.Hint(err) == "" || !strings.Contains(err.Error(), `the position is of organization "acme" at api.planetscale.com`) {
			t.Errorf("%s: got %v, want whose position it is, with a hint", name, err)
		}
		if _, err := src.Open(beginning, source.Env{}); err != nil { // Nothing was read there.
			t.Errorf("%s: got %v at the beginning", name, err)
		}
		src.Close()
	}
	for corrupt, want := range map[string]string{
		``: "unexpected end", string(pos[:len(pos)-1]): "unexpected end",
		`{}`: "version 0 is not supported", `null`: "a position is an object", `{"v":2}`: "version 2 is not supported",
		`[]`: "a position is an object", `{"v":1,"named":[]}`: "is not an object", `{"v":1}`: `"named" is missing`,
		strings.Replace(string(pos), `"named":{}`, `"named":{"a":"b"}`, 1): `time of "a" is "b"`,
	} {
		if _, err := src.Open(source.Position(corrupt), source.Env{}); !failure.IsUnusable(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("position %s: got %v, want %q", corrupt, err, want)
		}
	}
}

func TestErrorsDoNotRepeatTheToken(t *testing.T) {
	access := defaults
	access.AccessToken = setting.NewSecret("hunter2")
	service := defaults
	service.AccessToken = setting.Secret{}
	service.ServiceTokenID, service.ServiceToken = "id", setting.NewSecret("hunter2")
	for name, s := range map[string]planetscale.Settings{"access token": access, "service token": service} {
		t.Run(name, func(t *testing.T) {
			_, err := ask(t, s, func(r *http.Request) *http.Response {
				sent := r.Header.Get("Authorization")
				a := answer(401, fmt.Sprintf(`{"message":"not accepted: %s"}`, sent))
				a.Status = "401 " + sent
				return a
			})
			if err == nil || strings.Contains(fmt.Sprint(err), "hunter2") || !strings.Contains(fmt.Sprint(err), "not accepted") {
				t.Errorf("got %v", err)
			}
		})
	}
}
