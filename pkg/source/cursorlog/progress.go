package cursorlog

import (
	"sync"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
)

// progress is what a reader has seen, for metrics and people. Its methods may be called
// concurrently.
type progress struct {
	mu   sync.Mutex
	seen source.Progress
}

func (p *progress) snapshot() source.Progress {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen
}

// note changes what was seen.
func (p *progress) note(change func(seen *source.Progress)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.seen)
}

func (p *progress) answered() {
	p.note(func(seen *source.Progress) { seen.LastRead = time.Now() })
}

func (p *progress) overlap(d time.Duration) {
	p.note(func(seen *source.Progress) { seen.Overlap = d })
}

func (p *progress) changed() {
	p.note(func(seen *source.Progress) { seen.Changed++ })
}

func (p *progress) gap() {
	p.note(func(seen *source.Progress) {
		seen.Gaps++
		seen.LastGap = time.Now()
	})
}

func (p *progress) discarded() {
	p.note(func(seen *source.Progress) { seen.WalksFailed++ })
}

// walked notes how far a walk has listed.
func (p *progress) walked(w *walk) {
	p.note(func(seen *source.Progress) {
		seen.WalkPages, seen.WalkEvents, seen.WalkDone, seen.Handed = w.pages, w.unknown, w.done, 0
		seen.CaughtUp = w.unknown == 0
		seen.Oldest = moment(w.lastDated)
	})
}

// handed notes events of a walk that are returned.
func (p *progress) handed(events []source.Event, caughtUp bool) {
	p.note(func(seen *source.Progress) {
		seen.Handed += len(events)
		seen.CaughtUp = caughtUp
		for i := range events {
			if events[i].Late {
				seen.LateEvents++
			}
		}
	})
}
