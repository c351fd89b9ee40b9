package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/source"
)

// LaneRest is how long a lane that cannot continue rests before it is started again.
const LaneRest = time.Minute

// Member is a lane of a Set. Its fields must not change once it is in a Set.
type Member struct {
	Lane, Source, Sink, Format string // for Status until the lane is built

	// Build makes the lane. It is called when the lane is started, and again after
	// each rest until it succeeds. Before it returns an error it closes what it opened.
	Build func(context.Context) (*Lane, error)
	Ended func() // called each time the lane has ended; may be nil

	// Paused returns the pause of the lane, nil if it is not paused. The lane does not start
	// before Paused(ctx, false) has returned nil and no error: that answer must not be older
	// than the call. While the lane runs, Paused(ctx, true) is called each second, and may
	// return what is known. If Paused is nil, the lane is never paused.
	Paused func(ctx context.Context, running bool) (*Pause, error)
	// Describe describes the saved position of a paused lane, which need not be built. May
	// be nil.
	Describe func(context.Context) (source.Description, error)
}

// Set is the lanes of a process. Each runs independently: it can be started, replaced,
// ended and removed alone, while the others run. A lane that cannot be built, or cannot
// continue, rests for LaneRest and is started again. While it rests, it is not ready, and
// its Status says why. A lane that is paused ends, the Publish under way settled, and waits
// until it is resumed. With Once there is neither rest nor waiting: Wait returns the error.
type Set struct {
	Once bool
	Log  zerolog.Logger

	mu    sync.Mutex
	order []string
	lanes map[string]*running
	watch pauseWatch
}

// running is a member and, once it was started, its run.
type running struct {
	Member
	log  zerolog.Logger
	once bool

	mu      sync.Mutex
	retired bool               // it starts no more
	cancel  context.CancelFunc // nil: it was not started
	done    chan struct{}      // closed once it ended; nil: it was not started
	lane    *Lane              // nil: not built yet
	rest    error              // why it rests; nil: it does not rest
	due     time.Time          // when its rest ends
	err     error              // why it ended by itself; nil: it did not, or it succeeded

	waiting waiting // while it is paused

	looking sync.Mutex // held during a look whether it is paused
	current *spell     // nil: it does not run; guarded by looking
}

// Put adds a member. If there is one of its name, Put ends and replaces it. It does not
// start the member.
func (s *Set) Put(m Member) {
	s.End(m.Lane)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lanes == nil {
		s.lanes = map[string]*running{}
	}
	if s.lanes[m.Lane] == nil {
		s.order = append(s.order, m.Lane)
	}
	s.lanes[m.Lane] = &running{Member: m, log: s.Log.With().Str("lane", m.Lane).Logger(), once: s.Once}
}

// Start runs a member of the set until ctx ends, End is called, or, with Once, it has
// caught up. It does nothing if the member runs already, if it was retired, or if there is
// none of its name.
func (s *Set) Start(ctx context.Context, name string) {
	r := s.member(name)
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.retired {
		return
	}
	if r.done != nil {
		select {
		case <-r.done:
		default:
			return
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	r.cancel, r.done = cancel, done
	go func() {
		defer close(done)
		defer cancel()
		if r.Paused != nil {
			s.enter()
			defer s.leave()
		}
		r.run(ctx)
	}()
}

// member returns the member of that name, nil if there is none.
func (s *Set) member(name string) *running {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lanes[name]
}

// End ends a member, and returns once it has ended.
func (s *Set) End(name string) {
	if r := s.member(name); r != nil {
		<-r.end()
	}
}

// Retire ends members, all at the same time, and returns once they have ended. None of
// them starts again: Put replaces it, or Remove removes it. Until then it keeps its place.
// Retire returns the errors of those that failed.
func (s *Set) Retire(names ...string) error {
	var errs []error
	var ending []*running
	for _, name := range names {
		if r := s.member(name); r != nil {
			r.retire()
			ending = append(ending, r)
		}
	}
	for _, r := range ending {
		<-r.end()
		errs = append(errs, r.failure())
	}
	return errors.Join(errs...)
}

// Remove ends a member and removes it.
func (s *Set) Remove(name string) {
	s.End(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.lanes, name)
	s.order = slices.DeleteFunc(s.order, func(other string) bool { return other == name })
}

// Run starts all members. With Once it returns once they have ended, otherwise once ctx has
// ended, too: members may come and go until then. It returns what Wait does.
func (s *Set) Run(ctx context.Context) error {
	for _, r := range s.all() {
		s.Start(ctx, r.Lane)
	}
	if !s.Once {
		<-ctx.Done()
	}
	return s.Wait()
}

// Wait returns once all started members have ended. It returns the errors of those that
// failed.
func (s *Set) Wait() error {
	var errs []error
	for _, r := range s.all() {
		r.mu.Lock()
		done := r.done
		r.mu.Unlock()
		if done == nil {
			continue
		}
		<-done
		errs = append(errs, r.failure())
	}
	return errors.Join(errs...)
}

// Statuses returns a snapshot of each member, in the order in which they were put.
func (s *Set) Statuses() []Status {
	var list []Status
	for _, r := range s.all() {
		list = append(list, r.status())
	}
	return list
}

// Names returns the names of the members, in the order in which they were put.
func (s *Set) Names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.order)
}

func (s *Set) all() []*running {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*running, len(s.order))
	for i, name := range s.order {
		list[i] = s.lanes[name]
	}
	return list
}

// end tells the member to end. The channel that it returns is closed once it has.
func (r *running) end() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done == nil {
		never := make(chan struct{})
		close(never)
		return never
	}
	r.cancel()
	return r.done
}

// retire tells the member to end for good.
func (r *running) retire() {
	r.mu.Lock()
	r.retired = true
	r.mu.Unlock()
	r.end()
}

// failure returns why the member ended by itself.
func (r *running) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// attempts attempts the lane until ctx ends or, with Once, until the lane has ended. It
// returns why the lane ended by itself.
func (r *running) attempts(ctx context.Context) error {
	for {
		err := r.attempt(ctx)
		if err == nil || ctx.Err() != nil || r.once {
			return err
		}
		if r.lieDown(ctx, err) != nil {
			return nil
		}
	}
}

func (r *running) endWith(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
}

// attempt builds the lane if there is none yet, and runs it.
func (r *running) attempt(ctx context.Context) error {
	r.mu.Lock()
	lane := r.lane
	r.mu.Unlock()
	if lane == nil {
		var err error
		if lane, err = r.Build(ctx); err != nil {
			if ctx.Err() != nil {
				return nil // It was told to stop, which is not a failure.
			}
			return fmt.Errorf("lane %s: %w", r.Lane, err)
		}
		r.mu.Lock()
		r.lane = lane
		r.mu.Unlock()
	}
	if r.Ended != nil {
		defer r.Ended()
	}
	return lane.Run(ctx)
}

// lieDown lets the lane rest because of err. It returns an error if ctx ends meanwhile.
func (r *running) lieDown(ctx context.Context, err error) error {
	line := r.log.Error().Err(err).Stringer("again_in", LaneRest)
	if hint := failure.Hint(err); hint != "" {
		line = line.Str("hint", hint)
	}
	line.Msg("lane rests")
	r.resting(err, time.Now().Add(LaneRest))
	defer r.resting(nil, time.Time{})
	return wait(ctx, LaneRest)
}

func (r *running) resting(err error, until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rest, r.due = err, until
}

// status returns the status of the lane. If the lane rests, it includes the reason.
func (r *running) status() Status {
	r.mu.Lock()
	lane, rest, due, failed, waiting := r.lane, r.rest, r.due, r.err, r.waiting
	r.mu.Unlock()
	s := Status{Lane: r.Lane, Source: r.Source, Sink: r.Sink, Format: r.Format}
	if lane != nil {
		s = lane.Status()
	}
	switch {
	case waiting.pause != nil || waiting.err != nil:
		waiting.status(&s, time.Now())
	case rest != nil:
		s.Resting = true
		s.trouble([]Trouble{{
			Operation: "resting until " + due.UTC().Format(time.RFC3339), Err: rest.Error(), Hint: failure.Hint(rest),
			Since: due.Add(-LaneRest), Next: due,
		}})
	case lane == nil && failed != nil:
		s.trouble([]Trouble{{Operation: "not running", Err: failed.Error(), Hint: failure.Hint(failed)}})
	case lane == nil:
		s.trouble([]Trouble{{Operation: "not running"}})
	}
	return s
}
