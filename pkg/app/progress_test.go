package app

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/source"
)

func TestProgressOfALane(t *testing.T) {
	var m meter
	now := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name   string
		reader source.Progress
		done   uint64
		want   string
	}{
		{"it lists", source.Progress{WalkPages: 1, WalkEvents: 101}, 0, "acme/siem: listing the log: 1 page, 101 events to deliver"},
		{"pages come", source.Progress{WalkPages: 11, WalkEvents: 1101, Oldest: now}, 0, "acme/siem: listing the log: 11 pages, 1,101 events to deliver, back to 2026-03-01T10:00:00Z, 10.0 pages/s"},
		{"it delivers, how fast is unknown", source.Progress{WalkDone: true, WalkEvents: 11000, Handed: 1000}, 500, "acme/siem: delivering: 1,000 of 11,000 events"},
		{"events are delivered", source.Progress{WalkDone: true, WalkEvents: 11000, Handed: 2000}, 1500, "acme/siem: delivering: 9s left, 2,000 of 11,000 events, 1,000/s"},
		{"none for a second: the rate sinks slowly", source.Progress{WalkDone: true, WalkEvents: 11000, Handed: 2000}, 1500, "acme/siem: delivering: 13s left, 2,000 of 11,000 events, 700/s"},
	} {
		u, is := m.measure(pipeline.Status{Lane: "acme/siem", CatchingUp: true, Reader: c.reader, Counters: pipeline.Counters{Published: c.done}}, now)
		if !is {
			t.Errorf("%s: it is not behind", c.name)
		}
		if diff := cmp.Diff(c.want, u.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		now = now.Add(time.Second)
	}
	if _, is := m.measure(pipeline.Status{Lane: "acme/siem", Reader: source.Progress{WalkDone: true, WalkEvents: 11000}}, now); is {
		t.Error("a lane that has caught up is behind")
	}
}

// A terminal has one line for all lanes, and its begin says most.
func TestProgressOfSeveralLanes(t *testing.T) {
	lists := catchUp{lane: "a/x", listing: true, pages: 12, events: 1200}
	fast := catchUp{lane: "b/x", events: 1000, settled: 500, rate: 100}
	slow := catchUp{lane: "c/x", events: 3000, settled: 1000, rate: 10}
	still := catchUp{lane: "d/x", events: 3000, settled: 1000}
	for _, c := range []struct {
		all  []catchUp
		want string
	}{
		{nil, ""},
		{[]catchUp{fast}, "b/x: delivering: 5s left, 500 of 1,000 events, 100/s"},
		{[]catchUp{lists, fast, slow}, "3 lanes behind: 1 listing the log (12 pages); 2 delivering: 3m20s left, 1,500 of 4,000 events, 110/s"},
		{[]catchUp{fast, still}, "2 lanes behind: 2 delivering: 1,500 of 4,000 events, 100/s"},
	} {
		if diff := cmp.Diff(c.want, together(c.all)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	for width, want := range map[int]string{0: "日本 delivers", 13: "日本 delivers", 12: "日本 delive…", 4: "日…", -1: "日本 delivers"} {
		if got := clip("日本 delivers", width); got != want {
			t.Errorf("width %d: got %q, want %q", width, got, want)
		}
	}
}

// A line of the log stands above the live line, whole.
func TestTheLogStandsAboveTheLiveLine(t *testing.T) {
	var screen strings.Builder
	live := &liveLine{to: &screen}
	write := func(text string) {
		if n, err := live.Write([]byte(text)); n != len(text) || err != nil {
			t.Errorf("got %d and error %v", n, err)
		}
	}
	write("first\n")
	live.show("1 of 2")
	write("second\n")
	live.show("1 of 2")
	live.show("")
	write("third\n")
	const clear = "\r\x1b[K"
	if diff := cmp.Diff("first\n"+clear+"1 of 2"+clear+"second\n1 of 2"+clear+"third\n", screen.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
