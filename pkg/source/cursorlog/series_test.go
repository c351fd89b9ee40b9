package cursorlog

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/setting"
)

// The log lists the newest first, or the oldest first. Its cursors say nothing about
// events. Two walks meet an end, and no event that is known.
func TestAnEndIsConfirmedByTheLastEventNotByItsCursor(t *testing.T) {
	for name, c := range map[string]struct {
		former, next []int
		confirmed    bool
	}{
		"the same end":                    {[]int{9, 8}, []int{9, 8}, true},
		"an end below the former one":     {[]int{9, 8}, []int{9, 8, 7, 6}, false},
		"the former end has expired":      {[]int{9, 8, 7}, []int{10, 9, 8}, true},
		"oldest first, the log has grown": {[]int{8, 9}, []int{8, 9, 10}, true},
		"oldest first, an end before it":  {[]int{8, 9, 10}, []int{8, 9}, false},
		"an event where there was none":   {nil, []int{9}, false},
		"no event where there were some":  {[]int{9, 8}, nil, false},
		"no event, as before":             {nil, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := &series{settings: &walkSettings, clock: testClock()}
			pos := newPosition("host", "acme")
			pos.raise(noon.Add(-time.Hour).UnixMilli())
			for i, ids := range [][]int{c.former, c.next} {
				w := s.begin(pos)
				for page := listing(t, "", ids...); !w.done; page = listing(t, "") {
					if len(page.Entries) > 0 {
						page.Cursor = []string{"opaque", "other"}[i]
					}
					if _, err := w.add(page); err != nil {
						t.Fatal(err)
					}
				}
				s.fullDue = time.Now().Add(time.Hour)
				got, want := s.finish(w), i == 1 && c.confirmed
				if got != want {
					t.Errorf("walk %d: got confirmed %t, want %t", i+1, got, want)
				}
				if full := s.begin(pos).full; full == got {
					t.Errorf("walk %d: the next walk goes down to the floor: %t", i+1, full)
				}
			}
		})
	}
}

// All events that were delivered leave the log. A poll finds that out, and a second walk
// confirms it without waiting for the next poll.
func TestAConfirmingWalkStartsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, ids := time.Now(), []int(nil)
		s := Defaults
		s.PollInterval = setting.Duration(time.Minute)
		r := openNew(t, Options{
			Settings: s, Name: "acme", Log: zerolog.Nop(),
			Now: func() time.Time { return noon.Add(time.Since(start)) },
			Client: plain{list: func(_ context.Context, cursor string, _ int) (Answer, error) {
				if cursor != "" {
					return Answer{Body: plainBody("")}, nil
				}
				return Answer{Body: plainBody("", ids...)}, nil
			}},
		})
		ids = []int{9, 8}
		if p, err := r.Next(t.Context()); err != nil || len(p.Events) > 0 {
			t.Fatalf("got %d events, %v, want a page that only saves what was listed", len(p.Events), err)
		}
		for _, listed := range [][]int{{9, 8}, {10, 9, 8}} {
			synctest.Wait()
			ids = listed
			if p, err := r.Next(t.Context()); err != nil || len(p.Events) == 0 || !p.CaughtUp {
				t.Fatalf("got %d events, caught up %t, %v", len(p.Events), p.CaughtUp, err)
			}
		}
		synctest.Wait()
		ids = []int{20}
		began := time.Now()
		if _, err := r.Next(t.Context()); err != nil || r.Progress().Gaps != 1 || time.Since(began) != time.Minute {
			t.Errorf("got %d gaps after %s, %v", r.Progress().Gaps, time.Since(began), err)
		}
	})
}

// A poll of a log that lists the oldest first starts behind the last event but one. A log
// that turns out to list the newest first has no such place.
func TestAPollStartsAtTheEndOfALogThatListsTheOldestFirst(t *testing.T) {
	pos := newPosition("host", "acme")
	pos.anchor, pos.end = [2]string{"5", "6"}, [2]string{"8", "9"}
	s := &series{settings: &walkSettings, clock: testClock(), order: oldestFirst, fullDue: time.Now().Add(time.Hour)}
	if w := s.begin(pos); !w.anchored || w.cursor != "8" || w.expect != "9" {
		t.Errorf("got a walk from %q that expects %q", w.cursor, w.expect)
	}
	s.goDown()
	if w := s.begin(pos); w.anchored || w.cursor != "" {
		t.Errorf("got a walk down to the floor from %q", w.cursor)
	}
	pos.keepAnchors(&walk{votes: [3]int{newestFirst: 1, oldestFirst: clearly}})
	if pos.anchor[0] != "" || pos.end[0] != "" {
		t.Errorf("got anchors %q, %q", pos.anchor, pos.end)
	}
}
