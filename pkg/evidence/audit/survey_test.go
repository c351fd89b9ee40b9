package audit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/evidence/audit"
	"github.com/sluice-siem/sluice/pkg/source"
)

var day = time.Date(2026, 11, 3, 0, 0, 0, 0, time.UTC)

func event(n int, at time.Time) source.Event {
	return source.Event{ID: fmt.Sprintf("e%d", n), Time: at, Read: at.Add(30 * time.Hour), Raw: fmt.Appendf(nil, `{"id":"e%d"}`, n)}
}

// world is a log and the lane that settled it.
type world struct {
	log     []source.Event
	settled audit.Hours
	floor   time.Time
	lists   int
	during  func(listing int)
}

func newWorld(events int, every time.Duration) *world {
	w := &world{settled: audit.Begin(source.Description{}, day)}
	for n := range events {
		e := event(n, day.Add(time.Duration(n)*every))
		w.log = append(w.log, e)
		w.settled.Add(&e)
	}
	w.floor = day.Add(time.Duration(events) * every)
	return w
}

func (w *world) audit(t testing.TB) *audit.Outcome {
	t.Helper()
	s := audit.Survey{
		Settled: w.settled.Clone(),
		Place:   source.Description{Floor: w.floor, Through: w.floor, Expires: w.floor.Add(15 * 24 * time.Hour)},
		Doubted: func() bool { return false },
		List: func(_ context.Context, visit func(*source.Event)) error {
			w.lists++
			if w.during != nil {
				w.during(w.lists)
			}
			for _, e := range w.log {
				visit(&e)
			}
			return nil
		},
	}
	o, err := s.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// settle does what a lane does with an outcome.
func (w *world) settle(o *audit.Outcome) {
	after := w.settled.Clone()
	var delivered audit.Hours
	for i := range o.Missing {
		delivered.Add(&o.Missing[i])
	}
	after.Join(&delivered)
	after.Apply(o)
	w.settled = after
}

// found is an outcome as text.
func found(o *audit.Outcome) []string {
	texts := []string{}
	for _, e := range o.Missing {
		texts = append(texts, "missing "+e.ID)
	}
	for _, f := range o.Findings {
		texts = append(texts, fmt.Sprintf("%s %s%s %d", f.Kind, f.ID, f.Hash, f.Events))
	}
	return texts
}

func (w *world) index(n int) int {
	return slices.IndexFunc(w.log, func(e source.Event) bool { return e.ID == fmt.Sprintf("e%d", n) })
}

func (w *world) remove(n int) { w.log = slices.Delete(w.log, w.index(n), w.index(n)+1) }

func (w *world) alter(n int) { w.log[w.index(n)].Raw = []byte(`{"id":"other"}`) }

// late lists an event that the lane never settled.
func (w *world) late(n int, at time.Time) { w.log = append(w.log, event(n, at)) }

// hashOf is the first 8 bytes of the SHA-256 of an id without the three highest bits.
func hashOf(n int) string {
	e := event(n, day)
	return fmt.Sprintf("%016x", audit.MarkOf(&e).ID)
}

func TestSurvey(t *testing.T) {
	const every = 10 * time.Minute // six events an hour, for about four days
	tests := map[string]struct {
		change func(w *world)
		want   []string
	}{
		"nothing":                        {func(*world) {}, []string{}},
		"a late event":                   {func(w *world) { w.late(9000, day.Add(50*time.Hour)) }, []string{"missing e9000"}},
		"three late events in one hour":  {func(w *world) { lateAt(w, 50, 3) }, []string{"missing e9000", "missing e9001", "missing e9002"}},
		"a late event in an empty hour":  {func(w *world) { w.late(9000, day.Add(-time.Hour)) }, []string{"missing e9000"}},
		"an event that vanished":         {func(w *world) { w.remove(300) }, []string{"vanished " + hashOf(300) + " 1"}},
		"two that vanished from an hour": {func(w *world) { w.remove(300); w.remove(301) }, []string{"vanished  2"}},
		"an hour that vanished":          {func(w *world) { removeHour(w, 50) }, []string{"vanished  6"}},
		"an altered event":               {func(w *world) { w.alter(300) }, []string{"altered e300 1"}},
		"two altered in one hour":        {func(w *world) { w.alter(300); w.alter(301) }, []string{"altered  2"}},
		"a late and an altered one":      {func(w *world) { lateAt(w, 50, 1); w.alter(300) }, []string{"missing e9000", "altered e300 1"}},
		"a late one for another":         {func(w *world) { lateAt(w, 50, 1); w.remove(300) }, []string{"unclear  0"}},
		"a changed time":                 {func(w *world) { w.log[w.index(300)].Time = day.Add(70 * time.Hour) }, []string{"altered e300 1"}},
		"events above the floor":         {func(w *world) { w.late(9000, w.floor.Add(time.Hour)) }, []string{}},
		"a gap event": {func(w *world) {
			w.log = append(w.log, source.Event{ID: "gap:1", Time: day.Add(50 * time.Hour), Gap: true})
		}, []string{}},
		"an event without a usable time": {func(w *world) {
			w.log = append(w.log, source.Event{ID: "x", Time: day.Add(50 * time.Hour), Problem: "no time"})
		}, []string{}},
		"retention":                       {func(w *world) { w.log = w.log[200:] }, []string{}},
		"an event that was settled twice": {func(w *world) { e := event(300, day.Add(50*time.Hour)); w.settled.Add(&e) }, []string{}},
		"a time that was ahead of the clocks": {func(w *world) {
			e := event(9000, day.Add(50*time.Hour))
			w.log = append(w.log, e)
			e.Problem = "its time is ahead of the clocks"
			w.settled.Add(&e)
		}, []string{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(600, every)
			test.change(w)
			o := w.audit(t)
			if d := cmp.Diff(test.want, found(o)); d != "" {
				t.Errorf("found (-want +got):\n%s", d)
			}
			w.settle(o)
			again := w.audit(t)
			if d := cmp.Diff([]string{}, found(again)); d != "" {
				t.Errorf("found again (-want +got):\n%s", d)
			}
			if !again.Clean() {
				t.Errorf("the second audit says: %s", &again.Result)
			}
		})
	}
}

func lateAt(w *world, hour, n int) {
	for i := range n {
		w.late(9000+i, day.Add(time.Duration(hour)*time.Hour+time.Duration(i)*time.Minute))
	}
}

func removeHour(w *world, hour int) {
	for n := range 6 {
		w.remove(hour*6 + n)
	}
}

// TestCutLog cuts the log at its old end. After an audit saw how far back it reaches, that
// is no retention any more.
func TestCutLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(6*24*10, 10*time.Minute)
		time.Sleep(time.Until(w.floor))
		w.settle(w.audit(t))
		w.log = w.log[6*24*5:]
		o := w.audit(t)
		// Five days are left of ten. The last day and some hours may be retention.
		if o.Vanished < 500 || o.Vanished > 6*24*4 {
			t.Errorf("got %d vanished, want those of about four days", o.Vanished)
		}
		w.settle(o)
		if o := w.audit(t); !o.Clean() {
			t.Errorf("told again: %s", &o.Result)
		}
	})
}

// TestLogMovesOn lets retention pass while the log is listed.
func TestLogMovesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(6*24*16, 10*time.Minute)
		time.Sleep(time.Until(w.floor))
		w.log = w.log[6*24:]
		w.settle(w.audit(t))
		for range 5 {
			w.during = func(int) {
				time.Sleep(2 * time.Hour)
				w.log = w.log[12:]
			}
			w.late(9000+w.lists, w.floor.Add(-30*time.Hour))
			o := w.audit(t)
			if o.Missing == nil || len(o.Findings) > 0 {
				t.Errorf("got %q, want only the late event", found(o))
			}
			w.settle(o)
		}
	})
}

// TestOneListingLies believes what vanished only if it is gone twice.
func TestOneListingLies(t *testing.T) {
	for lying := 1; lying <= 2; lying++ {
		w := newWorld(600, 10*time.Minute)
		whole := w.log
		w.during = func(listing int) {
			w.log = whole
			if listing == lying {
				w.log = slices.Concat(whole[:300], whole[301:])
			}
		}
		if o := w.audit(t); !o.Clean() {
			t.Errorf("listing %d has one event less: found %q", lying, found(o))
		}
	}
}

// TestListingsDisagree lets another event be absent from each listing, in an hour that has a
// late event, too.
func TestListingsDisagree(t *testing.T) {
	w := newWorld(600, 10*time.Minute)
	lateAt(w, 50, 1)
	whole := w.log
	w.during = func(listing int) {
		w.log = slices.Concat(whole[:300+listing], whole[301+listing:])
	}
	if o := w.audit(t); !o.Clean() {
		t.Errorf("found %q", found(o))
	}
}

// TestNothingCounted delivers a whole log that the lane never settled.
func TestNothingCounted(t *testing.T) {
	w := newWorld(600, 10*time.Minute)
	w.settled = audit.Begin(source.Description{}, day)
	o := w.audit(t)
	if n := len(o.Missing); n != 600 || len(o.Findings) > 0 {
		t.Errorf("got %d missing of 600, and %d findings", n, len(o.Findings))
	}
	w.settle(o)
	if o := w.audit(t); !o.Clean() {
		t.Errorf("the second audit says: %s", &o.Result)
	}
}

// TestAdvice says how long the overlap should be.
func TestAdvice(t *testing.T) {
	const overlap = 10 * time.Minute
	w := newWorld(600, 10*time.Minute)
	o := w.audit(t)
	if got := o.Advise(overlap); got != 0 {
		t.Errorf("nothing is late: got %s", got)
	}
	late := audit.Result{Lateness: 25 * time.Minute}
	if got := late.Advise(overlap); got != time.Hour {
		t.Errorf("an event was 25m late: got %s, want 1h", got)
	}
	w.late(9000, day.Add(50*time.Hour)) // Nobody knows when it was listed.
	o = w.audit(t)
	if got := o.Advise(overlap); got != 30*time.Minute {
		t.Errorf("a late event was missing: got %s, want 30m", got)
	}
	o.At = day.Add(53*time.Hour + 10*time.Minute)
	w.settle(o)
	w.late(9001, day.Add(50*time.Hour))
	o = w.audit(t)
	if got := o.Advise(overlap); got != 12*time.Hour {
		t.Errorf("one was not listed when it was over three hours old: got %s, want 12h", got)
	}
}

// TestAboveTheFloor leaves to the lane what it may still deliver itself.
func TestAboveTheFloor(t *testing.T) {
	w := newWorld(600, 10*time.Minute)
	w.floor = day.Add(90*time.Hour + 30*time.Minute)
	for _, at := range []time.Duration{90*time.Hour + 20*time.Minute, 90*time.Hour + 40*time.Minute, 95 * time.Hour} {
		w.late(9000+int(at/time.Minute), day.Add(at))
	}
	if o := w.audit(t); !o.Clean() || !o.Result.Through.Equal(day.Add(90*time.Hour)) {
		t.Errorf("found %q until %s", found(o), o.Result.Through)
	}
}

// TestAnyHistory finds what was done to a log, and nothing else.
func TestAnyHistory(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(rapid.IntRange(300, 900).Draw(rt, "events"), rapid.SampledFrom([]time.Duration{time.Minute, 7 * time.Minute, time.Hour}).Draw(rt, "every"))
		before := len(w.log)
		last := int(w.floor.Sub(day)/time.Hour) - 1 // the last whole hour
		touched := map[int64]bool{}
		var missing, gone, altered []string
		for i := range rapid.IntRange(0, 6).Draw(rt, "changes") {
			n := rapid.IntRange(min(before/2, 60*(last/2)+60), before-1).Draw(rt, "event")
			j := w.index(n)
			if j < 0 {
				continue
			}
			at := w.log[j].Time
			if touched[at.Unix()/3600] || at.Sub(day) >= time.Duration(last)*time.Hour || at.Sub(day) < 3*time.Hour {
				continue
			}
			touched[at.Unix()/3600] = true
			switch rapid.IntRange(0, 2).Draw(rt, "change") {
			case 0:
				for k := range rapid.IntRange(1, 3).Draw(rt, "late") {
					w.late(9000+10*i+k, at)
					missing = append(missing, fmt.Sprintf("missing e%d", 9000+10*i+k))
				}
			case 1:
				w.remove(n)
				gone = append(gone, "vanished "+hashOf(n)+" 1")
			case 2:
				w.alter(n)
				altered = append(altered, fmt.Sprintf("altered e%d 1", n))
			}
		}
		slices.SortFunc(w.log, func(a, b source.Event) int { return b.Time.Compare(a.Time) })
		want := slices.Sorted(slices.Values(slices.Concat(missing, gone, altered)))
		o := w.audit(t)
		got := slices.Sorted(slices.Values(found(o)))
		if d := cmp.Diff(want, got, equateEmpty); d != "" {
			rt.Fatalf("found (-want +got):\n%s", d)
		}
		w.settled = saved(t, w.settled)
		w.settle(o)
		w.settled = saved(t, w.settled)
		if o := w.audit(t); !o.Clean() {
			rt.Fatalf("found again: %q", found(o))
		}
	})
}

var equateEmpty = cmp.Transformer("empty", func(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
})

// saved is what a position keeps of a count.
func saved(t testing.TB, h audit.Hours) audit.Hours {
	t.Helper()
	pos, err := audit.Join(&h, source.Position(`{"floor":1}`))
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(pos) {
		t.Fatalf("%s is not JSON", pos)
	}
	inner, back, err := audit.Split(pos)
	if err != nil || back == nil || string(inner) != `{"floor":1}` {
		t.Fatalf("got %s, %v, error %v", inner, back, err)
	}
	if string(audit.Inner(pos)) != `{"floor":1}` {
		t.Fatalf("got %s of %s", audit.Inner(pos), pos)
	}
	return *back
}
