package verify

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/source"
)

// Listing compares an export with what the source lists. It takes all that is listed
// (Begin, Listed) before the claims (Claim). If it finds that an event vanished or changed
// (Doubts), the log should be listed once more before the Report: an event that is there the
// second time was only not shown. It may be used concurrently.
//
// It compares events, by their ids. That the records are those that were delivered is what
// a Checker finds out.
type Listing struct {
	options ListingOptions

	mu       sync.Mutex
	events   map[string]*listed
	oldest   time.Time // of the newest listing; zero if it has none
	undated  int
	first    time.Time
	rejected map[string]bool
	vanished map[string]Difference
	changed  map[string]Difference
}

// ListingOptions say what is known of the source and the sink.
type ListingOptions struct {
	Lane         string        // for the report
	Organization string        // whose claims are compared
	Lateness     time.Duration // how late an event may be listed and still be delivered
	Redacted     bool          // records have other bytes than the source, so bytes are not compared

	// Wanted reports whether the sink gets an event; nil: it gets all.
	Wanted func(source.Listed) bool

	// Most is how many differences of a kind the report lists; it counts all. 0 is 1,000.
	Most int
}

// listed is an event that the source lists.
type listed struct {
	id        string
	at        int64    // milliseconds; 0 if it has no time of its own
	sum       [32]byte // of its bytes in the first listing that has it
	later     [32]byte // and in the last one
	delivered bool
	unwanted  bool
}

// Difference is an event in which export and source differ.
type Difference struct {
	ID    string    `json:"id"`
	Time  time.Time `json:"time,omitzero"`
	Place Place     `json:"place,omitzero"` // in the export; zero if it is not there
	hash  [32]byte
}

// ListingReport is what a Listing found.
type ListingReport struct {
	Lane         string    `json:"lane"`
	Organization string    `json:"organization"`
	From         time.Time `json:"from,omitzero"` // events from here on are compared
	To           time.Time `json:"to,omitzero"`   // and below here; those that are not older may yet be delivered
	Reason       string    `json:"reason,omitempty"`

	Listed    int  `json:"listed"`    // events that the source lists, whenever they happened
	Compared  int  `json:"compared"`  // of these, those between From and To
	Delivered int  `json:"delivered"` // of these
	Filtered  int  `json:"filtered"`
	Rejected  int  `json:"rejected"`
	NotYetDue int  `json:"not_yet_due"` // neither delivered nor old enough
	Undated   int  `json:"undated"`     // without a usable time; they are not compared
	Bytes     bool `json:"bytes"`       // whether bytes were compared

	Undelivered []Difference `json:"undelivered"` // listed, and not in the export
	Vanished    []Difference `json:"vanished"`    // in the export, and listed no longer
	Changed     []Difference `json:"changed"`     // listed with other bytes than were delivered

	UndeliveredTotal int `json:"undelivered_total"`
	VanishedTotal    int `json:"vanished_total"`
	ChangedTotal     int `json:"changed_total"`
}

// Clean reports whether export and source agree.
func (r *ListingReport) Clean() bool {
	return r.UndeliveredTotal == 0 && r.VanishedTotal == 0 && r.ChangedTotal == 0
}

// NewListing returns a Listing that knows of nothing.
func NewListing(o ListingOptions) *Listing {
	o.Most = cmp.Or(o.Most, 1000)
	return &Listing{
		options: o, events: map[string]*listed{}, rejected: map[string]bool{},
		vanished: map[string]Difference{}, changed: map[string]Difference{},
	}
}

// Begin begins a listing.
func (l *Listing) Begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.oldest, l.undated = time.Time{}, 0
}

// Listed takes an event that the source lists.
func (l *Listing) Listed(e source.Listed) {
	sum := sha256.Sum256(e.Raw)
	unwanted := l.options.Wanted != nil && !l.options.Wanted(e)
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.Time.IsZero() {
		l.undated++
	} else if l.oldest.IsZero() || e.Time.Before(l.oldest) {
		l.oldest = e.Time
	}
	id := shortID(e.ID)
	if known := l.events[id]; known != nil {
		known.later = sum
		return
	}
	entry := &listed{id: strings.Clone(e.ID), sum: sum, later: sum, unwanted: unwanted}
	if !e.Time.IsZero() {
		entry.at = e.Time.UnixMilli()
	}
	l.events[id] = entry
	if d, claimed := l.vanished[id]; claimed {
		delete(l.vanished, id)
		l.deliver(entry, id, d)
	}
}

// longestShort is how much of an id all formats state.
const longestShort = 40

// shortID is an id as the format that states least of it has it.
func shortID(id string) string {
	if len(id) <= longestShort {
		return id
	}
	const prefix = "sha256:"
	if len(id) != len(prefix)+2*sha256.Size || id[:len(prefix)] != prefix {
		sum := sha256.Sum256([]byte(id))
		id = prefix + hex.EncodeToString(sum[:])
	}
	return id[:longestShort]
}

// own is the beginning of the actions of events that Sluice adds to a log.
const own = "sluice."

// Claim takes what a record states. It keeps nothing of the memory of the claim.
func (l *Listing) Claim(c *Claim) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.Note != "" {
		l.note(c.Note)
		return
	}
	if c.Facts.Organization != l.options.Organization || strings.HasPrefix(c.Facts.Action, own) {
		return
	}
	at := c.Facts.Time
	if !c.Replayed && !at.IsZero() && (l.first.IsZero() || at.Before(l.first)) {
		l.first = at
	}
	id := shortID(c.Facts.ID)
	d := Difference{ID: strings.Clone(c.Facts.ID), Time: at.UTC(), Place: c.Place, hash: c.Facts.Hash}
	entry := l.events[id]
	switch {
	case entry != nil:
		l.deliver(entry, strings.Clone(id), d)
	case at.After(l.oldest) && !l.oldest.IsZero():
		l.vanished[strings.Clone(id)] = d
	}
}

// deliver takes that an event is in the export.
func (l *Listing) deliver(e *listed, id string, d Difference) {
	e.delivered = true
	if !l.options.Redacted && d.hash != e.sum && d.hash != [32]byte{} {
		l.changed[id] = d
	}
}

// note takes the records that a note says to be rejected. Whether it is signed is what a
// Checker finds out.
func (l *Listing) note(signed string) {
	text, _, _ := strings.Cut(signed, "\n\n")
	n, err := evidence.ParseText(text + "\n")
	if err != nil {
		return
	}
	for _, r := range n.Rejected {
		l.rejected[shortID(r.ID)] = true
	}
}

// Doubts reports whether the log should be listed once more.
func (l *Listing) Doubts() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.vanished)+len(l.changed) > 0
}

// Report compares. through is until when all that was listed has been delivered, by the
// notes of the export.
func (l *Listing) Report(through time.Time) *ListingReport {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &ListingReport{
		Lane: l.options.Lane, Organization: l.options.Organization, Listed: len(l.events), Undated: l.undated, Bytes: !l.options.Redacted,
		Undelivered: []Difference{}, Vanished: []Difference{}, Changed: []Difference{},
	}
	switch {
	case l.oldest.IsZero():
		r.Reason = "the source lists no event with a time"
	case l.first.IsZero():
		r.Reason = "the export has no event of the organization"
	case through.IsZero():
		r.Reason = "no note says until when the lane had delivered all"
	default:
		// A late event of an export may be older than those that were delivered before it
		// begins.
		r.From, r.To = later(l.first.Add(l.options.Lateness), l.oldest).UTC(), through.Add(-l.options.Lateness).UTC()
		if !r.From.Before(r.To) {
			r.Reason = fmt.Sprintf("the export spans too little time: events count from %s after its first one to %[1]s before its newest note", l.options.Lateness)
		}
	}
	var undelivered []Difference
	for id, e := range l.events {
		due := e.at > 0 && e.at >= r.From.UnixMilli() && e.at < r.To.UnixMilli()
		switch {
		case e.at == 0 || r.Reason != "" || e.at < r.From.UnixMilli():
			continue
		case due:
			r.Compared++
		}
		switch {
		case e.delivered && due:
			r.Delivered++
		case e.delivered:
		case e.unwanted && due:
			r.Filtered++
		case e.unwanted:
		case l.rejected[id] && due:
			r.Rejected++
		case l.rejected[id]:
		case due:
			undelivered = append(undelivered, Difference{ID: e.id, Time: time.UnixMilli(e.at).UTC()})
		default:
			r.NotYetDue++
		}
	}
	for id, d := range l.vanished {
		if !d.Time.After(l.oldest) {
			delete(l.vanished, id)
		}
	}
	for id, d := range l.changed {
		if d.hash == l.events[id].later {
			delete(l.changed, id)
		}
	}
	r.Undelivered, r.UndeliveredTotal = l.most(undelivered)
	r.Vanished, r.VanishedTotal = l.most(slices.Collect(maps.Values(l.vanished)))
	r.Changed, r.ChangedTotal = l.most(slices.Collect(maps.Values(l.changed)))
	return r
}

// most returns the first differences, in the order of time, and how many there are.
func (l *Listing) most(all []Difference) ([]Difference, int) {
	slices.SortFunc(all, func(a, b Difference) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.ID, b.ID)) })
	return append([]Difference{}, all[:min(len(all), l.options.Most)]...), len(all)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
