package cursorlog

import (
	"strings"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
)

func TestCompleteFillsInIDsAndTimes(t *testing.T) {
	early, late := noon.Add(-time.Hour), noon.Add(-time.Minute)
	events := []source.Event{
		{Raw: []byte("first")},
		{ID: "a", Time: late, Raw: []byte("{}")},
		{ID: strings.Repeat("x", MaxID+1), Time: noon.Add(future + time.Second), Raw: []byte("second")},
		{ID: "b", Time: early, Raw: []byte("{}")},
		{ID: strings.Repeat("x", MaxID), Time: time.UnixMilli(-5), Problem: "is old", Raw: []byte("{}")},
		{ID: "c", Time: noon.Add(time.Hour), Problem: "is odd", Raw: []byte("{}")},
	}
	Complete(events, "acme", noon)
	for i, want := range []source.Event{
		{ID: "sha256:a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e", Time: late},
		{ID: "a", Time: late},
		{ID: "sha256:16367aacb67a4a017c8da8ab95682ccb390863780f7114dda0a0e0c55644c7c4", Time: early, Problem: "its time, 2026-01-02T12:05:01Z, is ahead of the clocks"},
		{ID: "b", Time: early},
		{ID: strings.Repeat("x", MaxID), Time: early, Problem: "is old"},
		{ID: "c", Time: early, Problem: "is odd"},
	} {
		e := &events[i]
		if e.ID != want.ID || !e.Time.Equal(want.Time) || e.Problem != want.Problem || e.Organization != "acme" || !e.Read.Equal(noon) {
			t.Errorf("event %d: got id %s, time %s, problem %q of %s, read %s", i, e.ID, e.Time, e.Problem, e.Organization, e.Read)
		}
	}
}

func TestEventsWithoutANeighbourHaveTheTimeOfTheRead(t *testing.T) {
	events := []source.Event{{ID: "a"}, {ID: "b"}}
	Complete(events, "acme", noon)
	if !events[0].Time.Equal(noon) || !events[1].Time.Equal(noon) {
		t.Errorf("got %s and %s", events[0].Time, events[1].Time)
	}
}

func TestMetadataThatIsNullIsAbsent(t *testing.T) {
	events := []source.Event{{ID: "a", Metadata: []byte("null")}, {ID: "b", Metadata: []byte(`"null"`)}}
	Complete(events, "acme", noon)
	if events[0].Metadata != nil || string(events[1].Metadata) != `"null"` {
		t.Errorf("got metadata %q and %q", events[0].Metadata, events[1].Metadata)
	}
}
