package cursorlog

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
)

// MaxID is the longest id that an event may have: a position names many events, and each
// record carries its id. A longer id is replaced by a hash of the event's bytes.
const MaxID = 255

// page is an answer, as a walk reads it. Its entries are in the order of the listing.
type page struct {
	Listing
	clocks reading   // before the server answered
	ahead  int64     // later times decide nothing
	read   time.Time // when the answer arrived
	body   []byte    // what the strings and slices of Entries point into
}

// judge sets the id that identifies an entry, and whether its time decides anything.
func (e *Entry) judge(ahead int64) {
	if e.ID == "" || len(e.ID) > MaxID {
		sum := sha256.Sum256(e.Raw)
		e.ID, e.nameless = "sha256:"+hex.EncodeToString(sum[:]), true
	}
	e.At = max(e.At, 0)
	e.dated = e.At != 0 && e.At <= ahead
}

// below reports whether the event claims a time below the floor. Such an event is
// settled, whatever the clocks say.
func (e *Entry) below(floor int64) bool { return e.At != 0 && e.At < floor }

// skim reads the entries of the page's body.
func (p *page) skim(c Client) error {
	if err := skimWith(c, p.body, &p.Listing); err != nil {
		return err
	}
	p.Cursor = strings.Clone(p.Cursor) // outlives the page
	for i := range p.Entries {
		p.Entries[i].judge(p.ahead)
	}
	return nil
}

func skimWith(c Client, body []byte, l *Listing) error {
	if s, ok := c.(Skimmer); ok {
		return s.Skim(body, l)
	}
	decoded, err := c.Decode(body, nil)
	if err != nil {
		return err
	}
	*l = Listing{HasNext: decoded.HasNext, Cursor: decoded.Cursor}
	for i := range decoded.Events {
		l.Entries = append(l.Entries, entryOf(&decoded.Events[i]))
	}
	return nil
}

func entryOf(e *source.Event) Entry {
	l := Entry{ID: e.ID, Raw: e.Raw}
	if !e.Time.IsZero() {
		l.At = e.Time.UnixMilli()
	}
	return l
}

// decode reads the events of the page's body and sets the page's entries. It reuses the
// memory of both. As many events as were listed must be there.
func (p *page) decode(c Client, buffer []source.Event, organization string, listed int) ([]source.Event, error) {
	decoded, err := c.Decode(p.body, buffer[:0])
	if err != nil {
		return nil, err
	}
	if n := len(decoded.Events); n != listed {
		return nil, fmt.Errorf("%d events were listed, %d were decoded", listed, n)
	}
	p.complete(decoded.Events, organization)
	return decoded.Events, nil
}

// complete sets the entries of decoded events, and fills in what a client leaves open.
func (p *page) complete(events []source.Event, organization string) {
	p.Entries = slices.Grow(p.Entries[:0], len(events))
	undated := false
	for i := range events {
		e := &events[i]
		l := entryOf(e)
		l.judge(p.ahead)
		e.ID, e.Organization, e.Read = l.ID, organization, p.read
		if string(e.Metadata) == "null" { // as a json.RawMessage decodes it
			e.Metadata = nil
		}
		if !l.dated {
			if l.At != 0 && e.Problem == "" {
				e.Problem = fmt.Sprintf("its time, %s, is ahead of the clocks", e.Time.Format(time.RFC3339Nano))
			}
			e.Time, undated = time.Time{}, true
		}
		p.Entries = append(p.Entries, l)
	}
	if undated {
		p.placeUndated(events)
	}
}

// placeUndated gives an event without a usable time that of the next dated event in the
// list. If there is none, it uses the dated event before it, or the time of the read.
func (p *page) placeUndated(events []source.Event) {
	near := time.Time{}
	for i := len(events) - 1; i >= 0; i-- {
		if e := &events[i]; p.Entries[i].dated {
			near = e.Time
		} else {
			e.Time = near
		}
	}
	near = p.read
	for i := range events {
		if e := &events[i]; e.Time.IsZero() {
			e.Time = near
		} else {
			near = e.Time
		}
	}
}

// Complete fills in what Decode leaves open. It is for events that were not read from
// the log's server; read is when they were read.
func Complete(events []source.Event, organization string, read time.Time) {
	p := page{ahead: read.Add(future).UnixMilli(), read: read}
	p.complete(events, organization)
}
