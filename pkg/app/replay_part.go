package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/internal/statedir"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/where"
)

// replayPart is what is sent of one source. It is read twice, each time by a lane of its
// own that keeps its position in memory: to count the events, and to send them.
type replayPart struct {
	*replay
	timeRange
	lane    config.Lane
	filter  *where.Filter // nil: no condition besides the sink's
	source  source.Source
	sink    sink.Sink // nil once it belongs to the sending lane
	encoder transform.Transformer

	counted counted
	sending *pipeline.Lane // nil: nothing was sent yet
	settled memoryPosition // behind what was sent
	refused notSent
	said    time.Time // when progress was last said
}

// open opens the source and the sink, and asks the sink whether it would work.
func (p *replayPart) open(ctx context.Context, running *runningSluice) (err error) {
	name := p.lane.Source.Name
	p.source, err = openSourceOf(ctx, p.cfg, p.lane, source.OpenEnv{Log: p.log.With().Str("source", name).Logger(), Beside: running.beside(name)})
	if err != nil {
		return err
	}
	if p.sink, err = p.openSink(ctx); err != nil {
		return err
	}
	if p.encoder, err = newTransformer(p.lane, p.sink); err != nil {
		return err
	}
	if checker, ok := p.sink.(sink.Checker); ok {
		if _, err := within(ctx, checker.Check); err != nil {
			return fmt.Errorf("sink %s: %w", p.lane.Sink.Name, err)
		}
	}
	return nil
}

func (p *replayPart) openSink(ctx context.Context) (sink.Sink, error) {
	env := sinkEnv(p.lane, p.log)
	env.Again = true
	return openSink(ctx, p.lane, env)
}

func (p *replayPart) close() (err error) {
	if p.sink != nil {
		err = p.sink.Close()
	}
	if p.source != nil {
		err = errors.Join(err, p.source.Close())
	}
	return err
}

// warnOfWindow says so if the range begins before what the destination takes.
func (p *replayPart) warnOfWindow() {
	limits := limitsOf(p.sink)
	if age := time.Since(p.from); limits.OldestEvent > 0 && age > limits.OldestEvent {
		what := "are sent, and the destination may refuse them or give them another time"
		if buriesOld(p.lane) {
			what = "are not sent (beyond_window: dead_letter)"
		}
		p.say("warning: the range begins %s ago: events older than %s %s", span(age.Truncate(time.Minute)), span(limits.OldestEvent), what)
	}
}

// prepare returns the function that prepares events for the sink, by all conditions.
func (p *replayPart) prepare() (func(*source.Event) (*source.Event, error), error) {
	own, err := newPreparation(p.lane, &p.stock)
	if err != nil || p.filter == nil {
		return own, err
	}
	return func(e *source.Event) (*source.Event, error) {
		keep, failed := p.filter.Keeps(e)
		if !keep {
			return nil, nil
		}
		if own == nil {
			return e, failed
		}
		e, err := own(e)
		return e, errors.Join(failed, err)
	}, nil
}

// lost is the error of a range that the log no longer holds.
type lost struct {
	source string
	timeRange
	oldest time.Time
}

func (l *lost) Error() string {
	return fmt.Sprintf("the log of source %s no longer reaches back to %s", l.source, when(l.from))
}

func (l *lost) ErrorHint() string {
	if !l.oldest.Before(l.to) {
		return "its oldest event is of " + l.oldest.UTC().Format(time.RFC3339Nano) + ", so nothing of the range is left"
	}
	return "it has events from --from " + l.oldest.UTC().Format(time.RFC3339Nano) + " on"
}

// through runs a lane over the range, from its beginning to its end.
func (p *replayPart) through(ctx context.Context, lane *pipeline.Lane, open func(ctx context.Context, end func(error)) (sink.Sink, error)) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	lane.Name, lane.SourceName, lane.SinkName, lane.Format = p.lane.Name, p.lane.Source.Name, p.lane.Sink.Name, p.lane.Sink.Format.Name
	lane.Source = &rangeSource{p.source, p.timeRange, func(oldest time.Time) { end(&lost{p.lane.Source.Name, p.timeRange, oldest}) }}
	lane.Start = source.Start{Since: p.from}
	lane.Open = func(ctx context.Context) (sink.Sink, error) { return open(ctx, end) }
	lane.Once, lane.Log = true, p.log
	err := runBeside(ctx, lane.Run, func(ctx context.Context) error { return p.stock.Watch(ctx, p.log) },
		func(ctx context.Context) error { return p.listing(ctx, lane) })
	cause := context.Cause(ctx)
	if cause == nil || lane.Status().Done {
		return err
	}
	if errors.Is(cause, context.Canceled) {
		cause = errors.New("interrupted")
	}
	return errors.Join(cause, err)
}

// listingEvery is how often somebody hears that the log is still being listed.
const listingEvery = 10 * time.Second

// listing says how far the walk is that leads back to the range, until ctx ends. With a low
// rate it takes minutes, in which nothing else is said.
func (p *replayPart) listing(ctx context.Context, lane *pipeline.Lane) error {
	ticker := time.NewTicker(listingEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if s := lane.Status().Reader; !s.WalkDone {
			text := fmt.Sprintf("%s: listing the log, newest first: %s, %s so far", p.lane.Source.Name,
				several(s.WalkPages, "page"), several(s.WalkEvents, "event"))
			if !s.Oldest.IsZero() {
				text += ", back to " + when(s.Oldest)
			}
			p.say("%s", text)
		}
	}
}

// send sends the range.
func (p *replayPart) send(ctx context.Context) error {
	prepare, err := p.prepare()
	if err != nil {
		return err
	}
	p.sending = &pipeline.Lane{
		Transformer: p.encoder, Prepare: prepare, Positions: replayPosition{p}, DeadLetters: &p.refused,
		QueueBytes: pipeline.QueueBytes(limitsOf(p.sink)), PublishTimeout: p.lane.Sink.PublishTimeout,
		MaxRejects: p.lane.Sink.MaxRejects, BuryOld: buriesOld(p.lane), ShutdownTimeout: p.cfg.ShutdownTimeout,
	}
	return p.through(ctx, p.sending, func(ctx context.Context, end func(error)) (sink.Sink, error) {
		opened := p.sink
		if p.sink = nil; opened == nil {
			if opened, err = p.openSink(ctx); err != nil {
				return nil, err
			}
		}
		_, screen := opened.(sink.Screen)
		return besideLane{opened, end, screen}, nil
	})
}

// besideLane is a sink that sends again. It hides what only the lane of the sink may ask.
// An error that more attempts cannot end, because another process has what the sink needs,
// ends the replay.
type besideLane struct {
	sink.Sink
	end    func(error)
	screen bool // its records go to the output of the command
}

func (b besideLane) Limits() sink.Limits { return limitsOf(b.Sink) }

func (b besideLane) Publish(ctx context.Context, batch []sink.Record) error {
	err := b.Sink.Publish(ctx, batch)
	switch {
	case errors.Is(err, sink.ErrMoved):
		b.end(sink.Hint(errors.New("another replay to this sink has begun"), "wait for its end"))
	case errors.Is(err, syscall.EPIPE) && b.screen:
		b.end(errors.New("the program that read the output has ended"))
	case errors.Is(err, statedir.ErrLocked):
		b.end(sink.Hint(err, "stop sluice, which holds the file while it runs"))
	}
	return err
}

// replayPosition is the position of a part. Each time it moves, the part is further.
type replayPosition struct{ *replayPart }

func (r replayPosition) Load(ctx context.Context, lane string) (source.Position, error) {
	return r.settled.Load(ctx, lane)
}

func (r replayPosition) Save(ctx context.Context, lane string, pos source.Position) error {
	err := r.settled.Save(ctx, lane, pos)
	r.progress()
	return err
}

// progress says how far the part is, for somebody whose command dies.
func (p *replayPart) progress() {
	if time.Since(p.said) < progressEvery/3 {
		return
	}
	s := p.sending.Status()
	if at := p.resume(); s.Published > 0 && at.After(p.from) && at.Before(p.to) && s.Published < uint64(p.counted.wanted) {
		p.said = time.Now()
		p.say("%s: %s of %s sent; if this command dies, go on with: %s", p.lane.Source.Name,
			count(s.Published), several(p.counted.wanted, "event"), p.rest(p.parts[slices.Index(p.parts, p):]))
	}
}

// resume returns the time of the first event that is not known to be delivered, or an
// earlier one. It is the end of the range if there is no such event.
func (p *replayPart) resume() time.Time {
	if p.sending != nil && p.sending.Status().Done {
		return p.to
	}
	pos, _ := p.settled.Load(context.Background(), p.lane.Name) // It is in memory.
	if pos == nil {
		return p.from
	}
	place, err := p.source.Describe(pos)
	at := place.Awaits
	if at.IsZero() {
		at = place.Floor
	}
	if err != nil || at.Before(p.from) {
		return p.from
	}
	return at
}

func (p *replayPart) result() string {
	s := p.sending.Status()
	text := fmt.Sprintf("%s: %s published, %s filtered, %s refused", p.lane.Source.Name,
		count(s.Published), count(s.Filtered), count(s.Rejected))
	for _, reason := range p.refused.reasons {
		text += "\n  event " + oneLine(reason)
	}
	if more := p.refused.n - len(p.refused.reasons); more > 0 {
		text += fmt.Sprintf("\n  and %d more", more)
	}
	return text
}

// notSent counts records that a sink refused for good, and keeps the first reasons. They
// are no dead letters: their events are in the log still.
type notSent struct {
	n       int
	reasons []string
}

// Fate says for the log of the lane what becomes of them.
func (*notSent) Fate() string { return "records rejected and not sent" }

func (r *notSent) Put(_ context.Context, _ string, rejects []sink.Reject) error {
	for _, reject := range rejects {
		if r.n++; r.n <= mostReasons {
			r.reasons = append(r.reasons, strings.TrimSpace(reject.Record.ID+": "+reject.Reason))
		}
	}
	return nil
}
