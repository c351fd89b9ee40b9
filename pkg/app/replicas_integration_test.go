//go:build integration

package app_test

import (
	"encoding/json"
	"flag"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/internal/committed"
)

var faults = flag.Int("faults", 3, "how many replicas TestReplicas ends or stops")

// Three replicas share 36 lanes. One after the other is killed, put to sleep for longer
// than its session, or stopped. Soon each lane has one owner again. Nothing is lost, each
// record committed to Kafka is there once, and no source gets more requests than it
// allows.
func TestReplicas(t *testing.T) {
	const most = 25 * time.Second // time for lanes to move
	f := newFleet(t, 12, 3)
	stop := f.append(t, 500*time.Millisecond)
	f.settle(t)
	random := rand.New(rand.NewPCG(20261123, 50))
	began := time.Now()
	took := map[syscall.Signal][]time.Duration{}
	twice := 0
	for i := range *faults {
		kind := []syscall.Signal{syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGTERM}[i%3]
		victim := f.replicas[random.IntN(len(f.replicas))]
		if i%2 == 0 {
			victim = f.amidst(t)
		}
		d, n := f.befall(t, victim, kind, random.IntN(2) == 0)
		took[kind], twice = append(took[kind], d), twice+n
		if d > most {
			t.Errorf("fault %d, %s: lanes had moved after %s, want %s", i, kind, d, most)
		}
		twice += f.settle(t)
	}
	var all []time.Duration
	for kind, ds := range took {
		all = append(all, ds...)
		slices.Sort(ds)
		t.Logf("%s: lanes had moved and read after %s (p50), %s (max)", kind, ds[len(ds)/2], ds[len(ds)-1])
	}
	slices.Sort(all)
	t.Logf("%d faults in %s, lanes moved within %s (p50), %s (max); during handovers %d samples had a lane with two owners",
		*faults, time.Since(began).Round(time.Second), all[len(all)/2], all[len(all)-1], twice)
	stop()
	f.complete(t)
	for _, m := range f.replicas {
		f.signal(t, m, syscall.SIGTERM)
	}
	f.judge(t)
}

// amidst gives a lane much to write, and returns the replica that has just begun to write
// it. The lane's source has requests left for a catch-up, which starts again wherever the
// lane moves to.
func (f *fleet) amidst(t *testing.T) *member {
	t.Helper()
	busy := f.names()[len(f.names())-1]
	owner := f.look().owners[busy+"/siem"][0]
	f.broker.grown("audit")
	f.apis[busy].Append(1000)
	until(t, time.Millisecond, time.Minute, "records in Kafka", func() bool { return f.broker.grown("audit") })
	return f.replicas[slices.IndexFunc(f.replicas, func(m *member) bool { return m.name == owner })]
}

// befall lets a fault happen to a replica, and returns how long its lanes took to move.
func (f *fleet) befall(t *testing.T, m *member, kind syscall.Signal, wait bool) (took time.Duration, twice int) {
	t.Helper()
	began := time.Now()
	m.asleep = true // it is not asked any more
	f.signal(t, m, kind)
	m.asleep = true
	if kind != syscall.SIGSTOP && !wait {
		f.start(t, m)
		m.asleep = false
	}
	took, twice = f.moved(t, began)
	switch {
	case kind == syscall.SIGSTOP:
		// Lanes of other replicas must not move while its session lasts.
		<-time.After(time.Until(began.Add(11 * time.Second)))
		f.signal(t, m, syscall.SIGCONT)
	case wait:
		f.start(t, m)
		m.asleep = false
	}
	return took, twice
}

func (f *fleet) judge(t *testing.T) {
	t.Helper()
	times := f.times(t)
	ever := map[string]bool{}
	for _, name := range f.names() {
		for id := range f.ids(name) {
			if ever[id] {
				t.Errorf("event %s is in two logs, so the test cannot tell them apart", id)
			}
			ever[id] = true
		}
		f.positionsMatch(t, name)
		if n := f.busiest(name); n > 600 {
			t.Errorf("source %s had %d requests within 60 s, want 600", name, n)
		}
	}
	for _, s := range sinksOfFleet {
		lost, repeated := 0, 0
		for id := range ever {
			if times[s][id] == 0 {
				lost++
			}
			repeated += max(0, times[s][id]-1)
		}
		for id := range maps.Keys(times[s]) {
			if !ever[id] {
				t.Errorf("sink %s: event %q was never in a log", s, id)
			}
		}
		t.Logf("sink %s: %d events, %d lost, %d delivered again", s, len(ever), lost, repeated)
		if lost > 0 || s == "siem" && repeated > 0 {
			t.Errorf("sink %s: of %d events %d are lost and %d repeated", s, len(ever), lost, repeated)
		}
	}
	t.Logf("at most %d requests to one source within 60 s", slices.Max(each(f.names(), f.busiest)))
	f.wroteNothing(t)
}

func each[A, B any](all []A, f func(A) B) (of []B) {
	for _, a := range all {
		of = append(of, f(a))
	}
	return of
}

// busiest returns the largest number of requests to a source within 60 s.
func (f *fleet) busiest(name string) (most int) {
	requests := f.apis[name].Requests()
	first := 0
	for i, r := range requests {
		for r.Time.Sub(requests[first].Time) >= time.Minute {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// positionsMatch compares the last committed positions of a source's lanes with its log,
// all of which is delivered.
func (f *fleet) positionsMatch(t *testing.T, name string) {
	t.Helper()
	last, open, err := committed.Last(t.Context(), []string{f.broker.address}, "sluice.positions")
	if err != nil || len(open) > 0 {
		t.Fatalf("positions: got %+v open and %v", open, err)
	}
	for _, s := range sinksOfFleet {
		var entry struct {
			Lane     string
			Position struct {
				Floor, Newest time.Time
				Named         map[string]int64
			}
		}
		key := "sluice." + name + "." + s
		if err := json.Unmarshal(last[key].Value, &entry); err != nil {
			t.Errorf("position of %s, of %d that there are: %v", key, len(last), err)
			continue
		}
		want := map[string]int64{}
		var newest time.Time
		for e := range f.apis[name].Ever() {
			if newest.Before(e.Created) {
				newest = e.Created
			}
			if !e.Created.Before(entry.Position.Floor) {
				want[e.ID] = e.Created.Sub(entry.Position.Floor).Milliseconds()
			}
		}
		if diff := gocmp.Diff(want, entry.Position.Named); diff != "" {
			t.Errorf("lane %s, floor %s: events named (-delivered +named):\n%.1000s", entry.Lane, entry.Position.Floor, diff)
		}
		if len(want) == 0 || !newest.Equal(entry.Position.Newest) {
			t.Errorf("lane %s: the position names %d events, the newest of %s, want that of %s", entry.Lane, len(want), entry.Position.Newest, newest)
		}
	}
}

// wroteNothing requires that the replicas' directory and home are empty.
func (f *fleet) wroteNothing(t *testing.T) {
	t.Helper()
	found, err := os.ReadDir(f.empty)
	if err != nil || len(found) > 0 {
		t.Errorf("the replicas' directory holds %v, want nothing: %v", found, err)
	}
}
