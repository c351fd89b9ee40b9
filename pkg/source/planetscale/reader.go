package planetscale

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/source"
)

const (
	idleSave  = time.Minute     // an idle lane's position is saved that often
	warnAgain = 5 * time.Minute // a warning that still holds is repeated
)

// reader walks the log for one lane. Next alternates between the two halves of
// a walk: listing down (step) and handing out (events).
type reader struct {
	source *Source
	log    zerolog.Logger
	lane   string

	pos      *position // behind what was handed out
	walk     *walk     // listing down
	ahead    *flight   // the walk's next page, if it is on its way
	hand     *handout  // handing out
	room     page      // of the stretch handed out before: memory to be used again
	events   []source.Event
	order    order     // as far as known
	ending   *string   // the last id of a walk that met the end of the log and nothing known; nil after any other walk
	again    bool      // the next walk is to confirm that end
	doubts   int       // answers in a row that may be hiccups
	end      [2]string // of a log that lists the oldest first: its last two events
	fullDue  time.Time // when a walk must go down to the floor again
	returned time.Time // when Next last returned a page; zero before it did
	behind   bool      // that page said that more waits
	warned   time.Time

	mu       sync.Mutex
	progress source.Progress
}

// Next returns the next events in the order of the log.
func (r *reader) Next(ctx context.Context) (source.Page, error) {
	for {
		if err := ctx.Err(); err != nil {
			return source.Page{}, err
		}
		if r.pos.gap != nil {
			return r.tellGap()
		}
		if r.hand != nil {
			page, ok, err := r.handOut(ctx)
			if ok || err != nil {
				return page, err
			}
			continue
		}
		if err := r.step(ctx); err != nil {
			return source.Page{}, err
		}
	}
}

// step requests one page and goes on with the walk, or begins one.
func (r *reader) step(ctx context.Context) error {
	if r.walk == nil {
		bottom := r.pos.bottom(r.source.clock.now().UnixMilli())
		full := !time.Now().Before(r.fullDue) || bottom < r.pos.floor
		settings := &r.source.settings
		r.walk = newWalk(r.pos, full, r.order, settings, r.source.clock)
		r.walk.bottom = bottom
		if r.ending != nil {
			r.walk.former = *r.ending
		}
		if !full && r.order == oldestFirst && r.end[0] != "" {
			r.walk.jump(r.end)
		}
	}
	w := r.walk
	p, err := r.request(ctx, w)
	if err != nil {
		return r.doubt(w, err)
	}
	r.sawAnswer()
	r.watch(p)
	st, err := w.add(p)
	if err != nil {
		return r.doubt(w, errWalk{err})
	}
	r.doubts = 0
	if !w.done {
		// The next page is on its way while this one is compressed.
		r.ahead = r.source.shared.start(w.cursor, catchUp)
	}
	if st != nil {
		w.keep(st, p)
	}
	r.sawWalk(w)
	if w.done {
		r.listed(w)
	}
	return nil
}

// fromTheTop begins the walk anew without the anchors: one is gone.
func (r *reader) fromTheTop() {
	r.pos.anchor, r.end = [2]string{}, [2]string{}
	r.walk, r.ahead, r.fullDue = nil, nil, time.Time{}
}

// listed turns from listing to handing out, unless the walk's end is to be
// confirmed by another walk.
func (r *reader) listed(w *walk) {
	r.walk, r.order = nil, w.order()
	stands := r.stands(w)
	r.ending = nil
	if w.lost() {
		r.ending = &w.last
	}
	if r.again = !stands; r.again {
		r.fullDue = time.Time{}
		return
	}
	r.pos.mend(w)
	r.pos.gap = w.gap(&r.source.settings)
	if w.complete {
		r.fullDue = time.Now().Add(r.source.settings.Overlap.Std() / 4)
		r.pos.learn(w, r.pos.gap, r.source.settings.Retention.Std())
	}
	r.hand = newHandout(w)
	if r.pos.gap != nil {
		r.pos.pass(w)
		r.foundGap(r.pos.gap)
	}
}

func (r *reader) request(ctx context.Context, w *walk) (*page, error) {
	if w.pages == 0 && !r.again {
		return r.source.shared.poll(ctx, w.cursor)
	}
	if r.ahead == nil {
		r.ahead = r.source.shared.start(w.cursor, catchUp)
	}
	p, err := r.ahead.wait(ctx)
	if ctx.Err() == nil {
		r.ahead = nil
	}
	return p, err
}

// handOut returns the next page of a walk, if it holds anything worth returning.
func (r *reader) handOut(ctx context.Context) (source.Page, bool, error) {
	h := r.hand
	events, err := r.collect(ctx, h)
	if err != nil {
		return source.Page{}, false, r.doubt(nil, err)
	}
	r.doubts = 0
	caughtUp := len(h.next) == 0
	if caughtUp {
		r.settle(h.walk, math.MaxInt64)
		r.keepAnchors(h.walk)
		r.hand = nil
	}
	r.sawHandout(events, caughtUp)
	if len(events) == 0 && !(caughtUp && r.behind) && time.Since(r.returned) < idleSave {
		return source.Page{}, false, nil
	}
	page, err := r.page(events, caughtUp)
	return page, err == nil, err
}

func (r *reader) page(events []source.Event, caughtUp bool) (source.Page, error) {
	next, err := r.pos.encode()
	r.returned, r.behind = time.Now(), !caughtUp
	return source.Page{Events: events, Next: next, CaughtUp: caughtUp}, err
}

// foundGap warns, and has the position saved with the gap in it before the gap
// is told: told again after a crash, it is the same.
func (r *reader) foundGap(g *gap) {
	r.log.Error().Str("lane", r.lane).Time("from", g.From).Time("to", g.To).
		Msg("events are missing: the log no longer reaches back to where the lane stopped")
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress.Gaps++
	r.progress.LastGap = time.Now()
}

// tellGap returns the gap: first a page that only saves it, then its event.
func (r *reader) tellGap() (source.Page, error) {
	if !r.pos.gap.saved {
		r.pos.gap.saved = true
		return r.page(nil, false)
	}
	event, err := r.source.gapEvent(r.lane, r.pos.gap)
	if err != nil {
		return source.Page{}, err
	}
	r.pos.gap = nil
	return r.page([]source.Event{event}, false)
}

// watch notices events that came again with other bytes. The first version is
// the one that was delivered.
func (r *reader) watch(p *page) {
	for i := range p.listed {
		l := &p.listed[i]
		seen, known := r.pos.index[l.id]
		now := uint64(0)
		if known {
			now = digest(l.raw)
		}
		if seen == now {
			continue
		}
		r.pos.index[strings.Clone(l.id)] = now // a map takes the new key, which outlives the page
		if seen != 0 {
			r.log.Warn().Str("lane", r.lane).Str("event", l.id).
				Msg("an event that was delivered changed in the log; the new version is not delivered")
			r.mu.Lock()
			r.progress.Changed++
			r.mu.Unlock()
		}
	}
}

// shrunk tells that the position cannot name everything within the overlap.
func (r *reader) shrunk(now int64) {
	effective := max(0, time.Duration(now-r.pos.floor)*time.Millisecond)
	r.overlap(min(effective, r.source.settings.Overlap.Std()))
	if time.Since(r.warned) < warnAgain {
		return
	}
	r.warned = time.Now()
	r.log.Warn().Str("lane", r.lane).Dur("overlap", effective).Int("limit", maxNames).
		Msg("more events within the overlap than a position may name: one that becomes visible later than the effective overlap is missed; lower overlap to what the API needs")
}

func (r *reader) overlap(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress.Overlap = d
}

func (r *reader) sawAnswer() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress.LastRead = time.Now()
}

func (r *reader) sawWalk(w *walk) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress.WalkPages, r.progress.WalkEvents, r.progress.WalkDone, r.progress.Handed = w.pages, w.unknown, w.done, 0
	r.progress.CaughtUp = w.unknown == 0
	if w.lastDated != nil {
		r.progress.Oldest = time.UnixMilli(*w.lastDated).UTC()
	}
}

func (r *reader) sawHandout(events []source.Event, caughtUp bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress.Handed += len(events)
	r.progress.CaughtUp = caughtUp
	for i := range events {
		if events[i].Late {
			r.progress.LateEvents++
		}
	}
}

func (r *reader) Progress() source.Progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.progress
}

// Close forgets what the reader holds. Requests it shares go on for others.
func (r *reader) Close() error {
	r.walk, r.hand = nil, nil
	r.source.client.budget.reading(-1)
	return nil
}

// gapEvent is what the lane's sink is told of a gap. Its id follows from the
// lane and the interval, so that it is the same when it is sent again.
func (s *Source) gapEvent(lane string, g *gap) (source.Event, error) {
	id := gapID(lane, g)
	raw, err := json.Marshal(map[string]any{
		"id": id, "audit_action": gapAction, "action": "gap", "lane": lane,
		"organization": s.settings.Organization, "from": g.From, "to": g.To,
		"created_at": g.To, "text": "Events of this interval may be missing: the audit log no longer reached back to where the lane had stopped.",
	})
	if err != nil {
		return source.Event{}, fmt.Errorf("planetscale: gap event: %w", err)
	}
	return source.Event{
		ID: id, Time: g.To, Read: time.Now().UTC(), Organization: s.settings.Organization,
		Action: gapAction, Verb: "gap", Raw: raw, Gap: true,
	}, nil
}
