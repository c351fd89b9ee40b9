package pipeline_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// heap is a source whose events are listed late and in any order. A reader returns those
// that its position does not name, in an order that differs from reader to reader. A
// position is a string of a digit for each event: 1 if it was delivered.
type heap struct {
	*history
	readers atomic.Uint64
}

func heapPosition(seen []bool) source.Position {
	text := make([]byte, len(seen))
	for i, s := range seen {
		text[i] = '0'
		if s {
			text[i] = '1'
		}
	}
	return source.Position(`"` + string(text) + `"`)
}

func heapSeen(pos source.Position, events int) ([]bool, error) {
	var text string
	if err := json.Unmarshal(pos, &text); err != nil || len(text) != events {
		return nil, fmt.Errorf("position %.50s: %w", pos, errors.Join(err, source.ErrUnusable))
	}
	seen := make([]bool, events)
	for i := range seen {
		seen[i] = text[i] == '1'
	}
	return seen, nil
}

func (h *heap) Start(context.Context, source.Start) (source.Position, error) {
	return heapPosition(make([]bool, h.events)), nil
}

func (h *heap) Open(pos source.Position, env source.Env) (source.Reader, error) {
	seen, err := heapSeen(pos, h.events)
	n := h.readers.Add(1)
	return &heapReader{heap: h, seen: seen, rand: rand.New(rand.NewPCG(h.seed, n)), most: min(h.page, env.Page)}, err
}

func (h *heap) Describe(source.Position) (source.Description, error) {
	return source.Description{Through: time.Now().Add(-time.Minute)}, nil
}
func (h *heap) Check(context.Context) (string, error) { return "", nil }
func (h *heap) Freshness() source.Freshness           { return source.Freshness{Age: time.Hour} }
func (h *heap) Usage() source.Usage                   { return source.Usage{} }
func (h *heap) Close() error                          { return nil }

// event returns an event. What a lane's destination gets of it is in its raw bytes.
func (h *heap) event(i int) source.Event {
	e := source.Event{
		ID: id(i), Time: h.began.Add(time.Duration(i) * time.Second), Organization: "acme", Action: "branch.created",
		Actor: source.Party{ID: fmt.Sprint("u", i%5)}, RemoteIP: fmt.Sprint("10.0.0.", i%200),
		Objects: [2]source.Party{{ID: fmt.Sprint("b", i)}, {ID: "d"}},
	}
	if h.large[i] {
		e.Reject, e.Problem = true, "too large"
	}
	e.Raw = rawFacts(&e, "s3cret")
	return e
}

// facts is the raw form of an event of a heap.
type facts struct {
	ID, Action, Actor, Address, Object, Container, Secret string
	Time                                                  time.Time
}

func rawFacts(e *source.Event, secret string) []byte {
	raw, err := json.Marshal(facts{e.ID, e.Action, e.Actor.ID, e.RemoteIP, e.Objects[0].ID, e.Objects[1].ID, secret, e.Time})
	if err != nil {
		panic(err)
	}
	return raw
}

type heapReader struct {
	*heap
	seen []bool
	rand *rand.Rand
	most int
	read bool
}

func (r *heapReader) Next(ctx context.Context) (source.Page, error) {
	for waited := time.Duration(0); ; waited += 10 * time.Second {
		if ctx.Err() != nil {
			return source.Page{}, ctx.Err()
		}
		var waiting []int
		for i, seen := range r.seen {
			if !seen && time.Since(r.began) >= r.listed[i] {
				waiting = append(waiting, i)
			}
		}
		if len(waiting) > 0 && (r.read || r.rand.IntN(3) > 0) {
			r.read = true
			return r.page(waiting), nil
		}
		if !r.read || waited >= time.Minute {
			r.read = true
			return source.Page{Next: heapPosition(r.seen), CaughtUp: len(waiting) == 0}, nil
		}
		if err := wait(ctx, 10*time.Second); err != nil {
			return source.Page{}, err
		}
	}
}

func (r *heapReader) page(waiting []int) (p source.Page) {
	r.rand.Shuffle(len(waiting), func(i, j int) { waiting[i], waiting[j] = waiting[j], waiting[i] })
	some := waiting[:min(len(waiting), r.most)]
	for _, i := range some {
		e := r.event(i)
		for _, seen := range r.seen[i:] {
			e.Late = e.Late || seen
		}
		r.seen[i] = true
		p.Events = append(p.Events, e)
	}
	p.Next, p.CaughtUp = heapPosition(r.seen), len(some) == len(waiting)
	return p
}

func (r *heapReader) Progress() source.Progress { return source.Progress{LastRead: time.Now()} }
func (r *heapReader) Close() error              { return nil }

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// plainly is a format whose records state the raw event, or a note in it.
type plainly struct {
	*history
	able bool // also those that it otherwise cannot encode
}

func (f plainly) Transform(dst []byte, e *source.Event) (sink.Record, error) {
	r := sink.Record{
		ID: e.ID, Organization: e.Organization, Action: e.Action, Format: "raw", Time: e.Time, Late: e.Late,
		Epoch: e.Number.Epoch, Sequence: e.Number.Sequence, Body: append(dst, e.Raw...),
	}
	if e.Note != "" {
		return r, nil
	}
	if f.unable[index(e.ID)] && !f.able {
		return sink.Record{}, errors.New("no such shape")
	}
	r.Truncated = f.truncated[index(e.ID)]
	return r, nil
}

// prepare filters some events, and hides the secrets and the actors of others.
func (l *life) prepare(e *source.Event) (*source.Event, error) {
	i := index(e.ID)
	if l.filters[i] {
		return nil, nil
	}
	if !l.redacts[i] {
		return e, nil
	}
	hidden := *e
	hidden.Actor.ID = "hidden"
	hidden.Raw = rawFacts(&hidden, "hidden")
	return &hidden, nil
}

// claim returns what a record states of its event.
func claim(r *sink.Record, raw []byte) (evidence.Facts, error) {
	var f facts
	if err := json.Unmarshal(raw, &f); err != nil {
		return evidence.Facts{}, err
	}
	e := source.Event{
		ID: f.ID, Time: f.Time, Action: f.Action, Actor: source.Party{ID: f.Actor}, RemoteIP: f.Address,
		Objects: [2]source.Party{{ID: f.Object}, {ID: f.Container}}, Organization: r.Organization, Raw: raw,
	}
	return evidence.FactsOf(&e, r.Truncated), nil
}

func isNote(action string) bool {
	return strings.HasPrefix(action, "sluice.") && action != source.GapAction
}
