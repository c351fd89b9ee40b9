// Package pipeline is a lane: it reads pages of events from a source,
// transforms them into records, publishes those to one sink, and moves the
// lane's checkpoint.
//
// What it promises rests on one order of writes. The records of a page are
// published; those that the sink refuses for good are put on stable storage as
// dead letters; only then is the position behind the page saved. The source can
// be read again, so a lane may lose its power between any two of these steps:
// it reads again from the saved position, and delivers some records twice and
// none never. The order stands in one function, settle.
//
// Three goroutines, read → transform → publish, are joined by two queues of
// pages that are bounded in bytes. Publish takes whatever is queued, up to the
// sink's limits, into one batch: single pages when the lane is idle, large
// batches under load, and no timer in between.
//
// What fails is tried again, for ever, with back-off: the source, the sink, the
// dead letters, the checkpoint. An unclear outcome counts as not delivered. Only
// what is known to be wrong with a record rejects that record. While something
// fails the lane says so through Status and its log, and no other lane notices.
//
// What not to do: save a position anywhere but in settle and at the start,
// write to a batch before it is settled or after a Publish was abandoned, or give
// up.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// Positions keeps the checkpoints of lanes.
type Positions interface {
	// Load returns the position saved last, nil if there is none. A checkpoint that
	// is corrupt or foreign is source.ErrUnusable, never none: the lane ends. After
	// any other error Load is called again, with back-off.
	Load(ctx context.Context, lane string) (source.Position, error)

	// Save returns nil once pos is on stable storage. After an error Load
	// returns either the position before or pos.
	Save(ctx context.Context, lane string, pos source.Position) error
}

// Forgetter is Positions that outlive the process, and can hand a position over to a
// sink that keeps it from then on.
type Forgetter interface {
	// Holds says whether there is a position of the lane, usable or not, that is not
	// the sink's own. It takes nothing.
	Holds(ctx context.Context, lane string) (bool, error)

	// Forget returns nil once the lane has no position here, whatever happens then. It
	// leaves alone what is the sink's own. It can be called again.
	Forget(ctx context.Context, lane string) error
}

// DeadLetters keeps records that were refused for good.
type DeadLetters interface {
	// Put returns nil once all rejects are on stable storage. After an error it
	// is called again with the same ones, so some may be kept twice. It reads
	// nothing of them after it returned.
	Put(ctx context.Context, lane string, rejects []sink.Reject) error
}

// Lane delivers the events of one source to one sink. Its fields are set before
// Run or Status is called, and not changed after. A Lane must not be copied.
type Lane struct {
	Name       string // such as "acme/siem"; names the lane to stores, logs and metrics
	SourceName string // as the configuration names it, for Status
	SinkName   string // as the configuration names it, for Status
	Config     string // file of the configuration as a shell takes it, for hints; default FILE
	Format     string // such as "ecs"; for Status, and for rejects that could not be encoded

	Source      source.Source                            // required
	Transformer transform.Transformer                    // required
	Open        func(context.Context) (sink.Sink, error) // required; ctx covers the opening only
	Positions   Positions                                // required
	DeadLetters DeadLetters                              // required
	Start       source.Start                             // where a lane without a checkpoint begins; default the oldest event there is

	// Prepare gives an event as the sink is to get it, in memory that may be used
	// again at the next call, or nil if the sink is not to get it. The event that
	// comes with an error is delivered. It is called by one goroutine; nil is every
	// event as it was read. See package prepare.
	Prepare func(*source.Event) (*source.Event, error)

	QueueBytes      int64          // events, positions and records in memory, those being published included; a page larger than its queue passes alone; default 16 MiB; see QueueBytes
	PublishTimeout  time.Duration  // time for one Publish, raised to what the sink's limits ask for; default 1 minute
	MaxRejects      int            // rejects in a row, without a delivery between them, before the destination is taken to be at fault; default 100
	ShutdownTimeout time.Duration  // time for what is under way once Run is told to stop; default 8 seconds
	Once            bool           // stop once caught up; default false
	Log             zerolog.Logger // the lane's name is added to what the lane logs; default none

	prepared sync.Once
	log      zerolog.Logger
	state    state
	lost     *Lost // why the lane was refused when it last ran; nil if it was not
	place    place

	taking, starting, reading, opening, publishing, burying, saving operation
}

func (l *Lane) prepare() {
	setDefault(&l.QueueBytes, defaultQueue)
	setDefault(&l.PublishTimeout, time.Minute)
	setDefault(&l.MaxRejects, 100)
	setDefault(&l.ShutdownTimeout, 8*time.Second)
	l.log = l.Log.With().Str("lane", l.Name).Logger()
	for name, op := range l.operations() {
		op.prepare(name, l.log)
	}
}

func (l *Lane) operations() map[string]*operation {
	return map[string]*operation{
		"take": &l.taking, "start": &l.starting, "read": &l.reading, "open": &l.opening,
		"publish": &l.publishing, "bury": &l.burying, "save": &l.saving,
	}
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Run delivers until ctx ends or, with Once, until the lane has caught up; then
// it returns nil. When ctx ends, nothing new begins: the batch being published
// may still be settled within ShutdownTimeout, and is otherwise left to the next
// run, which reads it again.
//
// An error is returned only where going on would be a guess: the checkpoint is
// not usable, or the source does not take it for one of its own; or where the
// reader or the sink could not be closed at the end. Everything else is
// retried. Run may be called again after it returned, but not concurrently.
func (l *Lane) Run(ctx context.Context) (err error) {
	l.prepared.Do(l.prepare)
	l.state.begin()
	defer func() { l.state.end(err) }()
	grace, end := outlive(ctx, l.ShutdownTimeout)
	defer end()
	dest := &destination{Lane: l}
	err = l.follow(ctx, grace, dest)
	for errors.Is(err, sink.ErrMoved) {
		l.log.Warn().Err(err).Msg("position is not where this lane left it; going on from where it is")
		err = l.follow(ctx, grace, dest)
	}
	if ctx.Err() != nil {
		err = nil // The stages return what ended them, and that is no failure.
	}
	return errors.Join(err, dest.close(grace))
}

// follow delivers from the lane's position on.
func (l *Lane) follow(ctx, grace context.Context, dest *destination) error {
	reader, err := l.resume(ctx, grace, dest)
	if err != nil {
		return err
	}
	pub := &publisher{Lane: l, dest: dest}
	ahead := min(l.QueueBytes/4, readAhead)
	read, encoded := newQueue(ahead), newQueue(l.QueueBytes-ahead)
	l.state.open(reader, read, encoded)
	stages, running := errgroup.WithContext(ctx)
	stages.Go(func() error { return l.read(running, reader, read) })
	stages.Go(func() error { return l.transform(running, read, encoded) })
	stages.Go(func() error { return pub.run(running, grace, encoded) })
	err = stages.Wait()
	unsettled := l.state.close(err == nil)
	l.log.Info().Int("pages_left_to_next_run", unsettled).Msg("lane stopped")
	if ctx.Err() != nil {
		err = nil
	}
	return errors.Join(err, closeReader(reader))
}

func closeReader(r source.Reader) error {
	if r == nil {
		return nil
	}
	if err := r.Close(); err != nil {
		return fmt.Errorf("close reader: %w", err)
	}
	return nil
}

// outlive returns a context that ends d after ctx does. The function returned
// ends it at once and releases what it holds.
func outlive(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	grace, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-grace.Done():
		}
	})
	return grace, func() { stop(); cancel() }
}
