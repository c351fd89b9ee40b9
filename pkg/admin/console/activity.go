package console

import (
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// Activity remembers the events that the lanes read, each once, however many lanes read it.
// It holds a bounded number: of more, it forgets the oldest whole hours, and says from when
// on it is complete.
type Activity struct { /* helper w-console */
}

// NewActivity returns an empty one that holds at most so many bytes.
func NewActivity(maxBytes int64) *Activity { return &Activity{} }

// Observer returns a function that remembers the events of a source. Lanes call it with
// each page that they read. It keeps none of the slices.
func (a *Activity) Observer(src string, p *source.Product, c *transform.Catalogue) func(events []source.Event) {
	return func([]source.Event) {}
}

// Hour counts the events of an hour.
type Hour struct {
	Begin   time.Time
	Known   bool // the count is complete as far as the lanes have read
	Events  int
	More    bool // there were more than could be counted
	Highest int  // severity of the catalogue, 0 to 10
}

// Hours returns the last seven days, the oldest hour first. src selects a source; empty is all.
func (a *Activity) Hours(src string, now time.Time) []Hour { return nil }

// Ranked is an actor, an action or an address with its number of events.
type Ranked struct {
	Name    string
	Events  int
	Highest int // severity
}

// Tops are the most frequent actors, actions and addresses of the last day.
type Tops struct {
	Since                      time.Time // later than a day ago if Activity could not hold a day
	Actors, Actions, Addresses []Ranked
}

// Top returns at most n of each.
func (a *Activity) Top(src string, n int, now time.Time) Tops { return Tops{} }

// Kept is an event that is remembered whole.
type Kept struct {
	Key      string // names it in an address: [0-9a-f]{16}
	Source   string
	Severity int // 0 to 10
	Reason   string
	Actor    string
	Title    string // what was done, in words
	Object   string
	Place    string       // address and location
	Event    source.Event // with a copy of its Raw
}

// Recent returns the newest events, newest first, at most n. filter selects those that have
// every word of it, whatever the case, in any of their texts or in the raw event.
func (a *Activity) Recent(src, filter string, n int) []Kept { return nil }

// Find returns the event of a key.
func (a *Activity) Find(key string) (Kept, bool) { return Kept{}, false }
