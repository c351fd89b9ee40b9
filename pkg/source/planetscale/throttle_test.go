package planetscale_test

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
)

func TestA429SaysUntilWhen(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"0": time.Second, "17": 17 * time.Second, "86400": time.Minute, "": 10 * time.Second, "soon": 10 * time.Second,
	} {
		t.Run("Retry-After: "+value, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, err := ask(t, defaults, func(*http.Request) *http.Response {
					return answer(429, `{"code":"too_many_requests","message":"slow down"}`, "Retry-After", value)
				})
				var got *source.Error
				if !errors.As(err, &got) || got.Class != source.Throttled || got.RetryAfter != want {
					t.Fatalf("got %v, want patience %s", err, want)
				}
				until := time.Now().Add(want).UTC().Format(time.RFC3339)
				if text := "429 Too Many Requests, no requests until " + until + ": slow down"; !strings.HasSuffix(err.Error(), text) {
					t.Errorf("got %q, want %q", err, text)
				}
			})
		})
	}
}

// shared opens sources with one credential.
func shared(t *testing.T, api server, perMinute ...int) []*planetscale.Source {
	t.Helper()
	budgets := &planetscale.Budgets{}
	var all []*planetscale.Source
	for i, rate := range perMinute {
		s := defaults
		s.RequestsPerMinute = rate
		s.URL = []string{"https://api.planetscale.com", "https://API.planetscale.com/", "https://api.planetscale.com:443"}[i%3]
		src, err := planetscale.New(s, planetscale.Options{Log: zerolog.Nop(), Transport: api, Budgets: budgets})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := src.Close(); err != nil {
				t.Error(err)
			}
		})
		all = append(all, src)
	}
	return all
}

// requestFor sends requests for a while, from so many goroutines of each source.
func requestFor(t *testing.T, d time.Duration, each int, sources ...*planetscale.Source) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	done := make(chan struct{})
	for _, src := range sources {
		for range each {
			go func() {
				defer func() { done <- struct{}{} }()
				for ctx.Err() == nil {
					src.Check(ctx) // The result does not matter here.
					time.Sleep(time.Millisecond)
				}
			}()
		}
	}
	for range len(sources) * each {
		<-done
	}
}

// A server that answers 429 to everything gets one request a minute from all sources
// together. The first other answer ends the pause for all.
func TestAPauseIsProbedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var requests, refusing atomic.Int64
		refusing.Store(1)
		sources := shared(t, func(*http.Request) *http.Response {
			requests.Add(1)
			if refusing.Load() > 0 {
				return answer(429, "", "Retry-After", "86400")
			}
			return answer(200, empty)
		}, 500, 500, 500)
		requestFor(t, 30*time.Minute+time.Second, 1, sources...)
		// Three requests were under way when the first answer came.
		if got := requests.Load(); got < 30 || got > 33 {
			t.Errorf("got %d requests in half an hour, want one a minute", got)
		}
		refusing.Store(0)
		requests.Store(0)
		requestFor(t, 3*time.Minute, 1, sources...)
		if got := requests.Load(); got < 1000 {
			t.Errorf("got %d requests in three minutes, want about 500 a minute from the first answer on", got)
		}
	})
}

// After a probe that got no answer, or that was abandoned, the next probe may be sent.
func TestAProbeWithoutAnAnswerIsFollowedByAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var requests atomic.Int64
		sources := shared(t, func(*http.Request) *http.Response {
			switch requests.Add(1) {
			case 1:
				return answer(429, "", "Retry-After", "5")
			case 2:
				return nil
			}
			return answer(200, empty)
		}, 0)
		for i, want := range []string{"429", "connection refused", ""} {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			_, err := sources[0].Check(ctx)
			cancel()
			if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("request %d: got %v, want %q", i+1, err, want)
			}
		}
		if got := sources[0].Freshness().Reason; got != "" {
			t.Errorf("after an answer: %q", got)
		}
	})
}

// An answer to a request from before the 429 does not end the pause.
func TestAnEarlierAnswerDoesNotEndAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var requests []time.Time
		sources := shared(t, func(*http.Request) *http.Response {
			requests = append(requests, time.Now())
			switch len(requests) {
			case 1:
				time.Sleep(5 * time.Second)
			case 2:
				return answer(429, "", "Retry-After", "40")
			}
			return answer(200, empty)
		}, 0, 0)
		slow := make(chan error)
		go func() {
			_, err := sources[0].Check(t.Context())
			slow <- err
		}()
		synctest.Wait()
		_, err := sources[1].Check(t.Context())
		if got, ok := errors.AsType[*source.Error](err); !ok || got.Class != source.Throttled {
			t.Errorf("got %v for a 429, want class %s", err, source.Throttled)
		}
		if err := <-slow; err != nil {
			t.Error(err)
		}
		if got := sources[1].Freshness().Reason; !strings.HasPrefix(got, "429 ") {
			t.Errorf("an answer to an earlier request ended the pause: reason %q", got)
		}
		if _, err := sources[1].Check(t.Context()); err != nil {
			t.Error(err)
		}
		if got := requests[2].Sub(requests[1]); got < 40*time.Second {
			t.Errorf("the next request came %s after the 429", got)
		}
	})
}

func TestTheSlowestRateHoldsForAll(t *testing.T) {
	for name, rates := range map[string][]int{
		"no limit first": {0, 60}, "no limit last": {60, 0}, "fast first": {600, 60}, "slow first": {60, 600, 0},
	} {
		if thinned() {
			continue
		}
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var requests atomic.Int64
				sources := shared(t, func(*http.Request) *http.Response {
					requests.Add(1)
					return answer(200, empty)
				}, rates...)
				requestFor(t, time.Minute, 1, sources...)
				if got := requests.Load(); got < 58 || got > 63 {
					t.Errorf("got %d requests in a minute, want 60", got)
				}
				var fast *planetscale.Source
				for i, rate := range rates {
					if rate != 60 {
						fast = sources[i]
						continue
					}
					if err := sources[i].Close(); err != nil {
						t.Fatal(err)
					}
				}
				requests.Store(0)
				requestFor(t, time.Minute, 1, fast)
				if got := requests.Load(); got < 500 {
					t.Errorf("got %d requests a minute after the slow source was closed", got)
				}
				if len(rates) == 2 && rates[0]*rates[1] == 0 && !math.IsInf(fast.Usage().BudgetLeft, 1) {
					t.Errorf("a limit is left: %v", fast.Usage().BudgetLeft)
				}
			})
		})
	}
}

// The duration of the request is subtracted from Date, since the server may have written
// Date when the answer was complete. An event that came while it wrote the answer is not
// covered.
func TestAWalkBeganWhenItsFirstRequestWasSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, date := range map[string]string{"at the end": "", "missing": "none", "no time": "0", "before the epoch": "Mon, 01 Jan 1968 00:00:00 GMT"} {
			src, err := ask(t, defaults, func(*http.Request) *http.Response {
				time.Sleep(20 * time.Second)
				a := answer(200, empty)
				if date != "" {
					a.Header.Set("Date", date)
				}
				if date == "none" {
					a.Header.Del("Date")
				}
				return a
			})
			if err != nil {
				t.Fatal(err)
			}
			sent := time.Now()
			pos, err := src.Start(t.Context(), source.Start{Now: true})
			if err != nil {
				t.Fatal(err)
			}
			d, err := src.Describe(pos)
			// Start sends three requests: for the time, for the events that are visible
			// then, and again because there are none.
			if last := sent.Add(45 * time.Second); err != nil || d.Through.After(last.Add(time.Second)) || d.Through.Before(sent.Add(-time.Second)) {
				t.Errorf("Date %s: through %s, want the start of the third request, %s at most; %v", name, d.Through, last, err)
			}
		}
	})
}

// After an answer that was too large, the next page starts with twice the limit that
// worked. While a page is requested repeatedly, a fresh read may be older.
func TestASmallLimitIsRememberedAndGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var limits []string
		var ages []time.Duration
		huge := strings.Repeat(" ", 16<<20)
		s := defaults
		s.RequestsPerMinute = 2
		var src *planetscale.Source
		src, err := planetscale.New(s, planetscale.Options{Log: zerolog.Nop(), Transport: server(func(r *http.Request) *http.Response {
			limits = append(limits, r.URL.Query().Get("limit"))
			ages = append(ages, src.Freshness().Age)
			if len(limits) < 3 {
				return answer(200, empty+huge)
			}
			return answer(200, empty)
		})})
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		for range 3 {
			if _, err := src.Check(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got, want := strings.Join(limits, " "), "100 50 25 50 100"; got != want {
			t.Errorf("got limits %s, want %s", got, want)
		}
		if ages[1] != ages[0]+time.Minute || ages[2] != ages[0]+2*time.Minute || ages[3] != ages[0] {
			t.Errorf("got ages %s, want a minute more with each answer that was too large: 30 s for the budget, 30 s for the request", ages)
		}
	})
}
