package planetscale

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/rawjson"
	"github.com/sluice-siem/sluice/pkg/internal/timestamp"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/cursorlog"
)

// Skim reads only what a walk needs from the body of a 200. It accepts the same bodies
// as Decode.
func (c *client) Skim(body []byte, l *cursorlog.Listing) error {
	return c.echo.Error(skim(body, l))
}

// Decode reads the body of a 200.
func (c *client) Decode(body []byte, room []source.Event) (cursorlog.Page, error) {
	p, err := decode(body, room)
	markOwnToken(p.Events, c.settings.ServiceTokenID)
	return p, c.echo.Error(err)
}

func skim(body []byte, l *cursorlog.Listing) error {
	*l = cursorlog.Listing{Entries: l.Entries[:0]}
	if isOversized(body) {
		return skimOversized(body, l)
	}
	d := decoder{Scanner: rawjson.Scanner{In: body}, listing: l}
	return d.answer()
}

// leastEvent is about the least that an event with a value in each of its members takes.
const leastEvent = 256

// decode reads events into the memory of room. An element of data that cannot be
// decoded does not fail the page: it becomes an event of its raw bytes.
func decode(body []byte, room []source.Event) (cursorlog.Page, error) {
	if isOversized(body) {
		return decodeOversized(body, room)
	}
	most := min(pageLimit, 1+len(body)/leastEvent)
	d := decoder{Scanner: rawjson.Scanner{In: body}, listing: &cursorlog.Listing{}, full: true, events: slices.Grow(room[:0], most)}
	if err := d.answer(); err != nil {
		return cursorlog.Page{}, err
	}
	return cursorlog.Page{Events: d.events, HasNext: d.listing.HasNext, Cursor: d.listing.Cursor}, nil
}

type decoder struct {
	rawjson.Scanner
	listing *cursorlog.Listing
	full    bool // decode events too, not only what a walk needs
	events  []source.Event
	skimmed source.Event
	keys    rawjson.Keys // of the event before
}

// envelope is what must stand around the events of an answer.
type envelope struct {
	isList, hasData, saysNext bool // saysNext: has_next is a boolean
	hasNext                   bool
}

// set takes a member of an answer other than data and the cursors.
func (e *envelope) set(key, value string) {
	switch key {
	case "type":
		e.isList = value == `"list"`
	case "has_next":
		e.hasNext = value == "true"
		e.saysNext = e.hasNext || value == "false"
	}
}

func (e *envelope) check() error {
	switch {
	case !e.isList:
		return errors.New(`"type" is not "list"`)
	case !e.hasData:
		return errors.New(`"data" is missing`)
	case !e.saysNext:
		return errors.New(`"has_next" is not a boolean`)
	}
	return nil
}

// answer reads an answer.
func (d *decoder) answer() error {
	var around envelope
	if d.Peek() != '{' {
		return d.Unexpected("an answer is an object")
	}
	err := d.Object(0, nil, func(key string) error {
		switch key {
		case "cursor_end":
			var problem string
			text, err := d.text(&problem)
			if problem != "" {
				return errors.New("cursor_end is " + problem)
			}
			d.listing.Cursor = text
			return err
		case "data":
			if d.Peek() != '[' {
				return d.Unexpected("data is an array")
			}
			around.hasData = true
			d.events = d.events[:0]
			if !d.full {
				d.listing.Entries = slices.Grow(d.listing.Entries[:0], pageLimit)
			}
			return d.Array(1, d.element)
		}
		text, err := d.Value(1)
		around.set(key, text)
		return err
	})
	if err == nil {
		err = around.check()
	}
	if err != nil {
		return err
	}
	d.listing.HasNext = around.hasNext
	return d.End()
}

func (d *decoder) element() error {
	d.Peek() // An element begins after the white space.
	start := d.Pos
	e := d.next()
	err := d.event(e)
	if err == nil && d.Peek() != ',' && d.Peek() != ']' {
		err = d.Unexpected("after an element")
	}
	if err != nil {
		*e = source.Event{Problem: "event: " + err.Error()}
		d.Pos = start
		if lost := d.Extent(); lost != nil {
			return lost
		}
	}
	// The element may end in white space, which is not part of it.
	end := start + len(bytes.TrimRight(d.In[start:d.Pos], " \t\r\n"))
	e.Raw = d.In[start:end:end]
	if !d.full {
		entry := cursorlog.Entry{ID: e.ID, Raw: e.Raw}
		if !e.Time.IsZero() {
			entry.At = e.Time.UnixMilli()
		}
		d.listing.Entries = append(d.listing.Entries, entry)
	}
	return nil
}

// next returns an empty event to decode into. When skimming, all share one.
func (d *decoder) next() *source.Event {
	if !d.full {
		d.skimmed = source.Event{}
		return &d.skimmed
	}
	d.events = append(d.events, source.Event{})
	return &d.events[len(d.events)-1]
}

func (d *decoder) event(e *source.Event) error {
	if d.Peek() != '{' {
		return d.Unexpected("an event is an object")
	}
	var created string
	err := d.Object(2, &d.keys, func(key string) error {
		var field *string
		switch {
		case key == "id":
			field = &e.ID
		case key == "created_at":
			field = &created
		case !d.full:
		case key == "metadata":
			return d.metadata(e)
		default:
			field = fieldOf(e, key)
		}
		if field == nil {
			_, err := d.Value(3)
			return err
		}
		var problem string
		text, err := d.text(&problem)
		*field = text
		if problem != "" {
			note(e, key+" is "+problem)
		}
		return err
	})
	if err != nil {
		return err
	}
	if e.ID == "" || len(e.ID) > cursorlog.MaxID {
		return fmt.Errorf("an event has an id of 1 to %d bytes", cursorlog.MaxID)
	}
	at, doubt := timeOf(created)
	if doubt != "" {
		note(e, "created_at "+doubt)
	}
	e.Time = at
	return nil
}

// fieldOf returns the field that holds the text of a key, nil if none does.
func fieldOf(e *source.Event, key string) *string {
	switch key {
	case "audit_action":
		return &e.Action
	case "action":
		return &e.Verb
	case "actor_id":
		return &e.Actor.ID
	case "actor_type":
		return &e.Actor.Type
	case "actor_display_name":
		return &e.Actor.Name
	case "auditable_id":
		return &e.Objects[0].ID
	case "auditable_type":
		return &e.Objects[0].Type
	case "auditable_display_name":
		return &e.Objects[0].Name
	case "target_id":
		return &e.Objects[1].ID
	case "target_type":
		return &e.Objects[1].Type
	case "target_display_name":
		return &e.Objects[1].Name
	case "remote_ip":
		return &e.RemoteIP
	case "location":
		return &e.Location
	case "updated_at":
		return &e.Modified
	}
	return nil
}

// text reads a string or null. A number or boolean becomes its literal: the text is worth
// more than its type. Anything else sets problem.
func (d *decoder) text(problem *string) (string, error) {
	switch d.Peek() {
	case '"':
		return d.Quoted()
	case 'n':
		_, err := d.Value(3)
		return "", err
	case '{', '[':
		_, err := d.Value(3)
		*problem = "not a string"
		return "", err
	}
	return d.Value(3)
}

func (d *decoder) metadata(e *source.Event) error {
	text, err := d.Value(3)
	e.Metadata = nil
	if err == nil && text != "null" {
		e.Metadata = d.In[d.Pos-len(text) : d.Pos : d.Pos]
	}
	return err
}

// timeOf parses created_at. doubt is the reason why a time cannot be used.
func timeOf(created string) (t time.Time, doubt string) {
	t, ok := timestamp.Parse(created)
	switch {
	case created == "":
		return time.Time{}, "is missing"
	case !ok:
		return time.Time{}, fmt.Sprintf("%.40q is not a time", created)
	case t.UnixMilli() <= 0:
		return time.Time{}, fmt.Sprintf("%.40q is before the API existed", created)
	}
	return t.UTC(), ""
}

// note keeps the first problem of an event.
func note(e *source.Event, problem string) {
	if e.Problem == "" {
		e.Problem = problem
	}
}
