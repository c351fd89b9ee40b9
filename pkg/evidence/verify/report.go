package verify

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// Kind is what a Finding is about.
type Kind string

// Kinds of findings: somebody has changed the export, or the log is not whole.
const (
	Missing       Kind = "missing"       // records that a note names and that are not there
	Altered       Kind = "altered"       // a record does not say what was delivered
	Moved         Kind = "moved"         // a record stands under the number of another one
	Forged        Kind = "forged"        // a record was never delivered
	MissingNote   Kind = "missing note"  // a note that others name and that is not there
	AlteredNote   Kind = "altered note"  // its signature is not right
	ForgedNote    Kind = "forged note"   // no trusted key has signed it
	Contradiction Kind = "contradiction" // a trusted key has signed what cannot be true
	CutTail       Kind = "cut tail"      // what came after the last note is not there
)

// Kinds of notices: what a reader must know, and what proves no change.
const (
	Opening  Kind = "opening"  // a lane was taken
	Silence  Kind = "silence"  // no note for longer than two should be apart
	NewLog   Kind = "new log"  // a lane had lost its state
	Begins   Kind = "begins"   // the export begins within the log
	Unsealed Kind = "unsealed" // records that no note covers yet
	Unproven Kind = "unproven" // a record of which no note says anything
	Gap      Kind = "gap"      // the source's log no longer had events when they were to be read
)

// Kinds of records that are listed, and are in order.
const (
	Rejected  Kind = "rejected"  // it became a dead letter
	Orphaned  Kind = "orphaned"  // it was delivered, not saved, and delivered again under another number
	Duplicate Kind = "duplicate" // it is there more than once
)

// Finding is something that a Checker found. What is not known is left out.
type Finding struct {
	Kind     Kind      `json:"kind"`
	Log      string    `json:"log,omitempty"`
	Sequence *uint64   `json:"sequence,omitempty"` // of the record, or of the first of several
	Last     *uint64   `json:"last,omitempty"`     // of the last of several
	Right    *uint64   `json:"right,omitempty"`    // the number under which the record was delivered
	Epoch    uint64    `json:"epoch,omitempty"`
	Note     *uint64   `json:"note,omitempty"`      // number of the note, or of the first of several
	LastNote *uint64   `json:"last_note,omitempty"` // of the last of several
	Key      string    `json:"key,omitempty"`       // the verifier key from then on
	ID       string    `json:"id,omitempty"`        // of the event
	Time     time.Time `json:"time,omitzero"`       // of the event, or of the note
	Before   time.Time `json:"before,omitzero"`     // of the neighbour before it
	After    time.Time `json:"after,omitzero"`      // of the neighbour after it
	Place    Place     `json:"place,omitzero"`
	Detail   string    `json:"detail,omitempty"`
}

// Counts are how many records were judged in each way.
type Counts struct {
	Records       int64 `json:"records"` // all that were read, notes too
	Notes         int64 `json:"notes"`
	RepeatedNotes int64 `json:"repeated_notes"`
	Good          int64 `json:"good"`       // each once
	ByContent     int64 `json:"by_content"` // of the good ones: they had no number, and were found by what they say
	Duplicates    int64 `json:"duplicates"`
	Orphaned      int64 `json:"orphaned"`
	Rejected      int64 `json:"rejected"`
	Redriven      int64 `json:"redriven"` // of the rejected ones
	Replayed      int64 `json:"replayed"`
	Once          int64 `json:"once"` // not there under their number, and there under an earlier one
	Missing       int64 `json:"missing"`
	Unsealed      int64 `json:"unsealed"`
	Unproven      int64 `json:"unproven"` // their note is missing
	Before        int64 `json:"before"`   // they have no number, and are older than all notes
}

// Foreign are lines that are no records of Sluice.
type Foreign struct {
	Why   string `json:"why"`
	Count int64  `json:"count"`
	First Place  `json:"first"`
}

// Log is what an export has of a lane's log, by its notes.
type Log struct {
	Origin     string    `json:"origin"`
	Lane       string    `json:"lane"`
	Keys       []string  `json:"keys"` // names and hashes of those that signed notes
	Notes      int       `json:"notes"`
	FirstNote  uint64    `json:"first_note"`
	LastNote   uint64    `json:"last_note"`
	From       time.Time `json:"from"` // times of these notes
	To         time.Time `json:"to"`
	First      uint64    `json:"first"`   // sequence of the first record that a note covers
	Records    uint64    `json:"records"` // that notes cover
	Epoch      uint64    `json:"epoch"`
	Filtered   uint64    `json:"filtered"`
	Through    time.Time `json:"through,omitzero"` // all that the source listed until then was delivered or is told
	Statements int       `json:"statements,omitempty"`
	Audit      string    `json:"audit,omitempty"` // of the newest statement
}

// Verdict is what an export comes to.
type Verdict string

// Verdicts.
const (
	Clean         Verdict = "clean"
	Findings      Verdict = "findings"
	NotVerifiable Verdict = "not verifiable"
)

// Report is what a Checker found.
type Report struct {
	Verdict  Verdict      `json:"verdict"`
	Reason   string       `json:"reason,omitempty"` // why nothing could be verified
	Counts   Counts       `json:"counts"`
	Logs     []Log        `json:"logs"`
	Findings []Finding    `json:"findings"`
	Notices  []Finding    `json:"notices"`
	Listed   []Finding    `json:"listed"` // records that are in order, and that a reader may ask about
	Totals   map[Kind]int `json:"totals"` // how many findings of each kind there are, also those that are not listed
	Foreign  []Foreign    `json:"foreign"`

	Sources []*ListingReport `json:"sources,omitempty"` // what comparisons with the source found, see Compare

	most int
}

func (r *Report) tell(f Finding) { r.add(&r.Findings, f) }
func (r *Report) note(f Finding) { r.add(&r.Notices, f) }
func (r *Report) list(f Finding) { r.add(&r.Listed, f) }

func (r *Report) add(to *[]Finding, f Finding) {
	if r.Totals[f.Kind]++; r.Totals[f.Kind] <= r.most {
		*to = append(*to, f)
	}
}

// Report judges all claims. Nothing may be added after it.
func (c *Checker) Report() *Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reopen()
	r := &Report{
		Verdict: Clean, Counts: c.counts, Totals: map[Kind]int{}, most: c.options.Listed,
		Logs: []Log{}, Findings: []Finding{}, Notices: []Finding{}, Listed: []Finding{}, Foreign: []Foreign{},
	}
	for _, f := range c.foreign {
		r.Foreign = append(r.Foreign, *f)
	}
	slices.SortFunc(r.Foreign, func(a, b Foreign) int { return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Why, b.Why)) })
	if len(c.logs) == 0 {
		r.Verdict, r.Reason = NotVerifiable, c.unverifiable()
		return r
	}
	// The order in which logs are read says nothing.
	slices.SortFunc(c.logs, func(a, b *log) int {
		return cmp.Or(strings.Compare(a.generation(), b.generation()), a.first().Time.Compare(b.first().Time), strings.Compare(a.origin, b.origin))
	})
	c.judge(r)
	c.chains(r)
	elsewhere := c.findOnce()
	for _, l := range c.logs {
		c.gather(r, l, elsewhere)
		r.Logs = append(r.Logs, c.logReport(l))
	}
	for _, gap := range c.gaps {
		r.note(gap)
	}
	slices.SortStableFunc(r.Findings, inOrder)
	if len(r.Findings) > 0 {
		r.Verdict = Findings
	}
	return r
}

// inOrder compares findings by log, and then by sequence.
func inOrder(a, b Finding) int {
	sequence := func(f Finding) uint64 {
		if f.Sequence == nil {
			return 0
		}
		return *f.Sequence
	}
	return cmp.Or(strings.Compare(a.Log, b.Log), cmp.Compare(sequence(a), sequence(b)))
}

// reopen checks notes again whose key another note has named since.
func (c *Checker) reopen() {
	for again := true; again; {
		again = false
		left := c.unsigned
		c.unsigned = nil
		for _, u := range left {
			c.counts.Notes--
			before := len(c.unsigned)
			c.note(&Claim{Note: u.text, Place: u.place}, c.keys.open(u.text))
			again = again || len(c.unsigned) == before
		}
	}
}

// unverifiable says why there is no note that anything could be compared with.
func (c *Checker) unverifiable() string {
	switch {
	case c.counts.Records == 0:
		return "there is no record of Sluice"
	case len(c.unsigned) == 0:
		return "there is no note: evidence was off, or the notes are not part of the export"
	}
	names := map[string]bool{}
	for _, u := range c.unsigned {
		for _, name := range signers(u.text) {
			names[name] = true
		}
	}
	return "no note is signed by a key that was given; they are signed by " + strings.Join(slices.Sorted(maps.Keys(names)), ", ")
}

// signers returns the names in the signatures of a note.
func signers(signed string) (names []string) {
	for line := range strings.Lines(signed) {
		if rest, is := strings.CutPrefix(line, "\u2014 "); is {
			name, _, _ := strings.Cut(rest, " ")
			names = append(names, name)
		}
	}
	return names
}
