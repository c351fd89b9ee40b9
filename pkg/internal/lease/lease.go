// Package lease decides which replica runs which sources, by objects in an object store.
// Nobody coordinates: of all who create the same object, the store lets one succeed.
//
// # The objects
//
//	members/{id}.json             a replica. It overwrites the object each third of a lease, with another number
//	leases/{source}/{epoch}.json  who holds a source. Such an object never changes
//
// The lease with the highest epoch counts. Whoever takes a source creates the next epoch.
// Whoever gives a source back creates the next epoch, too, with nobody as its holder. Older
// epochs mean nothing, and the holder deletes them.
//
// # When a holder is gone
//
// Clocks of replicas may differ, so no time in an object is compared with a clock. A replica
// is gone for another one that saw its number unchanged for a whole lease, by the other
// one's own clock. A replica counts its own lease from the moment before it sent the request
// that wrote its number. Nobody can see the number earlier, so nobody can find it gone
// before its own count ends. It ends what runs for its sources some time before that, and
// needs no answer from anyone for it.
//
// A replica whose count ended has lost all its sources. It does not resume an epoch: one who
// found it gone may be about to create the next one. It creates the next epoch itself, like
// anybody else, and one of them succeeds.
//
// # What is promised, and what is not
//
// Each source has one holder at a time, as long as clocks run equally fast. A replica that
// was stopped for a while (SIGSTOP, a paused machine) may wake up in the belief that it
// holds what others took over. It lets go as soon as it looks at its clock; until then
// nothing in this package can stop it. This is why the log of a lane's commits fences it
// (package objectlog), and why [Held.Confirm] asks the store before a lane is taken.
//
// A source is without a holder for at most a lease and a few rounds after its holder died,
// and for at most a round (a third of a lease) after its holder ended.
//
// # Who takes what
//
// All replicas see the same objects, and decide by the same rule: a free source goes to the
// replica with the fewest sources, of those that follow it. A replica that holds two more
// than another one gives one back. The rule only saves disputes: a source that stays free
// for two rounds is taken by whoever sees it.
package lease

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/internal/cadence"
	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
)

// Settings say where leases are, and how long one lasts.
type Settings struct {
	Store objectstore.Store
	Root  string        // first part of the keys, without a slash at the end
	Lease time.Duration // at least Least
	Name  string        // of this replica, for people
}

// Least is the shortest lease. The requests of a round must fit into it several times.
const Least = 5 * time.Second

// round is how often a replica renews its leases, and looks at those of others.
func (s *Settings) round() time.Duration { return s.Lease / 3 }

// grace is how long before the end of its leases a replica ends what runs for them.
func (s *Settings) grace() time.Duration { return s.Lease / 5 }

// Patience is how long run may take to return.
func (s *Settings) Patience() time.Duration { return s.grace() * 2 / 3 }

// hurry is how long a replica waits that could not do what it wanted, or expects a change.
const hurry = time.Second

// forgotten is after how many leases a replica no longer counts on what it knew: the object of
// one that is gone is deleted, and one that did not take its source may have it again.
const forgotten = 10

// ErrNotHolder says that this replica does not hold a source, or no longer.
var ErrNotHolder = errors.New("this replica does not hold the source")

// Leases is this replica's part.
type Leases struct {
	settings Settings
	log      zerolog.Logger
	id       string
	board    board
	rule     rule
	told     cadence.Cadence
	untidy   cadence.Cadence

	runs  sync.WaitGroup
	again chan struct{} // wakes the rounds: a source was given back
	fail  context.CancelCauseFunc
	run   func(context.Context, *Held) error

	mu    sync.Mutex
	until time.Time        // when others may find this replica gone; zero: it holds nothing
	held  map[string]*Held // by source; also those that end
	err   error            // why the rounds fail; nil: they do not
	fails int              // since the last success
}

// New makes the part of a replica, which has not begun.
func New(s Settings, log zerolog.Logger) *Leases {
	id := make([]byte, 8)
	rand.Read(id) //nolint:errcheck // It never fails.
	me := hex.EncodeToString(id)
	return &Leases{
		settings: s, log: log, id: me, board: newBoard(s.Store, s.Root),
		rule:  rule{me: me, lease: s.Lease, dispute: 2 * s.round(), free: map[string]time.Time{}, kept: map[string]time.Time{}},
		again: make(chan struct{}, 1), held: make(map[string]*Held),
	}
}

// Run takes part until ctx ends. It calls run, in a goroutine of its own, for each source
// that this replica comes to hold. sources returns those that the replica follows; it gives
// back what is not among them any more. Run is called once.
//
// The context of run ends when the source is to be given up, when the store could not be
// reached for too long, and with ctx. run must return within Patience then. If run returns
// an error before its context ended, all others end too, and Run returns that error.
//
// At the end every run has returned, and the sources are given back if the store can be
// reached. Other errors are logged, shown by State, and retried.
func (l *Leases) Run(ctx context.Context, sources func() []string, run func(context.Context, *Held) error) error {
	ctx, l.fail = context.WithCancelCause(ctx)
	defer l.fail(nil)
	l.run = run
	l.rounds(ctx, sources)
	l.endAll()
	l.runs.Wait()
	l.leave(context.WithoutCancel(ctx))
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// rounds renews, looks and acts until ctx ends.
func (l *Leases) rounds(ctx context.Context, sources func() []string) {
	var renewed time.Time // when the last renewal was sent that succeeded
	for ctx.Err() == nil {
		// The clock comes first: the process may have been stopped until now.
		l.lapse()
		began := time.Now()
		soon, err := false, error(nil)
		if began.Sub(renewed) >= l.settings.round() || !l.valid() {
			if err = l.renew(ctx, sources()); err == nil {
				renewed = began
			}
		}
		if err == nil {
			soon, err = l.look(ctx, sources())
		}
		if ctx.Err() != nil {
			return
		}
		l.report(err)
		wait := time.Until(renewed.Add(l.settings.round()))
		if err != nil || soon {
			wait = min(max(wait, 0), hurry)
			if err != nil {
				wait = hurry
			}
		}
		l.pause(ctx, wait)
	}
}

// pause waits, but not beyond the time at which the leases lapse.
func (l *Leases) pause(ctx context.Context, wait time.Duration) {
	l.mu.Lock()
	if len(l.held) > 0 && !l.until.IsZero() {
		wait = min(wait, time.Until(l.until.Add(-l.settings.grace())))
	}
	l.mu.Unlock()
	select {
	case <-ctx.Done():
	case <-time.After(wait):
	case <-l.again:
	}
}

// renew writes another number. Others find this replica gone a lease after they saw it.
func (l *Leases) renew(ctx context.Context, sources []string) error {
	began := time.Now()
	ctx, cancel := l.within(ctx)
	defer cancel()
	if err := l.board.renew(ctx, l.id, l.settings.Name, sources); err != nil {
		return err
	}
	// An answer that comes late proves that the number is there, but the leases had lapsed.
	l.lapse()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until = began.Add(l.settings.Lease)
	return nil
}

// within bounds a step of a round, so that a store that does not answer cannot keep the
// replica from looking at its clock.
func (l *Leases) within(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline := time.Now().Add(l.settings.round())
	l.mu.Lock()
	if lapses := l.until.Add(-l.settings.grace()); len(l.held) > 0 && lapses.Before(deadline) && !l.until.IsZero() {
		deadline = lapses
	}
	l.mu.Unlock()
	return context.WithDeadline(ctx, deadline)
}

// valid reports whether nobody can find this replica gone for some time.
func (l *Leases) valid() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Now().Before(l.until.Add(-l.settings.grace()))
}

// lapse gives up all sources if their leases end soon. What runs for them has ended then.
func (l *Leases) lapse() {
	if l.valid() {
		return
	}
	l.mu.Lock()
	l.until = time.Time{}
	l.mu.Unlock()
	ending := l.holding()
	if len(ending) == 0 {
		return
	}
	for _, h := range ending {
		h.end()
	}
	for _, h := range ending {
		<-h.done
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.held)
}

// look reads the board, and takes and gives back what the rule says. soon means that
// something is to change within seconds.
func (l *Leases) look(ctx context.Context, sources []string) (soon bool, err error) {
	ctx, cancel := l.within(ctx)
	defer cancel()
	view, err := l.board.read(ctx, l.id)
	if errors.Is(err, errChanged) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	l.dropLost(view)
	plan := l.rule.decide(sources, l.epochs(), view)
	for _, source := range plan.giveBack {
		l.giveBack(source)
	}
	for _, source := range plan.take {
		if err := l.take(ctx, source, view.leases[source].Epoch+1); err != nil {
			return false, err
		}
	}
	if err := l.board.tidy(ctx, view, l.epochs(), forgotten*l.settings.Lease); err != nil && l.untidy.Due("") {
		l.log.Warn().Err(err).Str("hint", failure.Hint(err)).Msg("old leases cannot be deleted; they do no harm, but more and more are listed")
	}
	return plan.soon, nil
}

// epochs returns the epoch of each source that this replica holds.
func (l *Leases) epochs() map[string]int64 {
	epochs := make(map[string]int64)
	for _, h := range l.holding() {
		epochs[h.Source] = h.epoch
	}
	return epochs
}

// dropLost ends what runs for sources that another replica took over. A source that is given
// back has a newer epoch, too, and forgets itself.
func (l *Leases) dropLost(v view) {
	for _, h := range l.holding() {
		if v.leases[h.Source].Epoch > h.epoch && h.ctx.Err() == nil {
			l.log.Warn().Str("source", h.Source).Msg("another replica took the source over, since it did not see this one for a lease")
			l.drop(h)
		}
	}
}

// State is this replica's state among the others.
type State struct {
	Held []string // sources that run is called for, sorted
	Err  error    // why the store cannot be used; nil if it can
}

// State may be called at any time.
func (l *Leases) State() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := State{Err: l.err}
	for source, h := range l.held {
		if h.ctx.Err() == nil {
			s.Held = append(s.Held, source)
		}
	}
	slices.Sort(s.Held)
	return s
}

// report notes and logs how a round went.
func (l *Leases) report(err error) {
	l.mu.Lock()
	fails := l.fails
	l.err = err
	if l.fails++; err == nil {
		l.fails = 0
	}
	l.mu.Unlock()
	switch {
	case err == nil && fails > 0:
		l.log.Info().Int("failures", fails).Msg("the leases can be renewed again")
	case err != nil && l.told.Due(cmp.Or(failure.Hint(err), failure.Class(err))):
		l.log.Error().Err(err).Str("hint", failure.Hint(err)).Msg("the leases cannot be renewed; when they end, so do the lanes, until they can")
	}
}
