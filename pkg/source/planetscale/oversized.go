package planetscale

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/cursorlog"
)

// An answer with one event that exceeds 16 MiB is never held in memory. Its rest is read
// as a stream, and a small page replaces it. That page keeps has_next and the cursor, and
// has an event with the id, time, action and first bytes of the large one. The event is a
// reject: each lane turns it into a dead letter and continues.

const (
	beginning    = 32 << 10 // bytes of an oversized event that are kept
	maxOversized = 1 << 30  // bytes of an answer that are read
)

// oversized is the body, after mark, of a page that replaces a larger one.
type oversized struct {
	Problem   string
	Beginning []byte
	Answer    json.RawMessage // with one small event in place of the large one
}

// mark begins no answer of an API: JSON has no byte like it.
const mark = '\x00'

func isOversized(body []byte) bool { return len(body) > 0 && body[0] == mark }

// outline reads the rest of an answer to a request for one event; head holds its first
// bytes. It returns the body of a page that replaces the answer. unsure is true if the
// answer did not say whether another page follows.
func (c *client) outline(ctx context.Context, head []byte, rest io.Reader) (body []byte, unsure bool, err error) {
	var o outline
	err = o.read(newStream(head, rest, c.mostBytes))
	switch {
	case err == nil:
		o.complete = true
		if err = o.check(); err != nil {
			err = fault(source.Malformed, fmt.Errorf("the answer of more than %d bytes is not a list of events: %w", maxBody, err), "")
		}
	case errors.Is(err, errEnough) || errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = o.nameCursor()
	default:
		err = unread(err)
	}
	if err != nil {
		return nil, false, err
	}
	if body, err = o.body(); err != nil {
		return nil, false, fault(source.Malformed, err, "")
	}
	return body, !o.saysNext, nil
}

// unread returns the error for an answer whose rest could not be read.
func unread(err error) error {
	class := source.Unavailable
	if errors.Is(err, errSyntax) || errors.Is(err, errSeveral) {
		class = source.Malformed
	}
	return fault(class, fmt.Errorf("reading the rest of an answer of more than %d bytes: %w", maxBody, err), "")
}

// nameCursor sets the cursor of the next page where the answer was not read as far as
// cursor_end: an event's id is a cursor, too.
func (o *outline) nameCursor() error {
	if o.cursorEnd == "" {
		o.cursorEnd = o.name()
	}
	if o.cursorEnd == "" {
		return fault(source.Unavailable, fmt.Errorf("an event has no id in its first %d bytes, and its answer no cursor", o.size),
			"ask PlanetScale's support to remove the event that is listed first here")
	}
	return nil
}

// name returns the event's id. Without one it is the cursor of the page, which holds only
// this event.
func (o *outline) name() string {
	var id string
	if err := json.Unmarshal(o.fields["id"], &id); err == nil && id != "" && len(id) <= cursorlog.MaxID {
		return id
	}
	for _, cursor := range []string{o.cursorEnd, o.cursorStart} {
		if cursor != "" && len(cursor) <= cursorlog.MaxID {
			return cursor
		}
	}
	if !o.complete {
		return ""
	}
	return "sha256:" + o.digest()
}

func (o *outline) digest() string { return hex.EncodeToString(o.sum.Sum(nil)) }

// problem is the reason in the dead letter.
func (o *outline) problem() string {
	if !o.complete {
		return fmt.Sprintf("the event exceeds 16 MiB: its first %d bytes were read, SHA-256 of those %s; raw holds the first %d", o.size, o.digest(), len(o.beginning))
	}
	return fmt.Sprintf("the event exceeds 16 MiB: %d bytes, SHA-256 %s; raw holds the first %d", o.size, o.digest(), len(o.beginning))
}

// body returns the body of the page that replaces the answer.
func (o *outline) body() ([]byte, error) {
	answer := map[string]any{"type": "list", "has_next": o.hasNext, "cursor_end": nil, "data": []any{}}
	if o.cursorEnd != "" {
		answer["cursor_end"] = o.cursorEnd
	}
	small := o.complete && o.size <= int64(len(o.beginning))
	if o.events > 0 && !small {
		event := map[string]any{"id": o.name()}
		for _, key := range []string{"created_at", "audit_action", "action"} {
			if json.Valid(o.fields[key]) {
				event[key] = o.fields[key]
			}
		}
		answer["data"] = []any{event}
	}
	text, err := json.Marshal(answer)
	if err != nil {
		return nil, fmt.Errorf("an oversized event: %w", err)
	}
	switch {
	case o.events == 0:
		return text, nil
	case small: // Something else makes the answer large.
		return append(text[:len(text)-1:len(text)-1], fmt.Appendf(nil, `,"data":[%s]}`, o.beginning)...), nil
	}
	text, err = json.Marshal(oversized{Problem: o.problem(), Beginning: o.beginning, Answer: text})
	if err != nil {
		return nil, fmt.Errorf("an oversized event: %w", err)
	}
	return append([]byte{mark}, text...), nil
}

func parseOversized(body []byte) (o oversized, err error) {
	if err := json.Unmarshal(body[1:], &o); err != nil {
		return o, fmt.Errorf("an oversized event: %w", err)
	}
	return o, nil
}

// skimOversized is skim for a page that replaces a larger one.
func skimOversized(body []byte, l *cursorlog.Listing) error {
	o, err := parseOversized(body)
	if err != nil {
		return err
	}
	if err := skim(o.Answer, l); err != nil {
		return err
	}
	for i := range l.Entries {
		l.Entries[i].Raw = o.Beginning
	}
	return nil
}

// decodeOversized is decode for a page that replaces a larger one.
func decodeOversized(body []byte, room []source.Event) (cursorlog.Page, error) {
	o, err := parseOversized(body)
	if err != nil {
		return cursorlog.Page{}, err
	}
	p, err := decode(o.Answer, room)
	if err != nil {
		return cursorlog.Page{}, err
	}
	for i := range p.Events {
		e := &p.Events[i]
		e.Raw, e.Problem, e.Reject = o.Beginning, o.Problem, true
	}
	return p, nil
}
