package app_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

const day = 24 * time.Hour

// One sink is down for a day. What reaches the other is what reaches it on a day
// on which both are up, and it does so as soon.
func TestSinkThatIsDownHoldsNobodyUp(t *testing.T) {
	var quiet, troubled []delivery
	synctest.Test(t, func(t *testing.T) { quiet, _ = aDay(t, nil) })
	synctest.Test(t, func(t *testing.T) {
		var other []delivery
		troubled, other = aDay(t, errors.New("no route to host"))
		if len(other) < len(troubled) {
			t.Errorf("back again, the other sink took %d events, want all of %d", len(other), len(troubled))
		}
	})
	if len(quiet) < 1000 {
		t.Fatalf("only %d events on a day", len(quiet))
	}
	if diff := cmp.Diff(quiet, troubled, cmpopts.IgnoreFields(delivery{}, "At")); diff != "" {
		t.Errorf("what the sink that was up took (-both up +one down):\n%.2000s", diff)
	}
}

// aDay runs two lanes of a source. The second sink is in trouble for a day, if
// there is any; then it is well for an hour. The result is what each took, the
// first on the day and the second until the end of the hour.
func aDay(t *testing.T, trouble error) (first, second []delivery) {
	const poll = 30 * time.Second
	api := simulator.New(simulator.Config{Seed: 7, Events: 300, Rate: 0.01})
	src := newSource(t, api.Transport(), poll)
	one, two := &destination{}, &destination{down: trouble}
	stop := run(t, newLane(t, "acme/one", src, one, &memory{}), newLane(t, "acme/two", src, two, &memory{}))
	began := time.Now()
	time.Sleep(day)
	first = one.deliveries()
	wantPrompt(t, api, first, began, 2*poll)
	two.fail(nil)
	time.Sleep(time.Hour)
	stop()
	if err := src.Close(); err != nil {
		t.Error(err)
	}
	return first, two.deliveries()
}

// wantPrompt requires that nothing took longer than bound since it could be read.
func wantPrompt(t *testing.T, api *simulator.Server, delivered []delivery, began time.Time, bound time.Duration) {
	listed := map[string]time.Time{}
	for e := range api.Ever() {
		listed[e.ID] = e.Listed
	}
	for _, d := range delivered {
		since := listed[d.ID]
		if since.Before(began) {
			since = began
		}
		if took := d.At.Sub(since); took > bound {
			t.Errorf("event %s took %s, want at most %s", d.ID, took, bound)
		}
	}
}

// Two lanes of an idle source cost what one costs.
func TestIdleLanesShareTheirPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := simulator.New(simulator.Config{Events: 50})
		src := newSource(t, api.Transport(), 5*time.Second)
		one, two := &destination{}, &destination{}
		stop := run(t, newLane(t, "acme/one", src, one, &memory{}), newLane(t, "acme/two", src, two, &memory{}))
		time.Sleep(time.Minute)
		if a, b := len(one.deliveries()), len(two.deliveries()); a != 50 || b != 50 {
			t.Errorf("got %d and %d events, want 50 each", a, b)
		}
		// Until an overlap has passed, nothing is settled in a log that began to be
		// read: each walk down to its end then asks behind it.
		time.Sleep(15 * time.Minute)
		before := api.RequestCount()
		time.Sleep(time.Hour)
		if got, want := api.RequestCount()-before, int(time.Hour/(5*time.Second)); got < want-1 || got > want+1 {
			t.Errorf("got %d requests in an hour, want one each 5 seconds: %d", got, want)
		}
		stop()
		if err := src.Close(); err != nil {
			t.Error(err)
		}
	})
}

// run runs lanes until the function returned is called.
func run(t *testing.T, lanes ...interface{ Run(context.Context) error }) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var group errgroup.Group
	for _, l := range lanes {
		group.Go(func() error { return l.Run(ctx) })
	}
	return func() {
		cancel()
		if err := group.Wait(); err != nil {
			t.Error(err)
		}
	}
}
