package cursorlog

import (
	"context"
	"errors"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
)

// Client sends a vendor's requests and decodes its answers. Its methods may be called
// concurrently.
type Client interface {
	// List requests the page behind cursor, of at most limit events. An empty cursor is
	// the top of the log. ctx ends when the request times out.
	//
	// Answer.Status is counted, also beside an error. The error is one of these:
	//   - CursorRefused: the server refuses the cursor, or may. The page is requested
	//     a few times more, then the walk restarts.
	//   - TooLarge: the page is too large for this client or its connection. It is
	//     requested again with half the limit. With a limit of 1 this is an error like
	//     others.
	//   - Throttled: the server asks for a pause. All lanes keep it.
	//   - a *source.Error with a class of its own and a hint for people. Its Op may be
	//     empty.
	//   - any other error: the log is not available at present.
	// ReadAnswer and Refusal make answers and errors from an HTTP response. People see
	// the errors, so an error must contain no secret, and no text in which the server
	// may repeat one.
	List(ctx context.Context, cursor string, limit int) (Answer, error)

	// Decode reads a body that List returned. It fails if the body is not a page. An
	// event that cannot be read gets Raw, and Problem says why. Decode leaves ID empty if
	// the event has none, and Time zero if the event's time cannot be read. This package
	// fills those in, and Organization, Read and Late; Metadata that is null counts as
	// absent. Decode may append to buffer, whose memory it then uses. A body is decoded
	// each time its events are returned, and must yield the same events.
	Decode(body []byte, buffer []source.Event) (Page, error)
}

// Page is what a body holds.
type Page struct {
	Events  []source.Event // in the order in which they are listed
	HasNext bool           // something is listed behind the page
	Cursor  string         // leads behind the page; empty if there is none
}

// Skimmer may be implemented by a Client. Skim reads only what a walk needs, so it is
// cheaper than Decode. It fails when Decode does, and returns the same events in the
// same order, with the same ids, times and raw bytes. The Entry of an event that cannot
// be read has only Raw.
type Skimmer interface {
	Skim(body []byte, l *Listing) error
}

// Answer is the answer to a request.
type Answer struct {
	Status int       // the HTTP status; 0 if there was no answer
	Date   time.Time // the server's time when it wrote the answer; zero if unknown
	Body   []byte    // one page, for Decode; it is kept, and nobody may change it
	Unsure bool      // the page has a cursor, but does not say whether anything follows: another request finds out
}

// Listing is a page as a walk sees it. Skim sets all of it.
type Listing struct {
	Entries []Entry
	HasNext bool
	Cursor  string
}

// Entry is what a walk knows of an event: which one it is, and when it happened.
type Entry struct {
	ID  string // unique in the log; empty if the event has none
	At  int64  // when it happened, in whole milliseconds since the epoch; 0 if that cannot be read
	Raw []byte // the event as it was sent, to the byte

	dated    bool // At is known and not ahead of all clocks
	nameless bool // without an id of its own: a hash of its bytes stands for it, and equal events share that
}

// cursorRefused and tooLarge mark errors of List.
type (
	cursorRefused struct{ error }
	tooLarge      struct{ error }
)

func (e cursorRefused) Unwrap() error { return e.error }
func (e tooLarge) Unwrap() error      { return e.error }

// CursorRefused marks an error of a server that refuses the cursor, or may: servers
// have several ways to report that the event of a cursor is gone.
func CursorRefused(err error) error { return cursorRefused{err} }

// TooLarge marks the error of a page that is too large to be read at once.
func TooLarge(err error) error { return tooLarge{err} }

// Throttled is the error of a server that asks for a pause. said is what the server
// wrote, for people, and may be empty.
func Throttled(pause time.Duration, said string) error {
	return &source.Error{Class: source.Throttled, Err: errors.New(said), RetryAfter: pause}
}
