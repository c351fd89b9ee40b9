package audit

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Result is what an audit found, in numbers of events.
type Result struct {
	At        time.Time     `json:"at"`                  // when it began
	From      time.Time     `json:"from,omitzero"`       // beginning of the oldest hour that was compared; zero if none was
	Through   time.Time     `json:"through,omitzero"`    // end of the newest
	Compared  uint64        `json:"compared"`            // listed in those hours
	Missing   uint64        `json:"missing,omitempty"`   // listed and never settled: they were delivered then
	Vanished  uint64        `json:"vanished,omitempty"`  // settled, and gone before their time
	Altered   uint64        `json:"altered,omitempty"`   // settled with other bytes
	Unclear   uint64        `json:"unclear,omitempty"`   // hours that differ, and nobody can tell by which events
	Lateness  time.Duration `json:"lateness,omitempty"`  // of the latest event since the audit before: at least so late
	Truncated bool          `json:"truncated,omitempty"` // more events are missing, which the next audit delivers
}

// covers reports whether the audit compared an hour.
func (r *Result) covers(hour int64) bool {
	return !r.From.IsZero() && !startOf(hour).Before(r.From) && !startOf(hour+1).After(r.Through)
}

// Clean reports whether all that was compared is equal.
func (r *Result) Clean() bool { return r.Missing+r.Vanished+r.Altered+r.Unclear == 0 }

// String says it in one line, as statements have it.
func (r *Result) String() string {
	if r.At.IsZero() {
		return ""
	}
	at := r.At.UTC().Format(time.RFC3339)
	if r.From.IsZero() {
		return at + ": nothing to compare yet"
	}
	var found []string
	for _, of := range []struct {
		n    uint64
		what string
	}{{r.Missing, "missing and delivered"}, {r.Vanished, "vanished"}, {r.Altered, "altered"}, {r.Unclear, "hours unclear"}} {
		if of.n > 0 {
			found = append(found, fmt.Sprintf("%d %s", of.n, of.what))
		}
	}
	if found == nil {
		found = []string{"all equal"}
	}
	return fmt.Sprintf("%s: %d events from %s to %s compared: %s", at, r.Compared,
		r.From.UTC().Format(time.RFC3339), r.Through.UTC().Format(time.RFC3339), strings.Join(found, ", "))
}

// overlaps are the lengths that Advise names.
var overlaps = []time.Duration{
	10 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	24 * time.Hour, 48 * time.Hour,
}

// Advise returns an overlap that suffices for what is known: twice the lateness, and more
// than the one in effect, if events came too late for that; otherwise 0. How late a missing
// event came may not be known, so after the next audit the advice may be more.
func (r *Result) Advise(overlap time.Duration) time.Duration {
	if r.Missing == 0 && r.Lateness <= overlap {
		return 0
	}
	want := 2 * max(r.Lateness, overlap)
	if i, _ := slices.BinarySearch(overlaps, want); i < len(overlaps) {
		return overlaps[i]
	}
	return want.Truncate(time.Hour) + time.Hour
}

// Kind is what happened to events.
type Kind string

// The kinds of findings.
const (
	Vanished Kind = "vanished" // delivered, and not listed any more, before its time
	Altered  Kind = "altered"  // listed with other bytes than those that were delivered
	Unclear  Kind = "unclear"  // events are missing or vanished, and nobody can tell which
)

// Finding is what an audit found in an hour and cannot repair.
type Finding struct {
	Hour    time.Time `json:"hour"` // its beginning
	Kind    Kind      `json:"kind"`
	Events  uint64    `json:"events,omitempty"`  // how many at least; 0 if not known
	ID      string    `json:"id,omitempty"`      // of the event, if it is one and known
	Hash    string    `json:"id_hash,omitempty"` // of its id, if only that is known: the first 8 bytes of the SHA-256, without the three highest bits
	Settled uint64    `json:"settled"`           // events of the hour that the lane had settled
	Listed  uint64    `json:"listed"`            // events of the hour that are listed
}
