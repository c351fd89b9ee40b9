package cursorlog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/source"
)

// Options say which log a Source reads, and how.
type Options struct {
	Settings // begin with Defaults

	Name         string // the type of source, such as "acme": errors begin with it
	Host         string // of the log: a position of another host is refused
	Organization string // likewise; set in every event
	Client       Client
	PageLimit    int // events that a page may have; default 100

	// Keys are those of the type's Product. The event that reports a gap has its id, time
	// and action under them; by default under "id", "time" and "action".
	Keys source.Keys

	Log    zerolog.Logger
	Budget *Budget // default: a budget of its own

	// Beside is source.OpenEnv.Beside. Default: no other process goes first.
	Beside func(context.Context) (source.Usage, bool)

	Now func() time.Time // the machine's clock; default time.Now
}

// Source is one log.
type Source struct {
	settings           Settings
	name               string
	host, organization string
	keys               source.Keys
	requester          *requester
	clock              *clock
	shared             *shared
	log                zerolog.Logger
	stop               context.CancelFunc
	leave              func() // leaves the budget
}

// New returns a source. It sends no request.
func New(o Options) (*Source, error) {
	if err := errors.Join(o.Validate()...); err != nil {
		return nil, fmt.Errorf("%s: %w", o.Name, err)
	}
	if o.PageLimit <= 0 {
		o.PageLimit = pageLimit
	}
	if o.Budget == nil {
		o.Budget = &Budget{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Source{
		settings: o.Settings, name: o.Name, host: o.Host, organization: o.Organization, keys: o.Keys,
		log: o.Log, stop: stop, leave: o.Budget.join(o.RequestsPerMinute), clock: newClock(o.Now, o.Log),
	}
	s.requester = &requester{
		client: o.Client, maxLimit: o.PageLimit, budget: o.Budget, clock: s.clock,
		op: o.Name + ": reading the audit log", answers: map[string]uint64{},
	}
	if o.Beside != nil {
		s.requester.beside = &beside{look: o.Beside, budget: o.Budget, log: o.Log}
	}
	s.shared = &shared{
		ctx: ctx, list: s.requester.list, interval: o.PollInterval.Std(),
		flights: map[string]*flight{}, polls: map[string]*flight{},
	}
	return s, nil
}

// Start resolves where to begin. For "now" it names the events that are visible within the
// overlap. So an event that becomes visible later is delivered, even if its time is
// earlier.
func (s *Source) Start(ctx context.Context, at source.Start) (source.Position, error) {
	pos := newPosition(s.host, s.organization)
	switch {
	case at.Now:
		return s.startNow(ctx, pos)
	case !at.Since.IsZero():
		if ahead := time.Until(at.Since); ahead > future {
			return nil, fmt.Errorf("%s: start: %s is %s ahead of now", s.name, at.Since.Format(time.RFC3339), ahead.Round(time.Second))
		}
		pos.floor = at.Since.UnixMilli()
		pos.through = pos.floor // A log that no longer reaches back to it has a gap.
	}
	return pos.encode()
}

// startNow reads like a lane that started an overlap ago, and returns none of the events.
func (s *Source) startNow(ctx context.Context, pos *position) (source.Position, error) {
	top, err := s.shared.page(ctx, "", poll)
	if err != nil {
		return nil, err
	}
	// In an empty log every event comes later.
	if at := s.clock.certain(top.clocks); at != never {
		pos.floor = at - s.settings.Overlap.Std().Milliseconds()
	}
	r := s.open(pos, source.Env{Log: s.log})
	for {
		p, err := r.Next(ctx)
		if err != nil || p.CaughtUp {
			return p.Next, errors.Join(err, r.Close())
		}
	}
}

// Open returns a reader that resumes behind pos.
func (s *Source) Open(pos source.Position, env source.Env) (source.Reader, error) {
	p, err := s.parse(pos)
	if err != nil {
		return nil, err
	}
	return s.open(p, env), nil
}

func (s *Source) open(p *position, env source.Env) *reader {
	r := &reader{source: s, log: env.Log, lane: env.Lane, most: cmp.Or(env.Page, math.MaxInt), pos: p, saved: p.awaits}
	r.walks = series{settings: &s.settings, clock: s.clock}
	if r.holding.memory = env.Memory; r.holding.memory == nil {
		r.holding.memory = source.Unbounded
	}
	r.recalled = recollection{source: s, progress: &r.progress}
	if p.gap != nil {
		p.gap.saved = true
		r.foundGap(p.gap) // by an earlier run, which may have told nobody
	}
	if p.newest != never {
		s.clock.saw(p.newest, time.Now())
	}
	r.progress.overlap(s.settings.Overlap.Std())
	s.requester.budget.addReaders(1)
	return r
}

func (s *Source) parse(pos source.Position) (*position, error) {
	return s.accept(parsePosition(pos))
}

// accept refuses a position that is corrupt or of another log. The beginning of another
// log is that of this one: a lane saved it before the first answer, perhaps because the
// name of the organization was mistyped.
func (s *Source) accept(p *position, err error) (*position, error) {
	if err != nil {
		return nil, unusable{fmt.Errorf("%s: %w", s.name, err)}
	}
	if p.isBeginning() {
		p.host, p.organization = s.host, s.organization
	}
	if p.host != s.host || p.organization != s.organization {
		return nil, foreign{unusable{fmt.Errorf("%s: the position is of organization %q at %s, the source reads %q at %s",
			s.name, p.organization, p.host, s.organization, s.host)}}
	}
	return p, nil
}

// unusable marks the error of a position that is corrupt or of another log.
type unusable struct{ error }

func (e unusable) Unwrap() error        { return e.error }
func (e unusable) Is(target error) bool { return target == source.ErrUnusable }

// foreign marks the error of a position of another log.
type foreign struct{ unusable }

func (foreign) ErrorHint() string {
	return "give the source another name, or another state directory, or choose where its lanes resume with sluice checkpoint set"
}

// Describe reads a position for people and metrics.
func (s *Source) Describe(pos source.Position) (source.Description, error) {
	p, err := s.accept(readPosition(pos, func(string, int64) {}))
	if err != nil {
		return source.Description{}, err
	}
	return p.describe(s.settings.Retention.Std()), nil
}

// Check requests the top page.
func (s *Source) Check(ctx context.Context) (string, error) {
	top, err := s.shared.page(ctx, "", poll)
	if err != nil {
		return "", err
	}
	w := newWalk(newPosition(s.host, s.organization), true, undecided, &s.settings, s.clock)
	if _, err := w.add(top); err != nil {
		return "", s.requester.fault(source.Malformed, err)
	}
	text := fmt.Sprintf("the audit log of %s can be read, order %s", s.organization, w.order())
	if n := len(top.Entries); n == 0 {
		text += ", no events yet"
	} else {
		text += fmt.Sprintf(", first of %d events on the top page", n)
		if first := top.Entries[0]; first.dated {
			text += time.UnixMilli(first.At).UTC().Format(" " + time.RFC3339)
		}
	}
	return text, nil
}

// Usage is a snapshot of what the source has requested.
func (s *Source) Usage() source.Usage { return s.requester.usage() }

// Close ends requests in flight and waits for them.
func (s *Source) Close() error {
	s.stop()
	s.shared.running.Wait()
	s.leave()
	return nil
}
