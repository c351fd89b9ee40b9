package planetscale

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
)

// An event that exceeds 16 MiB with its answer is never held in memory. The rest
// of the answer is read as a stream, and a small page stands for it: with what the
// answer says about the pages behind it, and an event that has the id, the time,
// the action and the beginning of the large one. That event is a reject, so each
// lane turns it into a dead letter and goes on.

const (
	beginning    = 32 << 10 // bytes of an oversized event that are kept
	maxOversized = 1 << 30  // bytes of an answer that are read
)

// oversized is the body of a page that stands for a larger one, behind mark.
type oversized struct {
	Problem   string
	Beginning []byte
	Answer    json.RawMessage // with one small event in place of the large one
}

// mark begins no answer of an API: JSON has no byte like it.
const mark = '\x00'

// outline reads the rest of an answer to a request for one event, of which the
// first bytes are in head, and returns the page that stands for it.
func (c *client) outline(parent, ctx context.Context, head []byte, answer *http.Response, clocks reading, u urgency) (*page, error) {
	var o outline
	err := o.read(newStream(head, answer.Body, c.mostBytes))
	switch {
	case err == nil:
		o.complete = true
		err = o.check()
	case errors.Is(err, errEnough) || errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = c.lookBehind(parent, &o, u)
	default:
		err = unread(err)
	}
	if err != nil {
		return nil, err
	}
	p := &page{clocks: clocks, ahead: c.clock.ahead(clocks), read: time.Now().UTC()}
	if p.body, err = o.body(); err != nil {
		return nil, fault(source.Malformed, err, "")
	}
	_, err = decode(p, nil, c.settings.Organization)
	c.clock.learn(p)
	return p, err
}

// unread is the error of an answer of which the rest cannot be read.
func unread(err error) error {
	class := source.Unavailable
	if errors.Is(err, errSyntax) || errors.Is(err, errSeveral) {
		class = source.Malformed
	}
	return fault(class, fmt.Errorf("reading the rest of an answer of more than %d bytes: %w", maxBody, err), "")
}

// lookBehind finds out what the part of the answer that was not read would have
// said: which cursor leads on, which is the event's id, and whether there is
// anything behind it.
func (c *client) lookBehind(ctx context.Context, o *outline, u urgency) error {
	if o.cursorEnd == "" {
		o.cursorEnd = o.name()
	}
	if o.cursorEnd == "" {
		return fault(source.Unavailable, fmt.Errorf("an event has no id in its first %d bytes, and its answer no cursor", o.size),
			"ask PlanetScale's support to remove the event that is listed first here")
	}
	if o.saysNext {
		return nil
	}
	p, err := c.request(ctx, o.cursorEnd, 1, u)
	if err != nil && !errors.Is(err, errTooLarge) {
		return err
	}
	o.hasNext = err != nil || len(p.listed) > 0
	return nil
}

// check is what skim requires of any answer.
func (o *outline) check() error {
	if !o.isList || !o.hasData || !o.saysNext {
		return fault(source.Malformed, fmt.Errorf("the answer of more than %d bytes is not a list of events", maxBody), "")
	}
	return nil
}

// name is the id of the event: its own, or else the cursor of a page that holds
// nothing but the event.
func (o *outline) name() string {
	var id string
	if err := json.Unmarshal(o.fields["id"], &id); err == nil && id != "" && len(id) <= maxID {
		return id
	}
	for _, cursor := range []string{o.cursorEnd, o.cursorStart} {
		if cursor != "" && len(cursor) <= maxID {
			return cursor
		}
	}
	if !o.complete {
		return ""
	}
	return "sha256:" + o.digest()
}

func (o *outline) digest() string { return hex.EncodeToString(o.sum.Sum(nil)) }

// problem says what became of the event.
func (o *outline) problem() string {
	if !o.complete {
		return fmt.Sprintf("the event exceeds 16 MiB: its first %d bytes were read, SHA-256 of those %s; raw holds the first %d", o.size, o.digest(), len(o.beginning))
	}
	return fmt.Sprintf("the event exceeds 16 MiB: %d bytes, SHA-256 %s; raw holds the first %d", o.size, o.digest(), len(o.beginning))
}

// body is that of the page that stands for the answer.
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
	case small: // The answer is large for another reason.
		return append(text[:len(text)-1:len(text)-1], fmt.Appendf(nil, `,"data":[%s]}`, o.beginning)...), nil
	}
	text, err = json.Marshal(oversized{Problem: o.problem(), Beginning: o.beginning, Answer: text})
	if err != nil {
		return nil, fmt.Errorf("an oversized event: %w", err)
	}
	return append([]byte{mark}, text...), nil
}

// decodeOversized is decode for a page that stands for a larger one.
func decodeOversized(p *page, events []source.Event, organization string) ([]source.Event, error) {
	var o oversized
	if err := json.Unmarshal(p.body[1:], &o); err != nil {
		return nil, fmt.Errorf("an oversized event: %w", err)
	}
	inner := page{clocks: p.clocks, ahead: p.ahead, read: p.read, body: o.Answer}
	events, err := decode(&inner, events, organization)
	if err != nil {
		return nil, err
	}
	for i := range events {
		events[i].Raw, events[i].Problem, events[i].Reject = o.Beginning, o.Problem, true
		inner.listed[i].raw = o.Beginning
	}
	p.listed, p.hasNext, p.cursorEnd = inner.listed, inner.hasNext, inner.cursorEnd
	return events, nil
}
