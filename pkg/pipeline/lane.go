// Package pipeline is a lane: it reads pages of events from a source,
// transforms them into records, publishes those to one sink, and moves the
// lane's checkpoint.
//
// Its promise rests on one order of writes, in one function, settle. First the lane
// publishes the records of a page. Then it puts those that the sink refuses for good
// on stable storage, as dead letters. Only then it saves the position behind the page.
// The source can be read again, so power may fail between any two of these steps: the
// lane reads again from the saved position. It may deliver a record twice. It loses
// none.
//
// Three stages, read → transform → publish, are joined by two queues of pages that are
// bounded in bytes. They run at the same time, each in a goroutine of its own. That of
// transform and of publish exists only while pages wait for it, so an idle lane is one
// goroutine, which waits for the source. Publish takes whatever is queued, up to the
// sink's limits, into one batch: single pages when the lane is idle, and large batches under
// load. It waits for more only for a sink that asks for that (sink.Limits.Linger). Such a
// batch is no more than pages in the queue: the position stays behind, and a lane that is
// told to stop publishes it.
//
// A lane retries forever, with back-off, whatever fails: the source, the sink, the dead
// letters, the checkpoint. An unclear outcome counts as not delivered. A record is
// rejected only if the record itself is known to be bad. While something fails, Status
// and the log report it, and no other lane is affected.
//
// What not to do: save a position anywhere but in settle and at the start, write to a
// batch before it is settled or after its Publish was abandoned, or give up.
//
// # Files
//
// There is a file for each step of a page, so that one can read them in the order in
// which a page meets them: begin and resume (where to start), read, queue, encode,
// gather, publish, age (events that are too old), deliver (retries and rejects), commit
// (dead letters and checkpoint). A lane with evidence has a logbook; notes and entry are
// how what it writes is delivered, to the two kinds of sinks. audit is how a lane audits
// itself. destination and ledger are the two kinds of sinks; operation, place and
// stopping serve several steps; state, status and histogram are for people and metrics;
// set runs many lanes, and pause lets one of them wait.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// Positions keeps the checkpoints of lanes.
type Positions interface {
	// Load returns the newest saved position, nil if there is none. A corrupt or foreign
	// checkpoint is source.ErrUnusable, and ends the lane. After any other error Load is
	// called again, with back-off.
	Load(ctx context.Context, lane string) (source.Position, error)

	// Save returns nil once pos is on stable storage. After an error Load returns either
	// the former position or pos. sink.ErrMoved means that somebody else moved the
	// position: the lane continues from what Load then returns. After any other error
	// Save is called again, with back-off.
	Save(ctx context.Context, lane string, pos source.Position) error
}

// Forgetter is implemented by Positions that outlive the process. It hands a position
// over to a sink, which keeps it from then on.
type Forgetter interface {
	// Holds reports whether there is a position of the lane, usable or not, that is not
	// the sink's own. It does not take the lane.
	Holds(ctx context.Context, lane string) (bool, error)

	// Forget returns nil once the removal of the lane's position is on stable storage.
	// It leaves the sink's own position alone. It can be called again.
	Forget(ctx context.Context, lane string) error
}

// DeadLetters keeps records that were refused for good.
type DeadLetters interface {
	// Put returns nil once all rejects are on stable storage. After an error it is called
	// again with the same rejects, so some may be stored twice. After sink.ErrMoved the
	// lane resumes from the new position and reads the events again instead. Put must not
	// use the rejects after it returned.
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

	// Prepare returns an event as the sink should get it, or nil if the sink should not
	// get it. The next call may reuse the event's memory. An event that is returned with
	// an error is delivered. One goroutine calls Prepare. If Prepare is nil, all events
	// stay as they were read. See package prepare.
	Prepare func(*source.Event) (*source.Event, error)

	// Observe is called with the events of each page that has some, in their order, before
	// they are prepared. caughtUp is that of the page. One goroutine calls it. It must be quick, since the lane waits for it, and
	// must keep nothing of the events, since later pages may reuse their memory. If it is
	// nil, nobody looks on.
	Observe func(events []source.Event, caughtUp bool)

	// Evidence numbers the lane's records and writes notes about them. If it is nil, the
	// records have no numbers, and the position is the source's own; a lane that replays has
	// none. See package evidence.
	Evidence *evidence.Writer

	// Audit compares what the lane settled with what the source lists. If it is nil, nothing
	// does. A lane with Once counts, and audits nothing.
	Audit *Audit

	// Refused returns the changed credentials of the source and the sink that are refused
	// while the former ones still work, for Status. If it is nil, there are none.
	Refused func() []Trouble

	QueueBytes      int64          // events, positions and records in memory, those being published included; a page larger than its queue passes alone; default 16 MiB; see QueueBytes
	Memory          source.Memory  // what the lane may hold of the process's memory; default source.Unbounded
	PublishTimeout  time.Duration  // time for one Publish, raised to what the sink's limits ask for; default 1 minute
	BuryOld         bool           // make dead letters of events older than sink.Limits.OldestEvent; default false: they are sent
	MaxRejects      int            // rejects in a row, without a delivery between them, before the lane blames the destination; default 100
	ShutdownTimeout time.Duration  // time for the Publish under way once Run is told to stop; default 8 seconds
	Once            bool           // stop once caught up; default false
	Log             zerolog.Logger // the lane's name is added to what the lane logs; default none

	prepared sync.Once
	log      zerolog.Logger
	state    state
	lost     *Lost // why the lane was refused when it last ran; nil if it was not
	place    place

	handing sync.Mutex // held while a page is put into the queue

	taking, starting, reading, opening, publishing, burying, saving, auditing operation
}

func (l *Lane) prepare() {
	setDefault(&l.QueueBytes, defaultQueue)
	setDefault(&l.Memory, source.Unbounded)
	setDefault(&l.PublishTimeout, time.Minute)
	setDefault(&l.MaxRejects, 100)
	setDefault(&l.ShutdownTimeout, 8*time.Second)
	l.log = l.Log.With().Str("lane", l.Name).Logger()
	for name, op := range l.operations() {
		op.prepare(name, l.log, l.Memory)
	}
	l.state.publishes.bounds, l.state.late.bounds = &publishBounds, &latenessBounds
	l.auditing.memory = source.Unbounded // An audit holds none of it.
}

func (l *Lane) operations() map[string]*operation {
	return map[string]*operation{
		"take": &l.taking, "start": &l.starting, "read": &l.reading, "open": &l.opening,
		"publish": &l.publishing, "bury": &l.burying, "save": &l.saving, "audit": &l.auditing,
	}
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Run delivers until ctx ends or, with Once, until the lane has caught up; then
// it returns nil. When ctx ends, nothing new begins. The batch being published may
// still be settled within ShutdownTimeout; otherwise the next run reads it again.
//
// Run returns an error only if to continue would be a guess, because the checkpoint is
// not usable or the source does not accept it, or if the reader or the sink could not
// be closed at the end. It retries everything else. Run may be called again after it
// returned, but not concurrently.
func (l *Lane) Run(ctx context.Context) (err error) {
	l.prepared.Do(l.prepare)
	l.state.begin()
	defer func() { l.state.end(err) }()
	stop, end := newStopping(ctx, l.ShutdownTimeout)
	defer end()
	dest := &destination{lane: l}
	err = l.follow(stop, dest, "started")
	for errors.Is(err, sink.ErrMoved) {
		l.log.Warn().Err(err).Msg("position was changed elsewhere; resuming from the new one")
		err = l.follow(stop, dest, "taken again")
	}
	if ctx.Err() != nil {
		err = nil // The stages return the error of the context that ended them, which is not a failure.
	}
	return errors.Join(err, dest.close(stop.hard))
}

// follow delivers from the lane's position on. why is why the lane is taken.
func (l *Lane) follow(stop stopping, dest *destination, why string) error {
	at, err := (&resumption{lane: l, dest: dest, why: why}).open(stop)
	if err != nil {
		return err
	}
	reader := at.reader
	stages, running := errgroup.WithContext(stop.soft)
	ahead := min(l.QueueBytes/4, readAhead)
	read, encoded := newQueue(ahead, l.Memory, stages.Go), newQueue(l.QueueBytes-ahead, l.Memory, stages.Go)
	enc, pub := newEncoding(l, at.log.next()), &publisher{lane: l, dest: dest, log: at.log, auditor: at.auditor}
	read.stage = func() error { return enc.run(running, read, encoded) }
	encoded.stage = func() error { return pub.run(stop, encoded) }
	l.state.open(reader, read, encoded)
	if at.auditor != nil && !l.Once {
		stages.Go(func() error {
			return at.auditor.run(running, func(ctx context.Context, p *page) error { return l.hand(ctx, p, read) })
		})
	}
	err = l.read(running, reader, read)
	if failed := stages.Wait(); failed != nil {
		err = failed // It ended the reading.
	}
	read.close()
	encoded.close()
	unsettled := l.state.close(err == nil)
	l.log.Info().Int("unsettled_pages", unsettled).Msg("lane stopped")
	if stop.soft.Err() != nil {
		err = nil
	}
	if failed := reader.Close(); failed != nil {
		return errors.Join(err, fmt.Errorf("close reader: %w", failed))
	}
	return err
}
