// Package source defines a log that can be read again: events in pages, and positions
// between them.
//
// Lanes read a source, one for each sink. Each lane has a Reader and a Position of its own.
// The Reader never moves a saved position: the lane saves Page.Next once the destination
// has taken responsibility for the page. So a Reader may forget everything, and a process
// may lose power at any moment: what was not saved is read again.
//
// This package knows no vendor. The back end (see planetscale) defines what a Position
// holds and how the log is walked.
package source

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"time"

	"github.com/rs/zerolog"
)

// Event is an entry of a source's log. Users of the source chose the text in it: it is
// hostile until encoded.
//
// The strings and slices of an Event share memory with its page and must not be changed.
type Event struct {
	ID           string    // unique in the source; "sha256:…" of Raw where the event has none
	Time         time.Time // when it happened; a neighbour's where its own cannot be used
	Read         time.Time // when this process first saw it
	Organization string    // from the configuration: events of the API name none
	Action       string    // such as "deploy_request.queued"; empty if it could not be decoded
	Verb         string    // what was done in one word, as sent beside Action; empty if not sent
	Actor        Party     // who did it; zero if the system did
	Objects      [2]Party  // the object of the action and its container, in the order of the source; the catalogue defines which is which
	RemoteIP     string    // as sent; not known to be an address
	Origin       *Origin   // where RemoteIP is, if the sink looks that up; nil if not known
	Location     string    // free text
	Modified     string    // when the entry was last changed, as sent; empty if not sent
	Metadata     []byte    // a JSON value, as sent; nil if absent or null
	Raw          []byte    // the event as the API sent it, to the byte; one JSON value where Problem is empty
	Text         string    // the event in a sentence, for people; empty if its source has none
	Late         bool      // events with a later time were delivered before it
	Replayed     bool      // sent again because a person ran sluice replay
	OwnToken     bool      // about the credential with which Sluice reads the log
	Gap          bool      // not an event of the API: Sluice reports that events are missing
	Audit        bool      // not an event of the API: Sluice reports what an audit found; see package evidence/audit
	Problem      string    // what could not be decoded, for people; empty if nothing
	Number       Number    // in the lane's log, given by the lane; zero without evidence
	Hash         [32]byte  // SHA-256 of Raw, if the lane knows it already; see Sum
	Note         string    // the event carries this signed note of package evidence; empty in all others
	Reject       bool      // it becomes a dead letter instead of a record: Problem is the reason, Raw the beginning of the event
}

// Number is the place of a record in its lane's log: how often the lane was taken, from 1
// on, and how many records stand before it. See package evidence.
type Number struct{ Epoch, Sequence uint64 }

// Given reports whether the record has a number.
func (n Number) Given() bool { return n.Epoch > 0 }

// Sum returns the SHA-256 of Raw.
func (e *Event) Sum() [32]byte {
	if e.Hash != [32]byte{} {
		return e.Hash
	}
	return sha256.Sum256(e.Raw)
}

// Party is an actor or an object. A null in the API is an empty string here.
type Party struct{ ID, Type, Name string }

// Origin is what address databases know about an address (see transform/prepare). Events
// share it, and it must not be changed. What is not known is zero.
type Origin struct {
	Continent    string  // code of two letters, such as "EU"
	Country      string  // ISO 3166-1 alpha-2, such as "SE"
	CountryName  string  // in English, as all names here
	Region       string  // ISO 3166-2, such as "SE-E"
	RegionName   string  // the largest subdivision of the country
	City         string  // its name
	Postal       string  // postal code
	Timezone     string  // of the IANA database, such as "Europe/Stockholm"
	Latitude     float64 // degrees north; with Longitude, both 0 if not known
	Longitude    float64 // degrees east
	System       uint32  // number of the autonomous system
	SystemHolder string  // the organization that holds the number
}

// Position is a place in a source's log: a JSON value that is opaque outside
// its source, small enough to be saved often (at most 512 kB).
type Position = json.RawMessage

// Page is the result of one call of Reader.Next: events in the order of the log, oldest
// first, and the position after the last of them. Events may be empty: then Next records
// that time passed, or what the source must remember before the next event is published.
// Such a position is saved before that. A reader whose first walk finds no event returns
// such a page at once, so the caller learns that it is caught up.
type Page struct {
	Events   []Event
	Next     Position
	CaughtUp bool // no further event was known when it was read
}

// Start is where a lane without a checkpoint begins.
type Start struct {
	Now   bool      // after the newest event there is
	Since time.Time // at this time; zero with Now false: at the oldest event there is
}

// String returns the start as configurations write it.
func (s Start) String() string {
	switch {
	case s.Now:
		return "now"
	case s.Since.IsZero():
		return "beginning"
	}
	return s.Since.UTC().Format(time.RFC3339Nano)
}

// Env describes to a Reader the lane that it reads for.
type Env struct {
	Lane   string // such as "acme/siem"
	Log    zerolog.Logger
	Memory Memory // of the lane; nil is Unbounded

	// Page is how many events a page may have: the lane publishes no more at once, and
	// saves the position behind a page. 0 means as many as the reader likes.
	Page int
}

// Source is a log. Its methods may be called concurrently: the lanes of a
// source share its client, its limits and its requests in flight.
type Source interface {
	// Start turns a start into a position. The caller saves it before it reads.
	Start(ctx context.Context, at Start) (Position, error)

	// Open returns a reader that resumes at pos. It sends no request. The error is
	// ErrUnusable: the position is corrupt or not of this source.
	Open(pos Position, env Env) (Reader, error)

	// Describe explains a position to people and metrics.
	Describe(pos Position) (Description, error)

	// Check requests one page, publishes nothing, and returns a line about what it saw.
	Check(ctx context.Context) (string, error)

	// Freshness returns how old the last read of a healthy reader may be. It may change
	// from call to call.
	Freshness() Freshness

	// Usage is a snapshot for metrics.
	Usage() Usage

	// Close ends requests in flight. The caller closes all readers first.
	Close() error
}

// Reader reads a source for one lane. Only Progress may be called while
// another method runs.
type Reader interface {
	// Next waits for events, or until the position should be saved again because time
	// passed. After an error it may be called again and resumes where it was. The caller
	// paces the retries, see Error.
	Next(ctx context.Context) (Page, error)

	// Progress is a snapshot for metrics and people.
	Progress() Progress

	Close() error
}

// Description is what a position means.
type Description struct {
	Event   time.Time // time of the newest event delivered; zero if none was
	Floor   time.Time // everything before it is settled; zero at the beginning
	Through time.Time // everything listed until then has been delivered; zero at the beginning
	Expires time.Time // when the log's retention passes the position, or Awaits if nothing was delivered yet; zero if never, or if nothing was listed yet
	Awaits  time.Time // time of the oldest event that was listed and not delivered; zero if none is known
	Gap     Interval  // of which events may be missing, while that is not delivered; zero if none is
}

// Interval is from one time to another.
type Interval struct{ From, To time.Time }

// Progress is what a reader has seen since it was opened.
type Progress struct {
	LastRead    time.Time     // end of the last successful request, zero if none
	CaughtUp    bool          // the last walk was handed out, and no further event is known
	WalkPages   int           // pages of the current walk listed so far
	WalkEvents  int           // events in them that are to be delivered
	WalkDone    bool          // the current walk is complete and is being handed out
	Handed      int           // events of the current walk handed out so far
	Oldest      time.Time     // time of the oldest event of the current walk, zero if unknown
	Overlap     time.Duration // the overlap in effect; less than configured if a position cannot name more
	Gaps        uint64        // gaps found
	LastGap     time.Time     // when the last one was found, zero if none was
	Changed     uint64        // events seen again with other bytes: changed, or another event with the same id
	LateEvents  uint64        // events handed out late
	WalksFailed uint64        // walks discarded
}

// Freshness is how old reads may be.
type Freshness struct {
	Age    time.Duration // the age of the last read with every known delay; an older one is a reason for alarm
	Reason string        // why requests are being held back, for people; empty if they are not
}

// Usage counts what a source's client has done since it was created.
type Usage struct {
	Answers    map[string]uint64 // answers by HTTP status, "error" where there was none
	BudgetLeft float64           // requests that may be sent at once; +Inf if there is no limit
	BudgetUsed uint64            // requests that the budget allowed, for all sources that share it
	ClockSkew  time.Duration     // how far its clock and this machine's are apart, if that is over a minute; 0 if it is not, or not known
}
