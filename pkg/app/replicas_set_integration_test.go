//go:build integration

package app_test

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/internal/kafkabroker"
)

// While two replicas run, check and checkpoint list disturb nobody. checkpoint set takes
// effect once, on a lane whose sink keeps the position and on a lane whose position is in
// the state. No other lane is affected.
func TestSetWhileReplicasRun(t *testing.T) {
	set := []string{"s00/siem", "s00/splunk"}
	f := newFleet(t, 3, 2)
	f.settle(t)
	f.complete(t)
	owners, started := f.look().owners, f.started(t)
	if out := f.answer(t, "check"); !strings.Contains(out, "has 2 replicas") {
		t.Errorf("check: got %s, want it to report 2 replicas", out)
	}
	f.listed(t)
	old := f.times(t)
	f.answer(t, append([]string{"checkpoint", "set", "--to", "beginning"}, set...)...)
	// The next event of each lane makes it save, and so find the position that was set.
	seam := f.appendAll()
	again := func(s string) bool {
		times := f.times(t)[s]
		return !slices.ContainsFunc(slices.Collect(f.ids("s00")), func(id string) bool { return old[s][id] > 0 && times[id] < 2 })
	}
	until(t, 100*time.Millisecond, time.Minute, "lanes to deliver again", func() bool { return again("siem") && again("splunk") })
	f.appendAll()
	f.complete(t)
	for _, lane := range set {
		started[lane]++
	}
	if diff := gocmp.Diff(started, f.started(t)); diff != "" {
		t.Errorf("how often lanes started (-want +got):\n%s", diff)
	}
	if diff := gocmp.Diff(owners, f.look().owners); diff != "" {
		t.Errorf("owners (-before +after):\n%s", diff)
	}
	f.restart(t)
	f.listed(t)
	f.judgeSet(t, set, old, seam)
}

// judgeSet requires that events delivered before a lane was set are there twice, and all
// others once. If publish and save are not one step, events that the lane had published
// when its save failed may be there twice as well.
func (f *fleet) judgeSet(t *testing.T, set []string, old map[string]map[string]int, seam map[string]bool) {
	t.Helper()
	times := f.times(t)
	for _, name := range f.names() {
		for _, s := range sinksOfFleet {
			for id := range f.ids(name) {
				want := 1
				if slices.Contains(set, name+"/"+s) {
					want += old[s][id]
					if s != "siem" && seam[id] && times[s][id] == 2 {
						want = 2
					}
				}
				if got := times[s][id]; got != want {
					t.Errorf("lane %s/%s: event %s was delivered %d times, want %d", name, s, id, got, want)
				}
			}
		}
		f.positionsMatch(t, name)
	}
}

// complete waits until all sinks have all events.
func (f *fleet) complete(t *testing.T) {
	t.Helper()
	const patience = time.Minute
	for began := time.Now(); ; <-time.After(100 * time.Millisecond) {
		asked := time.Now()
		missing := f.missing(t)
		if len(missing) == 0 {
			return
		}
		if asked.Sub(began) < patience {
			continue
		}
		for lane, events := range missing {
			e := events[0]
			t.Logf("%s: %d events, such as %s of %s, listed %s", lane, len(events), e.ID, e.Created, e.Listed)
		}
		for _, m := range f.replicas {
			ready, err := m.ask("/readyz")
			t.Logf("%s: %v %s\n%s", m.name, err, ready, f.said(t, m))
		}
		t.Fatalf("after %s %d lanes have not delivered everything", patience, len(missing))
	}
}

// appendAll adds an event to each log and returns their ids.
func (f *fleet) appendAll() map[string]bool {
	ids := map[string]bool{}
	for _, api := range f.apis {
		ids[api.Append(1)[0]] = true
	}
	return ids
}

// restart ends all replicas, and then starts them again.
func (f *fleet) restart(t *testing.T) {
	t.Helper()
	for _, m := range f.replicas {
		f.signal(t, m, syscall.SIGTERM)
	}
	for _, m := range f.replicas {
		f.start(t, m)
	}
	f.settle(t)
	f.appendAll()
	f.complete(t)
	for _, m := range f.replicas {
		f.signal(t, m, syscall.SIGTERM)
	}
}

// answer returns the output of a command that must succeed.
func (f *fleet) answer(t *testing.T, args ...string) string {
	t.Helper()
	cmd := f.sluice(kafkabroker.Loopback("0"), args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%q: %v: %s%s", args, err, stdout.String(), stderr.String())
	}
	return stdout.String()
}

// listed compares checkpoint list with what the replicas report. Each lane has a position
// and a lag. All lanes of a replica have the same owner. Without a replica there is no
// owner.
func (f *fleet) listed(t *testing.T) {
	t.Helper()
	out := f.answer(t, "checkpoint", "list")
	running := f.look().owners
	owner, lanes := map[string]string{}, 0
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		lane := fields[0]
		_, s, ok := strings.Cut(lane, "/")
		if !ok {
			continue // the header of the table
		}
		lanes++
		kept := "topic sluice.positions"
		if s == "siem" {
			kept = "sink siem"
		}
		behind, err := time.ParseDuration(fields[4])
		if err != nil || behind > time.Minute || !strings.Contains(line, kept) {
			t.Errorf("lane %s: its lag is %v, %v, in %s", lane, behind, err, line)
		}
		last := fields[len(fields)-1]
		if (last == "-") != (len(running[lane]) == 0) {
			t.Errorf("checkpoint list says that %s is run by %s, but it is run by %q", lane, last, running[lane])
		}
		replica := strings.Join(running[lane], " and ")
		if before, ok := owner[last]; ok && before != replica {
			t.Errorf("lanes of %s and of %s both have the owner %s", before, replica, last)
		}
		owner[last] = replica
	}
	if lanes != len(f.lanes()) {
		t.Errorf("listed %d lanes, want %d: %s", lanes, len(f.lanes()), out)
	}
}

// started returns how often each lane was started, in all replicas.
func (f *fleet) started(t *testing.T) map[string]int {
	t.Helper()
	times := map[string]int{}
	for _, m := range f.replicas {
		data, err := os.ReadFile(m.stderr)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(data) {
			var said struct{ Lane, Message string }
			if err := json.Unmarshal(line, &said); err == nil && said.Message == "lane started" {
				times[said.Lane]++
			}
		}
	}
	return times
}
