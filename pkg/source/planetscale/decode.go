package planetscale

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/sluice-siem/sluice/pkg/source"
)

// page is an answer of the API, decoded. Its entries stand as they were listed.
type page struct {
	entries   []entry
	hasNext   bool
	cursorEnd string    // "" if null
	date      time.Time // the server's clock before it answered
	body      []byte    // what the entries' strings and slices point into
}

// entry is an event with the time that decides: whole milliseconds of its
// created_at, where that can be trusted.
type entry struct {
	source.Event
	at       int64 // milliseconds since the epoch, if dated
	dated    bool
	nameless bool // without an id of its own: its bytes stand for it, which others may share
}

// future is how far ahead of the server's clock a created_at may be before it
// stops deciding anything.
const future = 5 * time.Minute

// maxID bounds what a position and every record carry. The API's ids have 12
// bytes.
const maxID = 255

// decode reads the body of a 200. An element of data that cannot be read does
// not fail the page: it becomes an event of its raw bytes.
func decode(body []byte, organization string, date, read time.Time) (*page, error) {
	return decodeInto(nil, body, organization, date, read)
}

// decodeInto is decode with the memory of entries that nobody uses any more.
func decodeInto(entries []entry, body []byte, organization string, date, read time.Time) (*page, error) {
	p := &page{entries: entries, date: date, body: body}
	// Nobody writes to a body once it was read, so its text needs no copy.
	d := decoder{scanner: scanner{text: unsafe.String(unsafe.SliceData(body), len(body))}, page: p, organization: organization, read: read}
	if err := d.envelope(); err != nil {
		return nil, err
	}
	p.placeUndated()
	return p, nil
}

type decoder struct {
	scanner
	page         *page
	organization string
	read         time.Time
}

func (d *decoder) envelope() error {
	var isList, hasData, hasHasNext bool
	if d.peek() != '{' {
		return d.fail("an answer is an object")
	}
	err := d.object(0, func(key string, plain bool) error {
		switch key {
		case "type":
			text, err := d.value(1)
			isList = text == `"list"`
			return err
		case "has_next":
			text, err := d.value(1)
			hasHasNext = text == "true" || text == "false"
			d.page.hasNext = text == "true"
			return err
		case "cursor_end":
			var problem string
			text, err := d.text(&problem)
			if problem != "" {
				return errors.New("cursor_end is " + problem)
			}
			d.page.cursorEnd = strings.Clone(text) // outlives the page
			return err
		case "data":
			if d.peek() != '[' {
				return d.fail("data is an array")
			}
			hasData = true
			d.page.entries = slices.Grow(d.page.entries[:0], pageLimit)
			return d.array(1, d.element)
		}
		_, err := d.value(1)
		return err
	})
	switch {
	case err != nil:
		return err
	case !isList:
		return errors.New(`"type" is not "list"`)
	case !hasData:
		return errors.New(`"data" is missing`)
	case !hasHasNext:
		return errors.New(`"has_next" is not a boolean`)
	}
	return d.end()
}

func (d *decoder) element() error {
	d.space()
	start := d.pos
	entries := append(d.page.entries, entry{})
	e := &entries[len(entries)-1]
	err := d.event(e)
	if err == nil && d.peek() != ',' && d.peek() != ']' {
		err = d.fail("after an element")
	}
	if err != nil {
		*e = entry{}
		d.pos = start
		if _, lost := d.extent(); lost != nil {
			return lost
		}
		e.Problem = "event: " + err.Error()
	}
	// The element may end in white space, which is not part of it.
	end := start + len(strings.TrimRight(d.scanner.text[start:d.pos], " \t\r\n"))
	e.Raw = d.page.body[start:end:end]
	e.Organization, e.Read = d.organization, d.read
	if e.ID == "" {
		sum := sha256.Sum256(e.Raw)
		e.ID, e.nameless = "sha256:"+hex.EncodeToString(sum[:]), true
	}
	d.page.entries = entries
	return nil
}

func (d *decoder) event(e *entry) error {
	if d.peek() != '{' {
		return d.fail("an event is an object")
	}
	var created string
	err := d.object(2, func(key string, plain bool) error {
		if !plain {
			key = unquote(key)
		}
		if key == "metadata" {
			return d.metadata(e)
		}
		field := e.field(key)
		if key == "created_at" {
			field = &created
		}
		if field == nil {
			_, err := d.value(3)
			return err
		}
		var problem string
		text, err := d.text(&problem)
		*field = text
		if problem != "" && e.Problem == "" {
			e.Problem = key + " is " + problem
		}
		return err
	})
	if err != nil {
		return err
	}
	if e.ID == "" || len(e.ID) > maxID {
		return fmt.Errorf("an event has an id of 1 to %d bytes", maxID)
	}
	e.setTime(created, d.page.date)
	return nil
}

// field is where the text under key belongs, nil if nowhere.
func (e *entry) field(key string) *string {
	switch key {
	case "id":
		return &e.ID
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
		return &e.Auditable.ID
	case "auditable_type":
		return &e.Auditable.Type
	case "auditable_display_name":
		return &e.Auditable.Name
	case "target_id":
		return &e.Target.ID
	case "target_type":
		return &e.Target.Type
	case "target_display_name":
		return &e.Target.Name
	case "remote_ip":
		return &e.RemoteIP
	case "location":
		return &e.Location
	case "updated_at":
		return &e.Updated
	}
	return nil
}

// text reads a string or null. A number or boolean gives its literal, since
// the text is worth more than its type; of anything else problem tells.
func (d *decoder) text(problem *string) (string, error) {
	switch d.peek() {
	case '"':
		raw, plain, err := d.quoted()
		if err != nil || plain {
			return raw, err
		}
		return unquote(raw), nil
	case 'n':
		_, err := d.value(3)
		return "", err
	case '{', '[':
		_, err := d.value(3)
		*problem = "not a string"
		return "", err
	}
	return d.value(3)
}

func (d *decoder) metadata(e *entry) error {
	d.space()
	start := d.pos
	text, err := d.value(3)
	e.Metadata = nil
	if err == nil && text != "null" {
		e.Metadata = d.page.body[start:d.pos:d.pos]
	}
	return err
}

func (e *entry) setTime(created string, date time.Time) {
	t, err := time.Parse(time.RFC3339Nano, created)
	switch {
	case created == "":
		e.note("created_at is missing")
	case err != nil:
		e.note(fmt.Sprintf("created_at %.40q is not a time", created))
	case t.UnixMilli() <= 0:
		e.note(fmt.Sprintf("created_at %.40q is before the API was", created))
	case t.After(date.Add(future)):
		e.note(fmt.Sprintf("created_at %.40q is ahead of the server's clock", created))
	default:
		e.Time, e.at, e.dated = t.UTC(), t.UnixMilli(), true
	}
}

func (e *entry) note(problem string) {
	if e.Problem == "" {
		e.Problem = problem
	}
}

// placeUndated gives an event without a time of its own that of the next dated
// one in the list, else of the one before it, else the server's.
func (p *page) placeUndated() {
	near := time.Time{}
	for i := len(p.entries) - 1; i >= 0; i-- {
		if e := &p.entries[i]; e.dated {
			near = e.Time
		} else {
			e.Time = near
		}
	}
	near = p.date
	for i := range p.entries {
		if e := &p.entries[i]; e.Time.IsZero() {
			e.Time = near
		} else {
			near = e.Time
		}
	}
}
