package pipeline

import (
	"context"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// gather takes a page and the queued pages that fit into the same Publish. For a sink that
// lingers it waits for more of them. It returns no page if none waits. If ctx ends while it
// waits for more, it returns what it has.
func (p *publisher) gather(ctx context.Context, in *queue) ([]*page, error) {
	first, err := in.take(ctx)
	if first == nil {
		return nil, err
	}
	g := gathering{limits: p.dest.limits}
	g.add(first)
	for {
		next, refused := in.takeIf(g.takes)
		switch {
		case next != nil:
			g.add(next)
		case refused || !p.linger(ctx, in, &g):
			return g.pages, nil
		}
	}
}

// linger waits for a page behind those of g, and reports whether one may have come. It
// ends when the first event of g has waited for as long as the sink allows, or earlier: when
// ctx ends, when the reader must wait for space in the queue, or when another lane needs the
// memory. It does not wait if no page can follow.
func (p *publisher) linger(ctx context.Context, in *queue, g *gathering) bool {
	left := g.limits.Linger - time.Since(g.pages[0].read)
	if left <= 0 || g.complete(p.lane.Once) || in.full.Load() {
		return false
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-in.changed:
		return true
	case <-timer.C:
	case <-p.lane.Memory.Wanted():
	case <-ctx.Done():
	}
	return false
}

// gathering is the pages of the next Publish.
type gathering struct {
	limits sink.Limits
	pages  []*page
	size   load
}

func (g *gathering) add(p *page) {
	g.pages = append(g.pages, p)
	g.size = g.size.with(p)
}

func (g *gathering) last() *page { return g.pages[len(g.pages)-1] }

// takes reports whether a page may be the next one. No event follows a page without
// events: its source wants the position saved before it is published.
func (g *gathering) takes(behind *page) bool {
	return (behind.bare || !g.last().bare) && g.size.with(behind).within(g.limits)
}

// complete reports whether there is nothing to wait for: the batch is full, or no event
// waits in it, or, with Once, the lane has caught up.
func (g *gathering) complete(once bool) bool {
	return g.size.reaches(g.limits) || g.pages[0].bare || once && g.last().caughtUp
}

// load is the size of a batch, to compare with the sink's limits. With evidence a reject
// counts, too: the position keeps something of each.
type load struct{ records, bytes int }

func (l load) with(p *page) load {
	l.records += max(p.part.len(), len(p.leaves))
	for i := range p.part.records {
		l.bytes += len(p.part.records[i].Body)
	}
	return l
}

func (l load) within(limits sink.Limits) bool {
	return l.records <= limits.Records && l.bytes <= limits.Bytes
}

func (l load) reaches(limits sink.Limits) bool {
	return l.records >= limits.Records || l.bytes >= limits.Bytes
}
