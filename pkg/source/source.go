// Package source says what a log that can be read again looks like to the
// rest of Sluice: events in pages, and positions between them.
//
// A source is read by lanes, one for each sink, and each lane has a Reader and
// a Position of its own. The Reader never moves a saved position: the lane
// saves Page.Next once the destination has taken responsibility for the page.
// So a Reader may forget everything, and a process may lose its power at any
// moment; what was not saved is read again.
//
// This package knows no vendor. What a Position says, and how a log is walked,
// is the business of the back end (see planetscale).
package source

import (
	"context"
	"encoding/json"
	"time"

	"github.com/rs/zerolog"
)

// Event is an entry of a source's log. The text in it was chosen by users of
// the source and is hostile until encoded.
//
// The strings and slices of an Event share memory with the page it came in and
// must not be changed.
type Event struct {
	ID           string    // unique in the source; "sha256:…" of Raw where the event has none
	Time         time.Time // when it happened; a neighbour's where its own cannot be used
	Read         time.Time // when this process first saw it
	Organization string    // from the configuration: the API's events name none
	Action       string    // such as "deploy_request.queued"; empty if it could not be decoded
	Verb         string    // the last part of Action, as the API states it
	Actor        Party     // who did it; zero if the system did
	Auditable    Party     // what it was done to, or its container: decide by Type
	Target       Party     // likewise
	RemoteIP     string    // as sent; not known to be an address
	Origin       *Origin   // where RemoteIP is, where the sink asks databases for that; nil if not known
	Location     string    // free text
	Updated      string    // updated_at, as sent
	Metadata     []byte    // a JSON value, as sent; nil if absent or null
	Raw          []byte    // the event as the API sent it, to the byte; one JSON value where Problem is empty
	Late         bool      // events with a later time were delivered before it
	Gap          bool      // no event of the API's: Sluice tells that events are missing
	Problem      string    // what could not be read, for people; empty if all could
	Reject       bool      // no record is made of it: it becomes a dead letter, with Problem as the reason and the beginning of the event as Raw
}

// Party is an actor or an object. A null in the API is an empty string here.
type Party struct{ ID, Type, Name string }

// Origin is what databases of addresses know of one (see transform/prepare). It
// is shared between events and must not be changed. What is not known is zero.
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

// Page is what one call of Next returns: events in the order of the log,
// oldest first, and the position behind the last of them. Events may be empty:
// time passed, and Next says so. The first walk of a reader that ends without
// an event returns such a page at once, so that a caller learns that it is
// caught up.
type Page struct {
	Events   []Event
	Next     Position
	CaughtUp bool // nothing was known to wait behind it when it was read
}

// Start says where a lane without a checkpoint begins.
type Start struct {
	Now   bool      // after the newest event there is
	Since time.Time // at this time; zero with Now false: at the oldest event there is
}

// String is as configurations say it.
func (s Start) String() string {
	switch {
	case s.Now:
		return "now"
	case s.Since.IsZero():
		return "beginning"
	}
	return s.Since.UTC().Format(time.RFC3339Nano)
}

// Env is what a Reader is told about the lane it reads for.
type Env struct {
	Lane string // such as "acme/siem"
	Log  zerolog.Logger
}

// Source is a log. Its methods may be called concurrently: the lanes of a
// source share its client, its limits and its requests in flight.
type Source interface {
	// Start resolves where to begin into a position. The caller saves it before
	// it reads.
	Start(ctx context.Context, at Start) (Position, error)

	// Open returns a reader that goes on from pos. It asks nothing of the
	// network. The error is of a position that is corrupt or not of this source.
	Open(pos Position, env Env) (Reader, error)

	// Describe reads a position for people and metrics.
	Describe(pos Position) (Description, error)

	// Check asks for one page, publishes nothing, and says in a line what it saw.
	Check(ctx context.Context) (string, error)

	// Freshness says how old the last read of a reader may be while all is well. It
	// may change from call to call.
	Freshness() Freshness

	// Usage is a snapshot for metrics.
	Usage() Usage

	// Close ends requests in flight. Readers are closed before.
	Close() error
}

// Reader reads a source for one lane. Only Progress may be called while
// another method runs.
type Reader interface {
	// Next waits for events, or for enough time to pass that the position
	// should be saved anew. After an error it may be called again and goes on
	// from where it was; pacing that is up to the caller, see Error.
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
	Expires time.Time // when the log's retention passes the position; zero if never
}

// Progress is what a reader has seen since it was opened.
type Progress struct {
	LastRead    time.Time     // end of the last successful request, zero if none
	CaughtUp    bool          // the last walk is handed out, nothing is known to wait
	WalkPages   int           // pages of the current walk listed so far
	WalkEvents  int           // events in them that are to be delivered
	WalkDone    bool          // the current walk met its end and is being handed out
	Handed      int           // events of the current walk handed out so far
	Oldest      time.Time     // time of the oldest event of the current walk, zero if unknown
	Overlap     time.Duration // the overlap in effect; less than configured if a position cannot name more
	Gaps        uint64        // gaps found
	LastGap     time.Time     // when the last one was found, zero if none was
	Changed     uint64        // events seen again with other bytes
	LateEvents  uint64        // events handed out late
	WalksFailed uint64        // walks discarded
}

// Freshness is what a source says about the age of reads.
type Freshness struct {
	Age    time.Duration // of a read that comes as late as everything that delays reads allows; an older one is a reason for alarm
	Reason string        // why requests are being held back, for people; empty if they are not
}

// Usage is what a source's client has done since it was made.
type Usage struct {
	Answers    map[string]uint64 // answers by HTTP status, "error" where there was none
	BudgetLeft float64           // requests that may be sent at once; +Inf if there is no limit
}
