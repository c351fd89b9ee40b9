package app_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// api changes the answers of a simulated API.
type api struct {
	*simulator.Server
	before func(*http.Request) *http.Response // if it returns nil, the simulator answers
}

func (a *api) RoundTrip(r *http.Request) (*http.Response, error) {
	if answer := a.before(r); answer != nil {
		return answer, nil
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return a.Transport().RoundTrip(r)
}

// polled is lanes of sources that share a credential.
func polled(t *testing.T, sources, perMinute int, before func(*http.Request) *http.Response) (lanes []*pipeline.Lane, stop func()) {
	t.Helper()
	server := &api{simulator.New(simulator.Config{Events: 150, Rate: 0.01, Tame: true}), before}
	budgets := &planetscale.Budgets{}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	var opened []*planetscale.Source
	for i := range sources {
		s := planetscale.Defaults
		s.Organization, s.AccessToken, s.RequestsPerMinute = "acme", setting.NewSecret("token"), perMinute
		src, err := planetscale.New(s, planetscale.Options{Log: zerolog.Nop(), Transport: server, Budgets: budgets})
		if err != nil {
			t.Fatal(err)
		}
		opened = append(opened, src)
		lane := newLane(t, fmt.Sprintf("acme%d/siem", i), src, &destination{}, &memory{})
		lanes = append(lanes, lane)
		running.Go(func() {
			if err := lane.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	return lanes, func() {
		cancel()
		running.Wait()
		for _, src := range opened {
			if err := src.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// wantReady checks the lanes every second.
func wantReady(t *testing.T, lanes []*pipeline.Lane, d time.Duration) {
	t.Helper()
	for range d / time.Second {
		time.Sleep(time.Second)
		for _, l := range lanes {
			if s := l.Status(); !s.Ready {
				t.Fatalf("lane %s is not ready: %s", l.Name, s.Reason)
			}
		}
	}
}

// wantNotReady waits until no lane is ready, and requires a reason from each.
func wantNotReady(t *testing.T, lanes []*pipeline.Lane, within time.Duration, reason string) {
	t.Helper()
	time.Sleep(within)
	for _, l := range lanes {
		if s := l.Status(); s.Ready || !strings.Contains(s.Reason, reason) {
			t.Errorf("lane %s after %s: ready %t, reason %q, want %q", l.Name, within, s.Ready, s.Reason, reason)
		}
	}
}

// A lane is ready as long as its reads come as often as its settings and the server
// allow. Soon after they stop, it is not ready.
func TestReadinessFollowsWhatDelaysReads(t *testing.T) {
	var down atomic.Bool
	hang := func(r *http.Request) *http.Response {
		if down.Load() {
			<-r.Context().Done()
		}
		return nil
	}
	lasts := time.Hour
	if testing.Short() {
		lasts /= 4
	}
	for _, test := range []struct {
		name               string
		sources, perMinute int
		settled            time.Duration // until each lane has caught up
		within             time.Duration
		before             func(*http.Request) *http.Response
	}{
		{"the defaults", 1, 500, 10 * time.Second, time.Minute, hang},
		{"two requests a minute", 1, 2, 2 * time.Minute, 3 * time.Minute, hang},
		{"twenty sources with one credential", 20, 500, 30 * time.Second, 2 * time.Minute, hang},
		{"twenty sources with twenty requests a minute", 20, 20, 20 * time.Minute, 20 * time.Minute, hang},
		{"slow answers", 1, 500, 2 * time.Minute, time.Minute, func(r *http.Request) *http.Response {
			time.Sleep(25 * time.Second)
			return hang(r)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				down.Store(false)
				lanes, stop := polled(t, test.sources, test.perMinute, test.before)
				defer stop()
				time.Sleep(test.settled)
				wantReady(t, lanes, lasts)
				down.Store(true)
				wantNotReady(t, lanes, test.within, "read: ")
			})
		})
	}
}

// A 429 of a minute leaves lanes ready. If the server continues to refuse, all lanes of
// the credential report the reason, even those that sent no request.
func TestReadinessUnder429(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var refusals atomic.Int64
		lanes, stop := polled(t, 3, 500, func(*http.Request) *http.Response {
			if refusals.Add(-1) < 0 {
				return nil
			}
			return &http.Response{StatusCode: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"3600"}}, Body: http.NoBody}
		})
		defer stop()
		time.Sleep(10 * time.Second)
		refusals.Store(1)
		wantReady(t, lanes, 10*time.Minute)
		refusals.Store(1000)
		wantNotReady(t, lanes, 3*time.Minute, "429 Too Many Requests, no requests until ")
		refusals.Store(0)
		time.Sleep(2*time.Minute + time.Second)
		wantReady(t, lanes, 10*time.Minute)
	})
}
