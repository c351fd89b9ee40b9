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

	"github.com/sluice-siem/sluice/pkg/internal/timestamp"
	"github.com/sluice-siem/sluice/pkg/source"
)

// page is an answer of the API as a walk sees it. Its events stand as they were
// listed.
type page struct {
	listed    []listed
	hasNext   bool
	cursorEnd string    // "" if null
	clocks    reading   // before the server answered
	ahead     int64     // a time later than this decides nothing
	read      time.Time // when the answer came
	body      []byte    // what the strings and slices of listed point into
}

// listed is what decides about an event: which one it is, and when it happened,
// in whole milliseconds of its created_at where that can be trusted.
type listed struct {
	id       string
	at       int64 // milliseconds since the epoch, if timed
	timed    bool  // created_at can be read
	dated    bool  // and is not ahead of all clocks
	nameless bool  // without an id of its own: its bytes stand for it, which others may share
	raw      []byte
}

// below tells whether the event claims a time below the floor. What is below is
// settled, whatever a clock says of it.
func (l *listed) below(floor int64) bool { return l.timed && l.at < floor }

// maxID bounds what a position and every record carry. The API's ids have 12
// bytes.
const maxID = 255

// skim reads of the body of a 200 what a walk needs. It accepts what decode
// does.
func skim(body []byte, clocks reading, ahead int64, read time.Time) (*page, error) {
	p := &page{clocks: clocks, ahead: ahead, read: read, body: body}
	return p, newDecoder(p).envelope()
}

// decode reads the body of a 200. An element of data that cannot be read does
// not fail the page: it becomes an event of its raw bytes. The events stand as
// listed does. Both reuse the memory of what is handed in.
func decode(p *page, events []source.Event, organization string) ([]source.Event, error) {
	if len(p.body) > 0 && p.body[0] == mark {
		return decodeOversized(p, events, organization)
	}
	d := newDecoder(p)
	d.full, d.events, d.organization = true, slices.Grow(events[:0], pageLimit), organization
	if err := d.envelope(); err != nil {
		return nil, err
	}
	d.placeUndated()
	return d.events, nil
}

type decoder struct {
	scanner
	page         *page
	full         bool // not only what a walk needs
	events       []source.Event
	skimmed      source.Event
	keys         keys // of the event before
	organization string
}

// newDecoder reads p.body. Nobody writes to a body once it was read, so its text
// needs no copy.
func newDecoder(p *page) *decoder {
	return &decoder{scanner: scanner{text: unsafe.String(unsafe.SliceData(p.body), len(p.body))}, page: p}
}

func (d *decoder) envelope() error {
	var isList, hasData, hasHasNext bool
	if d.peek() != '{' {
		return d.fail("an answer is an object")
	}
	err := d.object(0, nil, func(key string, plain bool) error {
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
			d.page.listed, d.events = slices.Grow(d.page.listed[:0], pageLimit), d.events[:0]
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
	l, e := d.next()
	err := d.event(l, e)
	if err == nil && d.peek() != ',' && d.peek() != ']' {
		err = d.fail("after an element")
	}
	if err != nil {
		*l, *e = listed{}, source.Event{Problem: "event: " + err.Error()}
		d.pos = start
		if _, lost := d.extent(); lost != nil {
			return lost
		}
	}
	// The element may end in white space, which is not part of it.
	end := start + len(strings.TrimRight(d.scanner.text[start:d.pos], " \t\r\n"))
	l.raw = d.page.body[start:end:end]
	if l.id == "" {
		sum := sha256.Sum256(l.raw)
		l.id, l.nameless = "sha256:"+hex.EncodeToString(sum[:]), true
	}
	e.ID, e.Raw, e.Organization, e.Read = l.id, l.raw, d.organization, d.page.read
	return nil
}

// next makes room for an event. What a walk does not need is written to where it
// is overwritten.
func (d *decoder) next() (*listed, *source.Event) {
	d.page.listed = append(d.page.listed, listed{})
	l := &d.page.listed[len(d.page.listed)-1]
	if !d.full {
		d.skimmed = source.Event{}
		return l, &d.skimmed
	}
	d.events = append(d.events, source.Event{})
	return l, &d.events[len(d.events)-1]
}

func (d *decoder) event(l *listed, e *source.Event) error {
	if d.peek() != '{' {
		return d.fail("an event is an object")
	}
	var created string
	err := d.object(2, &d.keys, func(key string, plain bool) error {
		if !plain {
			key = unquote(key)
		}
		var field *string
		switch {
		case key == "id":
			field = &l.id
		case key == "created_at":
			field = &created
		case !d.full:
		case key == "metadata":
			return d.metadata(e)
		default:
			field = fieldOf(e, key)
		}
		if field == nil {
			_, err := d.value(3)
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
	if l.id == "" || len(l.id) > maxID {
		return fmt.Errorf("an event has an id of 1 to %d bytes", maxID)
	}
	at, doubt := timeOf(created)
	if doubt == "" {
		l.at, l.timed = at.UnixMilli(), true
		if l.at > d.page.ahead {
			doubt = fmt.Sprintf("%.40q is ahead of the clocks", created)
		}
	}
	if doubt != "" {
		note(e, "created_at "+doubt)
		return nil
	}
	e.Time, l.dated = at, true
	return nil
}

// fieldOf is where the text under key belongs, nil if nowhere.
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

func (d *decoder) metadata(e *source.Event) error {
	d.space()
	start := d.pos
	text, err := d.value(3)
	e.Metadata = nil
	if err == nil && text != "null" {
		e.Metadata = d.page.body[start:d.pos:d.pos]
	}
	return err
}

// timeOf reads created_at. Of a time that decides nothing, doubt says why.
func timeOf(created string) (t time.Time, doubt string) {
	t, ok := timestamp.Parse(created)
	switch {
	case created == "":
		return time.Time{}, "is missing"
	case !ok:
		return time.Time{}, fmt.Sprintf("%.40q is not a time", created)
	case t.UnixMilli() <= 0:
		return time.Time{}, fmt.Sprintf("%.40q is before the API was", created)
	}
	return t.UTC(), ""
}

// note keeps the first problem of an event.
func note(e *source.Event, problem string) {
	if e.Problem == "" {
		e.Problem = problem
	}
}

// placeUndated gives an event without a time of its own that of the next dated
// one in the list, else of the one before it, else when it was read.
func (d *decoder) placeUndated() {
	near := time.Time{}
	for i := len(d.events) - 1; i >= 0; i-- {
		if e := &d.events[i]; d.page.listed[i].dated {
			near = e.Time
		} else {
			e.Time = near
		}
	}
	near = d.page.read
	for i := range d.events {
		if e := &d.events[i]; e.Time.IsZero() {
			e.Time = near
		} else {
			near = e.Time
		}
	}
}
