// Package lookout watches the lanes of a process, and says in the own log what nobody would
// hear of otherwise: that a lane is not ready, that credentials are refused or expire, that
// records became dead letters, that clocks disagree. And it says now and then that there is
// nothing to say: a heartbeat, so that silence means trouble.
//
// It looks once a second at snapshots of the lanes, and changes nothing. What it says is
// written in the order in which it was said. While the own log takes nothing, what was said
// waits, up to a limit, and is written later with the time at which it was said.
//
// # Files
//
// lookout.go is the loop, and writes. Each other file has one rule: lane.go whether lanes
// are ready, letters.go dead letters, refusal.go and expiry.go credentials, clock.go
// clocks, heartbeat.go heartbeats.
package lookout

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/internal/cadence"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
)

// Settings are what a lookout sees, and where it says it.
type Settings struct {
	Log       ownlog.Log
	Lanes     func() []pipeline.Status       // lanes that are elsewhere are not looked at
	Sources   func() map[string]source.Usage // by name
	Expiries  func() []Expiry                // of credentials; nil: none is known
	Heartbeat time.Duration                  // from one to the next; 0: none
	Logger    zerolog.Logger
}

// Lookout is a watch over the lanes of a process.
type Lookout struct {
	Settings
	every time.Duration // from one look to the next

	// The loop alone uses these.
	lanes   map[string]*lane
	refused map[ownlog.Party]bool
	skewed  map[string]*skew
	warned  map[Expiry]time.Time
	beat    time.Time // when the last heartbeat was said, or the watch began
	checked time.Time // when expiries were last asked for

	mu      sync.Mutex
	waiting []ownlog.Event
	more    chan struct{} // holds an element if something was said since the writer last looked
}

// most limits what waits while the own log takes nothing. A rule whose event does not fit
// says it at a later look.
const most = 4096

// New returns a lookout that is not watching yet.
func New(s Settings) *Lookout {
	return &Lookout{
		Settings: s, every: time.Second, more: make(chan struct{}, 1),
		lanes: map[string]*lane{}, refused: map[ownlog.Party]bool{}, skewed: map[string]*skew{}, warned: map[Expiry]time.Time{},
	}
}

// Run watches, and writes what is said, until ctx ends. It returns nil.
func (l *Lookout) Run(ctx context.Context) error {
	var group errgroup.Group
	group.Go(func() error {
		l.watch(ctx)
		return nil
	})
	l.write(ctx)
	return group.Wait()
}

func (l *Lookout) watch(ctx context.Context) {
	l.beat = time.Now()
	tick := time.NewTicker(l.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			l.look(time.Now())
		}
	}
}

// look applies all rules to what there is to see now.
func (l *Lookout) look(now time.Time) {
	here := l.here()
	l.lookAtLanes(here, now)
	l.lookAtLetters(here, now)
	l.lookAtRefusals(here)
	l.lookAtClocks(l.Sources(), now)
	l.lookAtExpiries(now)
	l.lookAtTheTime(here, now)
}

// here returns the lanes that this process runs, and forgets all others.
func (l *Lookout) here() (list []pipeline.Status) {
	known := l.lanes
	l.lanes = make(map[string]*lane, len(known))
	for _, s := range l.Lanes() {
		if s.Elsewhere {
			continue
		}
		list = append(list, s)
		if l.lanes[s.Lane] = known[s.Lane]; l.lanes[s.Lane] == nil {
			l.lanes[s.Lane] = &lane{}
		}
	}
	return list
}

// Say has an event written. It does not wait, and reports false if too much waits already.
// It may be called at any time.
func (l *Lookout) Say(e ownlog.Event) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) >= most {
		return false
	}
	l.waiting = append(l.waiting, e)
	select {
	case l.more <- struct{}{}:
	default:
	}
	return true
}

// write writes what was said until ctx ends. It repeats what failed at the next look.
func (l *Lookout) write(ctx context.Context) {
	var trouble trouble
	for {
		err := l.writeAll(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			trouble.end(l.Logger)
			select {
			case <-l.more:
			case <-ctx.Done():
				return
			}
			continue
		}
		trouble.tell(err, l.Logger)
		select {
		case <-time.After(l.every):
		case <-ctx.Done():
			return
		}
	}
}

// Flush writes what waits, before Run is called or after it has returned. It gives up at the first failure.
func (l *Lookout) Flush(ctx context.Context) error { return l.writeAll(ctx) }

// patience bounds one attempt to write an event.
const patience = 30 * time.Second

func (l *Lookout) writeAll(ctx context.Context) error {
	for e := l.next(); e != nil; e = l.next() {
		ctx, cancel := context.WithTimeout(ctx, patience)
		err := l.Log.Append(ctx, *e)
		cancel()
		switch {
		case errors.Is(err, ownlog.ErrUnfit): // It must not keep the others waiting.
			l.Logger.Error().Err(err).Str("event", e.ID).Str("action", string(e.Action)).Str("text", ownlog.Cut(e.Text, longReason)).
				Msg("an event of the own log can never be written and is left out")
		case err != nil:
			return err
		}
		l.written()
	}
	return nil
}

// next returns the event that was said first, nil if none waits.
func (l *Lookout) next() *ownlog.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 {
		return nil
	}
	first := l.waiting[0]
	return &first
}

func (l *Lookout) written() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting = l.waiting[1:]; len(l.waiting) == 0 {
		l.waiting = nil
	}
}

// waits reports whether an event of an action waits to be written.
func (l *Lookout) waits(a ownlog.Action) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.waiting {
		if l.waiting[i].Action == a {
			return true
		}
	}
	return false
}

// trouble is a row of failures to write.
type trouble struct {
	since    time.Time
	failures int
	told     cadence.Cadence
}

func (t *trouble) tell(err error, log zerolog.Logger) {
	if t.failures++; t.failures == 1 {
		t.since = time.Now()
	}
	if !t.told.Due(failure.Class(err)) {
		return
	}
	line := log.Warn().Err(err).Int("attempts", t.failures)
	if hint := failure.Hint(err); hint != "" {
		line = line.Str("hint", hint)
	}
	line.Msg("writing to the own log failed; retrying")
}

func (t *trouble) end(log zerolog.Logger) {
	if t.failures > 0 {
		log.Info().Int("failures", t.failures).Stringer("after", time.Since(t.since).Round(time.Second)).Msg("writing to the own log recovered")
	}
	*t = trouble{}
}
