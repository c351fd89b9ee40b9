package ownlog

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/source"
)

// reader reads the log for one lane.
type reader struct {
	source *Source
	lane   string
	log    zerolog.Logger
	memory source.Memory
	most   int  // events that a page may have
	held   bool // the lane has a turn: its caller has a page
	pos    *position
	saved  bool // a page with the gap in its position was returned
	known  bool // the line before the position was there, or need not be
	told   bool // the last page said that the lane is caught up

	mu   sync.Mutex
	seen source.Progress
}

// Next implements source.Reader.
func (r *reader) Next(ctx context.Context) (source.Page, error) {
	r.leave() // The caller has the last page by now.
	p, err := r.next(ctx)
	if err != nil {
		r.leave()
		return source.Page{}, err
	}
	r.told = p.CaughtUp
	return p, nil
}

func (r *reader) next(ctx context.Context) (source.Page, error) {
	for {
		if err := ctx.Err(); err != nil {
			return source.Page{}, err
		}
		if r.pos.Gap != nil {
			return r.reportGap()
		}
		b, err := r.bounds(ctx)
		switch {
		case err != nil:
			return source.Page{}, err
		case r.pos.Next < b.First || r.pos.Next < b.Next:
			page, ok, err := r.page(ctx, b)
			if ok || err != nil {
				return page, err
			}
		case !r.told:
			return r.at(nil, true)
		}
		if err := r.source.store.Wait(ctx, r.pos.Next); err != nil {
			return source.Page{}, err
		}
	}
}

// bounds asks which lines there are, and whether the position is one of this log.
func (r *reader) bounds(ctx context.Context) (Bounds, error) {
	b, err := r.source.bounds(ctx)
	if err != nil {
		return b, err
	}
	if err := r.pos.of(b.Log); err != nil {
		return b, &source.Error{Class: source.Malformed, Err: err, Hint: unusable{}.ErrorHint()}
	}
	if b.Next < r.pos.Next {
		return b, &source.Error{
			Class: source.Malformed,
			Err:   unusable{fmt.Errorf("sluice: the own log ends at number %d, and the lane has read it up to %d", b.Next, r.pos.Next)},
			Hint:  unusable{}.ErrorHint(),
		}
	}
	if err := r.recognize(ctx, b); err != nil {
		return b, err
	}
	r.note(func(seen *source.Progress) {
		seen.LastRead, seen.CaughtUp = time.Now(), r.pos.Next == b.Next
	})
	return b, nil
}

// recognize returns an error, once and for all, if the line before the position is another
// one than the lane has read: the log was restored from a backup and has gone on, so that
// other lines have the numbers that the lane has read. A line that the bounds of the log
// removed tells nothing.
func (r *reader) recognize(ctx context.Context, b Bounds) error {
	if r.known || r.pos.Last == "" || r.pos.Next <= b.First {
		r.known = true
		return nil
	}
	p, err := r.source.read(ctx, r.pos.Next-1, 1)
	if err != nil {
		return err
	}
	if !p.Gone && (len(p.Lines) == 0 || !r.pos.follows(p.Lines[0])) {
		return &source.Error{
			Class: source.Malformed,
			Err:   unusable{fmt.Errorf("sluice: line %d of the own log is not the one that the lane has read", r.pos.Next-1)},
			Hint:  unusable{}.ErrorHint(),
		}
	}
	r.known = true
	return nil
}

// page returns the next lines; ok is false if there are none.
func (r *reader) page(ctx context.Context, b Bounds) (page source.Page, ok bool, err error) {
	if err := r.enter(ctx); err != nil {
		return source.Page{}, false, err
	}
	p, err := r.source.read(ctx, r.pos.Next, mostPage)
	if err != nil {
		return source.Page{}, false, err
	}
	read := time.Now().UTC()
	if p.Gone || r.pos.Next < b.First {
		to, oldest := max(r.pos.Next, b.First), read
		if len(p.Lines) > 0 {
			to, oldest = p.Lines[0].Number, decode(p.Lines[0].Text, read).Time
		}
		r.pos.skip(to, oldest)
		r.foundGap()
		page, err = r.reportGap()
		return page, err == nil, err
	}
	if len(p.Lines) == 0 {
		r.leave()
		return source.Page{}, false, nil
	}
	lines := p.Lines[:min(len(p.Lines), r.most)]
	events := make([]source.Event, len(lines))
	for i, l := range lines {
		events[i] = r.event(l, read)
	}
	r.pos.Last = hashOf(lines[len(lines)-1].Text)
	page, err = r.at(events, r.pos.Next >= b.Next)
	return page, err == nil, err
}

// event decodes a line and moves the position behind it.
func (r *reader) event(l Line, read time.Time) source.Event {
	e := decode(l.Text, read)
	e.Late = e.Time.Before(r.pos.Event)
	if !e.Late {
		r.pos.Event = e.Time
	}
	r.pos.Next = l.Number + 1
	return e
}

// at returns a page with the position of the reader.
func (r *reader) at(events []source.Event, caughtUp bool) (source.Page, error) {
	next, err := r.pos.encode()
	r.note(func(seen *source.Progress) {
		seen.CaughtUp = caughtUp
		seen.Oldest = time.Time{}
		for i := range events {
			if i == 0 && !caughtUp {
				seen.Oldest = events[i].Time
			}
			if events[i].Late {
				seen.LateEvents++
			}
		}
	})
	return source.Page{Events: events, Next: next, CaughtUp: caughtUp}, err
}

// foundGap logs and counts the gap.
func (r *reader) foundGap() {
	r.log.Error().Str("lane", r.lane).Time("from", r.pos.Gap.From).Time("to", r.pos.Gap.To).
		Msg("events of the own log may be missing: it no longer reaches back to where the lane stopped")
	r.note(func(seen *source.Progress) {
		seen.Gaps++
		seen.LastGap = time.Now()
	})
}

// reportGap returns a page that only saves the gap, then a page with its event. So the same
// gap is reported again after a crash.
func (r *reader) reportGap() (source.Page, error) {
	if !r.saved {
		r.saved = true
		return r.at(nil, false)
	}
	e, err := source.NewGap(product.Keys, Organization, r.lane, source.Interval(*r.pos.Gap))
	if err != nil {
		return source.Page{}, fmt.Errorf("sluice: %w", err)
	}
	r.pos.Gap, r.saved = nil, false
	return r.at([]source.Event{e}, false)
}

func (r *reader) enter(ctx context.Context) error {
	err := r.memory.Enter(ctx)
	r.held = err == nil
	return err
}

func (r *reader) leave() {
	if r.held {
		r.memory.Leave()
	}
	r.held = false
}

func (r *reader) note(change func(seen *source.Progress)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.seen)
}

// Progress implements source.Reader.
func (r *reader) Progress() source.Progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen
}

// Close implements source.Reader.
func (r *reader) Close() error {
	r.leave()
	return nil
}
