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

// dayLasts is shorter in a short run.
func dayLasts() time.Duration {
	if testing.Short() {
		return day / 4
	}
	return day
}

// One sink is down for a day. The other gets the same events, just as soon, as on a day
// on which both are up.
func TestSinkThatIsDownHoldsNobodyUp(t *testing.T) {
	var quiet, troubled []delivery
	synctest.Test(t, func(t *testing.T) { quiet, _ = aDay(t, nil) })
	synctest.Test(t, func(t *testing.T) {
		var other []delivery
		troubled, other = aDay(t, errors.New("no route to host"))
		if len(other) < len(troubled) {
			t.Errorf("after its trouble, the second sink took %d events, want all %d", len(other), len(troubled))
		}
	})
	if least := int(dayLasts() / (86 * time.Second)); len(quiet) < least {
		t.Fatalf("only %d events on a day, want %d or more", len(quiet), least)
	}
	if diff := cmp.Diff(quiet, troubled, cmpopts.IgnoreFields(delivery{}, "At")); diff != "" {
		t.Errorf("what the sink that was up took (-both up +one down):\n%.2000s", diff)
	}
}

// aDay runs two lanes of a source for a day. If there is trouble, the second sink has it
// for that day, and is well for an hour afterwards. The result is what each sink took:
// the first on the day, the second until the end of the hour.
func aDay(t *testing.T, trouble error) (first, second []delivery) {
	const poll = 30 * time.Second
	api := simulator.New(simulator.Config{Seed: 7, Events: 300, Rate: 0.01})
	src := newSource(t, api.Transport(), poll)
	one, two := &destination{}, &destination{down: trouble}
	stop := run(t, newLane(t, "acme/one", src, one, &memory{}), newLane(t, "acme/two", src, two, &memory{}))
	began := time.Now()
	time.Sleep(dayLasts() + poll/2) // Without the half poll, a poll would start exactly at the end of the day.
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

// wantPrompt requires that each event was delivered within bound after it could be read.
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

// Two lanes of an idle source cost as many requests as one.
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
		// Nothing is settled before an overlap has passed since the first read. Until
		// then each walk requests what follows the end of the log.
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

// run runs lanes until the returned function is called.
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
