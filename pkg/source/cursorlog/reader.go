package cursorlog

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/source"
)

const (
	idleSave  = time.Minute     // how often an idle lane saves its position
	listSave  = time.Second     // how often a lane that knows no event yet saves what it listed
	warnAgain = 5 * time.Minute // how often a warning that still holds is repeated
)

// reader reads the log for one lane. Next alternates between the two halves of a walk:
// listing down (step) and returning events (handOut).
type reader struct {
	source *Source
	log    zerolog.Logger
	lane   string
	most   int // events that a page which Next returns may have

	pos      *position // behind the events that were returned
	walks    series
	walk     *walk    // being listed; nil otherwise
	ahead    *flight  // the request for the walk's next page, if it is in flight
	hand     *handout // being returned; nil otherwise
	recalled recollection
	doubts   int       // answers in a row that may be hiccups
	refused  bool      // each of those refused the cursor
	returned time.Time // when Next last returned a page; zero before it did
	behind   bool      // that page was not the last one of its walk
	saved    int64     // what the position of that page awaits
	warned   time.Time
	progress progress
	holding  holding
}

// Next returns the next events, the oldest first.
func (r *reader) Next(ctx context.Context) (source.Page, error) {
	p, err := r.next(ctx)
	if err != nil {
		r.holding.leave()
	}
	return p, err
}

func (r *reader) next(ctx context.Context) (source.Page, error) {
	if r.walk == nil && r.hand == nil && r.pos.gap == nil {
		r.holding.leave() // The caller has the last page by now.
	}
	for {
		if err := ctx.Err(); err != nil {
			return source.Page{}, err
		}
		if r.pos.gap != nil {
			return r.reportGap()
		}
		if r.mustSave() {
			return r.page(nil, false)
		}
		if r.hand != nil {
			page, ok, err := r.handOut(ctx)
			if ok || err != nil {
				return page, err
			}
			if r.hand == nil {
				r.holding.leave() // The walk found nothing.
			}
			continue
		}
		if err := r.step(ctx); err != nil {
			return source.Page{}, err
		}
	}
}

// step requests one page of the walk, and starts a walk if there is none.
func (r *reader) step(ctx context.Context) error {
	if r.walk == nil {
		r.walk = r.walks.begin(r.pos)
		r.walk.memory = r.holding.memory
	}
	w := r.walk
	p, err := r.request(ctx, w)
	if err != nil {
		return r.doubt(w, err)
	}
	r.progress.answered()
	r.watch(p)
	st, err := w.add(p)
	if err != nil {
		return r.doubt(w, errWalk{err})
	}
	r.doubts = 0
	if (st != nil || !w.done) && !r.holding.tryEnter() {
		// A lane that waits must hold nothing. It polls again when its turn has come.
		r.drop()
		return r.holding.enter(ctx)
	}
	r.pos.await(w)
	if !w.done {
		// The next page is requested while this one is compressed.
		r.ahead = r.source.shared.start(w.cursor, catchUp)
	}
	if st != nil {
		w.keepPage(st, p)
	}
	r.progress.walked(w)
	if w.done {
		r.listed(w)
	}
	return nil
}

// fromTheTop restarts the walk without the anchors: one of them is gone.
func (r *reader) fromTheTop() {
	r.pos.forgetAnchors()
	r.drop()
	r.walks.goDown()
}

// drop forgets what the reader lists or returns, and gives back its memory.
func (r *reader) drop() {
	if r.walk != nil {
		r.walk.close()
	}
	if r.hand != nil {
		r.hand.close()
	}
	r.walk, r.hand, r.ahead = nil, nil, nil
}

// listed turns from listing to returning events, unless another walk must confirm the end
// of the log first.
func (r *reader) listed(w *walk) {
	r.walk = nil
	if !r.walks.finish(w) {
		w.close()
		return
	}
	r.pos.correctThrough(w)
	r.pos.gap = w.gap(&r.source.settings)
	r.pos.awaits, r.pos.behind = w.awaits, ""
	if w.complete {
		r.pos.learnReach(w, r.pos.gap, &r.source.settings)
	}
	r.hand = newHandout(w, r.most, &r.recalled, r.compare)
	if r.pos.gap != nil {
		r.pos.passGap(w)
		r.foundGap(r.pos.gap)
	}
}

func (r *reader) request(ctx context.Context, w *walk) (*page, error) {
	polls := w.pages == 0 && !r.walks.confirming
	if polls && !r.returned.IsZero() && !r.holding.held {
		return r.source.shared.poll(ctx, w.cursor)
	}
	if err := r.holding.enter(ctx); err != nil {
		return nil, err
	}
	if polls {
		return r.source.shared.pollNow(ctx, w.cursor)
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
	events, err := h.collect(ctx, r.doubts+1 == tries)
	if err != nil {
		return source.Page{}, false, r.doubt(nil, err)
	}
	r.doubts = 0
	caughtUp := h.done()
	if caughtUp {
		r.pos.keepAnchors(h.walk)
		r.drop()
	}
	r.noteOverlap(h)
	r.progress.handed(events, caughtUp)
	if len(events) == 0 && !(caughtUp && r.behind) && time.Since(r.returned) < idleSave {
		return source.Page{}, false, nil
	}
	page, err := r.page(events, caughtUp)
	return page, err == nil, err
}

func (r *reader) page(events []source.Event, caughtUp bool) (source.Page, error) {
	next, err := r.pos.encode()
	r.returned, r.behind, r.saved = time.Now(), !caughtUp, r.pos.awaits
	return source.Page{Events: events, Next: next, CaughtUp: caughtUp}, err
}

// mustSave reports whether the position must be saved before an event is returned. That
// is so if the names in it do not show a loss by themselves, as in a lane that delivered
// nothing yet. What the walk listed may leave the log before it is delivered: the sink may
// be down, and the lane may stop.
func (r *reader) mustSave() bool {
	w := r.walk
	if r.hand != nil {
		w = r.hand.walk
	}
	if w == nil || r.pos.awaits == none || r.pos.awaits == r.saved ||
		r.pos.expected(w.clock.real(w.start), &r.source.settings) > 1 {
		return false
	}
	return r.hand != nil || time.Since(r.returned) >= listSave
}

// foundGap logs and counts the gap.
func (r *reader) foundGap(g *gap) {
	r.log.Error().Str("lane", r.lane).Time("from", g.From).Time("to", g.To).
		Msg("events may be missing: the log no longer reaches back to where the lane stopped")
	r.progress.gap()
}

// reportGap returns a page that only saves the gap, then a page with its event. So the
// same gap is reported again after a crash.
func (r *reader) reportGap() (source.Page, error) {
	if !r.pos.gap.saved {
		r.pos.gap.saved = true
		return r.page(nil, false)
	}
	event, err := r.pos.gap.event(r.source, r.lane)
	if err != nil {
		return source.Page{}, err
	}
	r.pos.gap = nil
	return r.page([]source.Event{event}, false)
}

// watch compares the events of a page with those that were delivered.
func (r *reader) watch(p *page) {
	for i := range p.Entries {
		r.compare(&p.Entries[i])
	}
}

// compare notices an event that has other bytes than the delivered event with its id.
// Either the event changed, or the log gave two events one id.
func (r *reader) compare(e *Entry) {
	if r.pos.changed(e) {
		r.log.Warn().Str("lane", r.lane).Str("event", e.ID).
			Msg("the log lists an event again with other content, which is not delivered: the event changed, or its id is not unique")
		r.progress.changed()
	}
}

// noteOverlap notes the overlap in effect, and warns if the position cannot name all events
// within the configured one.
func (r *reader) noteOverlap(h *handout) {
	if !h.shrunk {
		if h.walk.complete {
			r.progress.overlap(r.source.settings.Overlap.Std())
		}
		return
	}
	h.shrunk = false
	now := h.walk.clock.real(h.walk.start)
	effective := max(0, time.Duration(now-r.pos.floor)*time.Millisecond)
	r.progress.overlap(min(effective, r.source.settings.Overlap.Std()))
	if time.Since(r.warned) < warnAgain {
		return
	}
	r.warned = time.Now()
	r.log.Warn().Str("lane", r.lane).Dur("effective_overlap", effective).Int("limit", maxNames).
		Msg("too many events within the overlap for one position: an event that becomes visible later than the effective overlap is missed; lower overlap if the log shows its events sooner")
}

func (r *reader) Progress() source.Progress { return r.progress.snapshot() }

// Close releases memory. Requests in flight continue for other readers.
func (r *reader) Close() error {
	r.drop()
	r.holding.leave()
	r.source.requester.budget.addReaders(-1)
	return nil
}
