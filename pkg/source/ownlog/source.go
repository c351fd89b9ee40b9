package ownlog

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"time"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/source"
)

// Source is the own log as a source.
type Source struct{ store Store }

// NewSource returns the log in a store as a source. Close of the source leaves the store
// open.
func NewSource(store Store) *Source { return &Source{store} }

// mostPage is how many bytes of lines a page has at most.
const mostPage = 256 << 10

// Start resolves where to begin: at a time that is at the first event that is not earlier.
func (s *Source) Start(ctx context.Context, at source.Start) (source.Position, error) {
	b, err := s.bounds(ctx)
	if err != nil {
		return nil, err
	}
	p := &position{Version: version, Log: b.Log, Next: b.First}
	switch {
	case at.Now:
		p.Next, p.After = b.Next, time.Now().UTC()
	case !at.Since.IsZero():
		p.After = at.Since.UTC()
		if p.Next, err = s.since(ctx, b, at.Since); err != nil {
			return nil, err
		}
	}
	if err := s.identify(ctx, p, b); err != nil {
		return nil, err
	}
	return p.encode()
}

// identify notes which line is before the position, if there is one.
func (s *Source) identify(ctx context.Context, p *position, b Bounds) error {
	if p.Next <= b.First {
		return nil
	}
	before, err := s.read(ctx, p.Next-1, 1)
	if err == nil && !before.Gone && len(before.Lines) > 0 {
		p.Last = hashOf(before.Lines[0].Text)
	}
	return err
}

// since returns the number of the first event that is not earlier than a time. If that is
// the oldest one left, events of that time may be gone: then it returns the beginning, and a
// reader finds out.
func (s *Source) since(ctx context.Context, b Bounds, at time.Time) (int64, error) {
	for next := b.First; next < b.Next; {
		lines, err := s.read(ctx, next, mostPage)
		if err != nil || len(lines.Lines) == 0 {
			return b.Next, err
		}
		for _, l := range lines.Lines {
			if e := decode(l.Text, time.Now()); !e.Time.Before(at) {
				if l.Number == b.First {
					return 0, nil
				}
				return l.Number, nil
			}
			next = l.Number + 1
		}
	}
	return b.Next, nil
}

// Open returns a reader that resumes behind pos.
func (s *Source) Open(pos source.Position, env source.Env) (source.Reader, error) {
	p, err := parsePosition(pos, s.store.Log())
	if err != nil {
		return nil, err
	}
	r := &reader{source: s, lane: env.Lane, log: env.Log, memory: env.Memory, most: cmp.Or(env.Page, math.MaxInt), pos: p, saved: p.Gap != nil}
	if r.memory == nil {
		r.memory = source.Unbounded
	}
	if p.Gap != nil {
		r.foundGap() // by an earlier run, which may have told nobody
	}
	return r, nil
}

// Describe reads a position for people and metrics.
func (s *Source) Describe(pos source.Position) (source.Description, error) {
	p, err := parsePosition(pos, s.store.Log())
	if err != nil {
		return source.Description{}, err
	}
	return p.describe(), nil
}

// Check reads the newest event.
func (s *Source) Check(ctx context.Context) (string, error) {
	b, err := s.bounds(ctx)
	if err != nil {
		return "", err
	}
	if b.First == b.Next {
		return "the own log can be read, no events yet", nil
	}
	newest, err := s.read(ctx, b.Next-1, 1)
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf("the own log can be read, %d events are kept", b.Next-b.First)
	if len(newest.Lines) > 0 {
		text += ", the newest of " + decode(newest.Lines[0].Text, time.Now()).Time.UTC().Format(time.RFC3339)
	}
	return text, nil
}

// freshFor is how old a read may be. A reader that waits looks each second, and a broker may
// take some time to answer.
const freshFor = time.Minute

// Freshness implements source.Source.
func (s *Source) Freshness() source.Freshness { return source.Freshness{Age: freshFor} }

// Usage says that nothing limits how often the log is read. No server answers.
func (s *Source) Usage() source.Usage { return source.Usage{BudgetLeft: math.Inf(1)} }

// Close implements source.Source. There is nothing in flight without a reader.
func (s *Source) Close() error { return nil }

func (s *Source) bounds(ctx context.Context) (Bounds, error) {
	b, err := s.store.Bounds(ctx)
	return b, unavailable(err)
}

func (s *Source) read(ctx context.Context, from int64, most int) (Passage, error) {
	p, err := s.store.Read(ctx, from, most)
	return p, unavailable(err)
}

// unavailable is the error of a store as one of a source. The error of a store names what
// was attempted.
func unavailable(err error) error {
	if err == nil {
		return nil
	}
	return &source.Error{Class: source.Unavailable, Err: err, Hint: failure.Hint(err)}
}
