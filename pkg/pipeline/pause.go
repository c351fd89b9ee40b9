package pipeline

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/source"
)

// Pause is why a lane waits: somebody paused it.
type Pause struct {
	Since  time.Time // zero if it is not known
	By     string    // who paused it, such as "root@siem-1"; empty if it is not known
	Reason string    // may be empty
	Err    error     // why the pause cannot be read; the lane waits all the same
}

// String says since when, by whom and why the lane waits.
func (p *Pause) String() string {
	text := "paused"
	if !p.Since.IsZero() {
		text += " since " + p.Since.UTC().Format(time.RFC3339)
	}
	if p.By != "" {
		text += " by " + p.By
	}
	if p.Reason != "" {
		text += ": " + p.Reason
	}
	return text
}

const (
	// lookEvery is how often a member looks whether it was paused or resumed.
	lookEvery = time.Second
	// placeEvery is how often a paused member tries to describe its position.
	placeEvery = time.Minute
)

// waiting is what a member knows of its pause.
type waiting struct {
	pause     *Pause             // nil: it is not paused
	err       error              // why it is not known whether it is paused; then it does not start
	position  source.Description // while it is paused
	placeErr  error              // why the position is not known
	described time.Time          // when that was last found out; zero: not yet
}

// run runs the lane, except while it is paused, until ctx ends or the lane has ended by
// itself.
func (r *running) run(ctx context.Context) {
	for r.mayRun(ctx) {
		if err, paused := r.work(ctx); !paused {
			r.endWith(err)
			return
		}
	}
}

// work attempts the lane until it has ended by itself, ctx ends, or the lane is paused.
func (r *running) work(ctx context.Context) (err error, paused bool) {
	active, end := context.WithCancel(ctx)
	r.atWork(&spell{active, end})
	defer r.atWork(nil)
	defer end() // before that, so that no look holds the lane up
	err = r.attempts(active)
	return err, active.Err() != nil && ctx.Err() == nil
}

// spell is the context of the lane while it runs, and what ends that.
type spell struct {
	ctx context.Context
	end context.CancelFunc
}

// atWork notes what runs; nil for nothing. It waits for a look that is under way.
func (r *running) atWork(s *spell) {
	r.looking.Lock()
	defer r.looking.Unlock()
	r.current = s
}

// endIfPaused ends the lane if it runs and was paused. A lane that runs goes on while
// nobody can say whether it is paused.
func (r *running) endIfPaused() {
	r.looking.Lock()
	defer r.looking.Unlock()
	if r.current == nil || r.current.ctx.Err() != nil {
		return
	}
	if p, err := r.Paused(r.current.ctx, true); p != nil && err == nil {
		r.hold(p, nil)
		r.current.end()
	}
}

// pauseWatch ends members that are paused while they run. One goroutine looks for all of
// them, and it runs only while a member does: an idle lane stays cheap.
type pauseWatch struct {
	members int
	end     context.CancelFunc
	ended   chan struct{}
}

// enter counts a member that runs. The first one begins the watch.
func (s *Set) enter() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watch.members++; s.watch.members > 1 {
		return
	}
	ctx, end := context.WithCancel(context.Background())
	ended := make(chan struct{})
	s.watch.end, s.watch.ended = end, ended
	go func() {
		defer close(ended)
		for wait(ctx, lookEvery) == nil {
			for _, r := range s.all() {
				if r.Paused != nil {
					r.endIfPaused()
				}
			}
		}
	}()
}

// leave counts a member that has ended. With the last one the watch has ended, too.
func (s *Set) leave() {
	s.mu.Lock()
	s.watch.members--
	last, end, ended := s.watch.members == 0, s.watch.end, s.watch.ended
	s.mu.Unlock()
	if last {
		end()
		<-ended
	}
}

// mayRun waits while the lane is paused, or while it is not known whether it is. It returns
// false if ctx ends, or if the lane, with Once, is not to be waited for.
func (r *running) mayRun(ctx context.Context) bool {
	for r.Paused != nil {
		p, err := r.Paused(ctx, false)
		if err != nil && ctx.Err() != nil {
			return false
		}
		r.hold(p, err)
		if p == nil && err == nil {
			return true
		}
		if r.once {
			if err == nil {
				err = &pausedError{p}
			}
			r.endWith(fmt.Errorf("lane %s: %w", r.Lane, err))
			return false
		}
		r.describe(ctx)
		if wait(ctx, lookEvery) != nil {
			return false
		}
	}
	return true
}

// pausedError is the error of a lane that Once does not wait for.
type pausedError struct{ pause *Pause }

func (e *pausedError) Error() string { return "it is " + e.pause.String() }
func (e *pausedError) Unwrap() error { return e.pause.Err }

func (e *pausedError) ErrorHint() string {
	if e.pause.Err != nil {
		return failure.Hint(e.pause.Err)
	}
	return "sluice resume -c FILE LANE starts it again"
}

// hold notes whether the lane is paused, and logs a change.
func (r *running) hold(p *Pause, err error) {
	r.mu.Lock()
	before := r.waiting
	r.waiting.pause, r.waiting.err = p, err
	if p == nil {
		r.waiting = waiting{err: err}
	}
	r.mu.Unlock()
	switch {
	case p != nil && before.pause == nil:
		line := r.log.Warn()
		if !p.Since.IsZero() {
			line = line.Time("since", p.Since)
		}
		if p.By != "" {
			line = line.Str("by", p.By)
		}
		if p.Reason != "" {
			line = line.Str("reason", p.Reason)
		}
		if p.Err != nil {
			line = line.AnErr("error", p.Err).Str("hint", failure.Hint(p.Err))
		}
		line.Msg("lane paused")
	case err != nil && before.err == nil:
		r.log.Error().Err(err).Str("hint", failure.Hint(err)).Msg("it is not known whether the lane is paused, so it does not start")
	case p == nil && err == nil && before.pause != nil:
		line := r.log.Info()
		if since := before.pause.Since; !since.IsZero() {
			line = line.Stringer("after", time.Since(since).Round(time.Second))
		}
		line.Msg("lane resumed")
	}
}

// describe finds out until when waiting loses nothing.
func (r *running) describe(ctx context.Context) {
	r.mu.Lock()
	w := r.waiting
	r.mu.Unlock()
	known := !w.described.IsZero() && (w.placeErr == nil || time.Since(w.described) < placeEvery)
	if w.pause == nil || known || r.Describe == nil {
		return
	}
	d, err := r.Describe(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting.position, r.waiting.placeErr, r.waiting.described = d, err, time.Now()
}

// status makes the pause the reason why the lane is not ready. A pause that somebody wants
// is no trouble, unless the log forgets events meanwhile.
func (w *waiting) status(s *Status, now time.Time) {
	if w.pause == nil {
		s.trouble([]Trouble{{Operation: "not started", Hint: failure.Hint(w.err), Err: "it is not known whether the lane is paused: " + w.err.Error()}})
		return
	}
	s.Paused, s.CatchingUp = w.pause, false
	if !w.described.IsZero() {
		s.Position = w.position
	}
	s.Unplaced = w.described.IsZero() || w.placeErr != nil
	// Nobody looks which events wait, so the lag is the age of the newest delivered one.
	if e := s.Position.Event; !e.IsZero() {
		s.Lag = max(now.Sub(e), 0)
	}
	var list []Trouble
	if err := w.pause.Err; err != nil {
		list = append(list, Trouble{Operation: "paused", Err: err.Error(), Hint: failure.Hint(err), Since: w.pause.Since})
	}
	if w.placeErr != nil {
		list = append(list, Trouble{Operation: "describe checkpoint", Err: w.placeErr.Error(), Hint: failure.Hint(w.placeErr)})
	}
	if e := s.Position.Expires; !e.IsZero() && now.After(e) {
		list = append(list, Trouble{Operation: "paused for too long", Since: e,
			Err: fmt.Sprintf("since %s the log forgets events that wait", e.UTC().Format(time.RFC3339)), Hint: "resume the lane: sluice resume -c FILE " + s.Lane})
	}
	s.trouble(list)
	s.Ready = false
	s.Reason = strings.Join(append([]string{w.pause.String()}, texts(list)...), "; ")
}
