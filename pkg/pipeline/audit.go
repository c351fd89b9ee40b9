package pipeline

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/evidence/audit"
	"github.com/sluice-siem/sluice/pkg/source"
)

// Audit is what a lane needs to audit itself. Lanes share one, since a lane only reads it.
// See package audit.
type Audit struct {
	Every        time.Duration // from the beginning of one audit to that of the next; required
	Keys         source.Keys   // of the log's own events
	Organization string        // of the source
	Alone        chan struct{} // has room for one value, which a lane puts there while it audits; required
}

// auditor counts what a lane settles, and compares that with the log now and then.
//
// The count is part of the position, so it covers what the position covers. What an audit
// found passes through the queue like what was read: a page without a position of its own.
// So events that were missing are delivered and counted with the same save.
type auditor struct {
	*Audit
	lane *Lane
	most int // events that a page may have

	mu    sync.Mutex
	hours audit.Hours     // of the saved position
	at    source.Position // the source's part of it
}

// newAuditor returns the auditor of a lane at a position, with the count in it, nil if it
// has none: then the lane begins to count. It returns nil if the lane has no audits.
func newAuditor(l *Lane, most int, hours *audit.Hours, at source.Position) (*auditor, error) {
	if l.Audit == nil {
		return nil, nil
	}
	if hours == nil {
		place, err := l.Source.Describe(at)
		if err != nil {
			return nil, fmt.Errorf("lane %s: begin to count: %w", l.Name, err)
		}
		begun := audit.Begin(place, time.Now().UTC())
		hours = &begun
	}
	a := &auditor{Audit: l.Audit, lane: l, most: most, hours: *hours, at: at}
	l.state.audited(a.hours.Last, a.hours.Audited.Add(a.Every))
	return a, nil
}

// describe explains a position to people and metrics, with a count in it or without one.
func (l *Lane) describe(pos source.Position) (source.Description, error) {
	return l.Source.Describe(audit.Inner(pos))
}

// position returns the saved position.
func (a *auditor) position() (source.Position, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return audit.Join(&a.hours, a.at)
}

// behind returns the position behind pages, and a function to call once it is saved.
func (a *auditor) behind(pages []*page) (pos source.Position, saved func(), err error) {
	for _, p := range pages {
		if p.next != nil {
			pos = p.next
		}
	}
	if a == nil {
		return pos, func() {}, nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	hours, at := a.hours.Clone(), pos
	if at == nil {
		at = a.at
	}
	for _, p := range pages {
		hours.Join(&p.hours)
		if p.outcome != nil {
			hours.Apply(p.outcome)
		}
	}
	pos, err = audit.Join(&hours, at)
	return pos, func() { a.keep(hours, at, pages) }, err
}

// keep keeps a count that was saved.
func (a *auditor) keep(hours audit.Hours, at source.Position, pages []*page) {
	a.mu.Lock()
	a.hours, a.at = hours, at
	a.mu.Unlock()
	for _, p := range pages {
		if p.outcome != nil {
			a.lane.state.audited(hours.Last, hours.Audited.Add(a.Every))
			a.lane.state.found(p.outcome)
			close(p.saved)
		}
	}
}

// run audits each time it is due, until ctx ends. It hands what it found to hand.
func (a *auditor) run(ctx context.Context, hand func(context.Context, *page) error) error {
	for {
		if err := a.wait(ctx); err != nil {
			return err
		}
		o, err := a.audit(ctx)
		if err != nil {
			if err := a.lane.auditing.pause(ctx, err); err != nil {
				return err
			}
			continue
		}
		a.lane.auditing.succeeded()
		if err := a.settle(ctx, o, hand); err != nil {
			return err
		}
		a.tell(o)
	}
}

// rest is how long a lane that is to be audited waits for a moment at which it is at rest.
const rest = time.Minute

// wait returns once an audit is due and the lane has nothing else to do.
func (a *auditor) wait(ctx context.Context) error {
	a.mu.Lock()
	due := time.Until(a.hours.Audited.Add(a.Every))
	if a.hours.Last.Truncated && a.hours.Last.Missing > 0 {
		due = 0
	}
	a.mu.Unlock()
	for due > 0 || !a.lane.state.atRest() {
		if err := wait(ctx, max(due, rest)); err != nil {
			return err
		}
		due = 0
	}
	return ctx.Err()
}

// audit compares the count with the log. Only one lane of the process does so at a time.
func (a *auditor) audit(ctx context.Context) (*audit.Outcome, error) {
	select {
	case a.Alone <- struct{}{}:
		defer func() { <-a.Alone }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	a.mu.Lock()
	hours, at := a.hours.Clone(), a.at
	a.mu.Unlock()
	place, err := a.lane.Source.Describe(at)
	if err != nil {
		return nil, fmt.Errorf("audit: describe checkpoint: %w", err)
	}
	a.lane.log.Info().Msg("audit begins: the log is listed from its beginning")
	survey := audit.Survey{
		Settled: hours, Place: place, List: a.list,
		Doubted: func() bool { return a.lane.Source.Usage().ClockSkew != 0 },
	}
	o, err := survey.Run(ctx)
	if err == nil {
		o.Lateness = max(o.Lateness, a.lane.state.latest())
	}
	return o, err
}

// attempts is how often in a row the log may fail to be read before the audit begins anew.
const attempts = 5

// list lists the whole log with a reader of its own. Its requests go behind those of polls.
func (a *auditor) list(ctx context.Context, visit func(*source.Event)) error {
	start, err := a.lane.Source.Start(ctx, source.Start{})
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	r, err := a.lane.Source.Open(start, source.Env{Lane: a.lane.Name, Log: zerolog.Nop(), Memory: &frugal{Memory: source.Unbounded}})
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	defer r.Close() // It holds nothing that could fail.
	for failed := 0; ; {
		page, err := r.Next(ctx)
		if err != nil {
			if failed++; failed == attempts {
				return fmt.Errorf("audit: %w", err)
			}
			if err := a.lane.auditing.pause(ctx, err); err != nil {
				return err
			}
			continue
		}
		failed = 0
		for i := range page.Events {
			visit(&page.Events[i])
		}
		if page.CaughtUp {
			return nil
		}
	}
}

// frugal is the memory of the reader of an audit. It takes no turn, since lanes that have
// events to deliver need those, and little more than a page.
type frugal struct {
	source.Memory
	mu   sync.Mutex
	held int64
}

// mostHeld is how much a reader of an audit keeps of a walk. What is beyond it is read
// twice. Compressed, it is some ten thousand events.
const mostHeld = 2 << 20

func (f *frugal) Grow(n int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.held+n > mostHeld {
		return false
	}
	f.held += n
	return true
}

func (f *frugal) Shrink(n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held -= n
}

// settle hands what was found to the lane, and waits until it is settled.
func (a *auditor) settle(ctx context.Context, o *audit.Outcome, hand func(context.Context, *page) error) error {
	events := o.Missing
	if len(o.Findings) > 0 {
		told, err := audit.NewEvent(a.Keys, a.Organization, a.lane.Name, o)
		if err != nil {
			return err
		}
		events = append(slices.Clip(events), told)
	}
	var pages []*page
	for part := range slices.Chunk(events, a.most) {
		pages = append(pages, newPage(source.Page{Events: part}))
	}
	if len(pages) == 0 {
		pages = append(pages, newPage(source.Page{}))
	}
	last := pages[len(pages)-1]
	last.outcome, last.saved = o, make(chan struct{})
	for _, p := range pages {
		if err := hand(ctx, p); err != nil {
			return err
		}
	}
	select {
	case <-last.saved:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tell logs what was found.
func (a *auditor) tell(o *audit.Outcome) {
	line := a.lane.log.Info()
	switch {
	case len(o.Findings) > 0:
		line = a.lane.log.Error()
	case !o.Clean():
		line = a.lane.log.Warn()
	}
	if overlap := a.lane.state.overlap(); o.Advise(overlap) > 0 {
		line = line.Stringer("lateness", o.Lateness.Round(time.Second)).
			Str("hint", fmt.Sprintf("the source lists events later than overlap, which is %s, allows: set overlap to %s", overlap, o.Advise(overlap)))
	}
	line.Str("result", o.Result.String()).Msg("audit done")
}
