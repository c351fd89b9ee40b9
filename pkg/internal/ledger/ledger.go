// Package ledger keeps the position of a lane in Kafka, and moves it in the same
// transaction in which the lane's records and dead letters are written. What is
// committed and the position are therefore never apart: a consumer that reads
// committed records sees each event once, however often the forwarder dies.
//
// KIP-618, exactly-once source connectors of Kafka Connect, is the precedent.
//
// # Where a position is
//
// A compacted topic, sluice.positions by default, holds one record a lane: the
// key is the lane's transactional.id, namespace.source.sink, the value an Entry.
// Its partition is the hash of the source's name among the first Partitions ones,
// so that a consumer group can own all lanes of a source together.
//
// # Taking a lane
//
// In this order, and each step for a reason:
//
//  1. The producer is initialised. Kafka gives the transactional.id to it alone,
//     bumps its epoch and ends the transaction that a predecessor left open. From
//     here on no predecessor can commit anything. franz-go does this when it first
//     produces; it has to be forced.
//  2. The high watermark of the partition is taken. All that a predecessor
//     committed lies below, since it committed before step 1 ended. To read before
//     step 1 would miss what it committed in between.
//  3. The partition is read, committed records only, from its start to that
//     watermark and not only to the last stable offset: that one stands still at
//     the first transaction that is open, which may be another lane's, and what
//     was committed behind it would be missed. Open transactions are waited out.
//  4. One that does not end is told of, with what to do. A lane never starts with
//     less than all that lies below the watermark.
//
// # Committing
//
// A transaction is committed only if Kafka took every record in it, the position
// included. Everything else ends it, and where it is not certain how it ended
// (an answer that did not come, a broker that died) the lane is taken again, by a
// new producer, and what is found says whether it was committed: each Entry has an
// id of its own. So Commit can be called again with the same arguments until it
// returns nil, and writes them once.
//
// # Being fenced
//
// Kafka refuses a producer whose transactional.id another has taken. Where nobody
// decides who owns the lane, its taker may be an instance that runs by mistake; if
// both took the lane again at once they would only fence each other. So Commit
// asks for a pause of a minute or more, twice as long each time. Where a group
// owns lanes, Settings.Confirm asks it before each taking. A position that a person
// has set is marked, and taken up at once.
//
// # Being forgotten
//
// Kafka also lets go of a producer by itself. It forgets a transactional.id that
// was idle for transactional.id.expiration.ms, a week by default, and then answers
// INVALID_PRODUCER_ID_MAPPING: to what adds partitions to a transaction or ends one
// (TransactionCoordinator), and to a produce request whose transaction the broker
// verifies with the coordinator (KIP-890). It aborts a transaction that was open
// for longer than its time-out, and answers its end with INVALID_TXN_STATE. The
// first is also the answer to whoever held the id before it expired, once another
// has taken it. So Commit looks at the position: where nobody has moved it, it
// takes the lane again at once, and only otherwise it pauses. Whoever is fenced by
// that is told so in another manner (INVALID_PRODUCER_EPOCH, PRODUCER_FENCED), and
// pauses: two instances do not take turns. What partitions know of a producer
// expires too (producer.id.expiration.ms), without consequence: a transaction
// begins with an epoch of its own.
//
// # What it does not do
//
// Retry: the lane does. Keep more than the newest position. Read anything that was
// delivered.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
	"github.com/sluice-siem/sluice/pkg/sink"
)

const (
	// DefaultNamespace is the first part of what is named in a cluster.
	DefaultNamespace = "sluice"
	// DefaultPositions is the topic of positions.
	DefaultPositions = "sluice.positions"

	// Partitions is how many of the topic's partitions hold positions: as many as
	// Kafka Connect's offsets have (offset.storage.partitions). It must not change,
	// or lanes would look for their positions in another partition.
	Partitions = 25
)

// Timeouts of a transaction. Kafka aborts one that is open for longer than
// TransactionTimeout, so the others add up to less.
const (
	TransactionTimeout = 30 * time.Second
	produceTimeout     = 15 * time.Second
	endTimeout         = 10 * time.Second
)

// CommitTimeout is what a Commit may take that has to take the lane again first.
const CommitTimeout = produceTimeout + endTimeout + takeTimeout

// takeTimeout is how long a taking waits for transactions of others before it is
// told that they are open. It goes on waiting after that.
const takeTimeout = 15 * time.Second

// Settings say where a lane's ledger is.
type Settings struct {
	Cluster     *kafkaclient.Settings
	Namespace   string // first part of the transactional.id
	Positions   string // the topic of positions
	Topic       string // that records go to; empty: they go to no topic of Kafka's
	DeadLetters string // the topic of dead letters

	// Confirm is asked before a lane is taken; an error says that it is another's.
	// Nil: nobody decides who owns the lane.
	Confirm func(context.Context) error

	Log     zerolog.Logger
	Dial    kafkaclient.Dial // nil: as Cluster says
	Options []kgo.Opt        // for the producer, besides those that make it transactional
}

// Ledger is that of one lane. Its methods are not called concurrently, except
// that Close may be called at any time.
type Ledger struct {
	lane     string
	settings Settings
	cluster  cluster
	made     time.Time

	taken bool   // known is what the topic says, or said when it was last read
	known string // commit of the newest entry
	tried string // commit of an entry of which it is not known whether it was committed
	pause pause

	mu       sync.Mutex // guards what Close ends
	producer producer   // nil: the lane is not held
	closed   bool
}

// cluster is what a ledger asks of Kafka. A process may die before and behind
// each step of these.
type cluster interface {
	// open returns a view of the lane's partition. It takes nothing.
	open() (partition, error)
	// take initialises the lane's producer.
	take(ctx context.Context) (producer, error)
	// letters are records of dead letters.
	letters(lane string, rejects []sink.Reject) ([]kgo.Record, error)
	// position is the record of an entry.
	position(e Entry) (kgo.Record, error)
}

type partition interface {
	prepare(ctx context.Context) error           // creates or verifies the topics
	end(ctx context.Context) (int64, error)      // the high watermark
	stable(ctx context.Context) (int64, error)   // the last stable offset
	last(context.Context, int64) ([]byte, error) // the lane's newest committed value below an offset; nil if there is none
	check(ctx context.Context) (string, error)   // what would stand in the way of prepare and take
	close()
}

type producer interface {
	// commit writes all records in one transaction. Those at cuts are sent only when
	// Kafka has taken all before them. Where it refused some for what is in them,
	// refused says why, by index, and nothing was written. After an error the outcome
	// is unknown, and the producer must not be used again.
	commit(ctx context.Context, records []kgo.Record, cuts []int) (refused map[int]error, err error)
	close()
}

// New returns the ledger of a lane such as "acme/siem", which is the name of its
// source and that of its sink. It reaches no broker.
func New(lane string, s Settings) *Ledger {
	source, _, _ := strings.Cut(lane, "/")
	return newLedger(lane, s, &remote{
		settings: s, id: TransactionalID(s.Namespace, lane), index: Partition(source),
	})
}

func newLedger(lane string, s Settings, c cluster) *Ledger {
	return &Ledger{lane: lane, settings: s, cluster: c, made: time.Now()}
}

// TransactionalID is a lane's in a namespace.
func TransactionalID(namespace, lane string) string {
	return namespace + "." + strings.Replace(lane, "/", ".", 1)
}

// Partition is that of the lanes of a source.
func Partition(source string) int32 {
	h := fnv.New32a()
	h.Write([]byte(source))
	return int32(h.Sum32() % Partitions)
}

// Take takes the lane and returns its position, nil if the ledger keeps none. It
// has to be called before the lane goes on from a position, also after ErrMoved.
func (l *Ledger) Take(ctx context.Context) ([]byte, error) {
	e, err := l.take(ctx)
	if err != nil {
		return nil, err
	}
	if err := l.mismatch(e); err != nil {
		return nil, err
	}
	l.known, l.tried, l.taken = e.Commit, "", true
	return e.Position, nil
}

// take does what the package documentation says, in its order.
func (l *Ledger) take(ctx context.Context) (Entry, error) {
	l.release()
	if l.settings.Confirm != nil {
		if err := l.settings.Confirm(ctx); err != nil {
			return Entry{}, l.taking(err)
		}
	}
	view, err := l.cluster.open()
	if err != nil {
		return Entry{}, err
	}
	defer view.close()
	if err := view.prepare(ctx); err != nil {
		return Entry{}, l.taking(err)
	}
	p, err := l.cluster.take(ctx)
	if err != nil {
		return Entry{}, l.taking(err)
	}
	e, err := l.read(ctx, view)
	if err != nil {
		p.close()
		return Entry{}, l.taking(err)
	}
	return e, l.hold(p)
}

func (l *Ledger) taking(err error) error {
	return fmt.Errorf("taking lane %s: %w", l.lane, err)
}

// read returns the lane's newest entry of all that is in the partition now, once
// every transaction in it has ended.
func (l *Ledger) read(ctx context.Context, view partition) (Entry, error) {
	end, err := view.end(ctx)
	if err != nil {
		return Entry{}, err
	}
	if err := l.settled(ctx, view, end); err != nil {
		return Entry{}, err
	}
	value, err := view.last(ctx, end)
	if err != nil || value == nil {
		return Entry{}, err
	}
	return decode(value, l.lane)
}

// settled waits until no transaction is open below end.
func (l *Ledger) settled(ctx context.Context, view partition, end int64) error {
	began, told := time.Now(), false
	for {
		stable, err := view.stable(ctx)
		if err != nil || stable >= end {
			return err
		}
		if waited := time.Since(began); waited >= takeTimeout {
			return &openTransactions{waited: waited.Round(time.Second), from: stable, to: end}
		}
		if !told {
			l.settings.Log.Info().Int64("from", stable).Int64("to", end).Msg("waiting for transactions of other lanes to end, to read the position of this one")
			told = true
		}
		if err := wait(ctx, stableInterval); err != nil {
			return &openTransactions{waited: time.Since(began).Round(time.Second), from: stable, to: end, cause: err}
		}
	}
}

// stableInterval is how often it is asked whether transactions have ended.
const stableInterval = 100 * time.Millisecond

// eventually calls f again as long as it says so, for takeTimeout at most.
func eventually(ctx context.Context, f func() (again bool, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, takeTimeout)
	defer cancel()
	for {
		again, err := f()
		if !again || wait(ctx, stableInterval) != nil {
			return err
		}
	}
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// hold keeps the producer until release, unless the ledger was closed meanwhile.
func (l *Ledger) hold(p producer) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		p.close()
		return l.taking(errClosed)
	}
	l.producer = p
	l.pause.held()
	return nil
}

// release lets go of the producer, whose open transaction the next taking ends.
func (l *Ledger) release() {
	l.mu.Lock()
	p := l.producer
	l.producer = nil
	l.mu.Unlock()
	if p != nil {
		p.close()
	}
}

// Close lets go of the lane, also of a Commit under way, whose outcome is then
// unknown.
func (l *Ledger) Close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.release()
}

func (l *Ledger) holder() producer {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.producer
}

// Commit writes records, dead letters and the position behind them, all or
// nothing. A sink.BatchError names records that Kafka refuses for what is in them;
// nothing was written then. sink.ErrMoved says that another has moved the position:
// the lane has to be taken anew, and gone on from there. After any other error
// Commit is to be called again with the same arguments.
func (l *Ledger) Commit(ctx context.Context, records []kgo.Record, rejects []sink.Reject, pos []byte) error {
	return l.commit(ctx, records, rejects, l.entry(pos))
}

func (l *Ledger) entry(pos []byte) Entry {
	return Entry{Lane: l.lane, Topic: l.settings.Topic, Commit: newCommit(), Saved: time.Now().UTC(), Position: pos}
}

// commit takes the lane again, and writes once more, where Kafka let go of the
// producer by itself: there is nobody else to leave the lane to.
func (l *Ledger) commit(ctx context.Context, records []kgo.Record, rejects []sink.Reject, e Entry) error {
	err := l.write(ctx, records, rejects, e)
	if _, ok := errors.AsType[*expired](err); ok {
		l.settings.Log.Info().AnErr("cause", err).Msg("taking the lane again")
		err = l.write(ctx, records, rejects, e)
	}
	return err
}

func (l *Ledger) write(ctx context.Context, records []kgo.Record, rejects []sink.Reject, e Entry) error {
	if l.holder() == nil {
		if done, err := l.retake(ctx); done || err != nil {
			return err
		}
	}
	all, err := l.transaction(records, rejects, e)
	if err != nil {
		return err
	}
	l.tried = e.Commit
	p := l.holder()
	if p == nil {
		return l.committing(errClosed)
	}
	for cuts := []int(nil); ; {
		refused, err := p.commit(ctx, all, cuts)
		if err != nil {
			l.release()
			return l.failed(ctx, err)
		}
		if len(refused) == 0 {
			l.known, l.tried = e.Commit, ""
			return nil
		}
		if cuts, err = divide(all, len(records), refused, cuts); err != nil {
			l.tried = ""
			return err
		}
	}
}

// transaction is all that is to be written, the lane's records first and its
// position last.
func (l *Ledger) transaction(records []kgo.Record, rejects []sink.Reject, e Entry) ([]kgo.Record, error) {
	letters, err := l.cluster.letters(l.lane, rejects)
	if err != nil {
		return nil, l.committing(err)
	}
	position, err := l.cluster.position(e)
	if err != nil {
		return nil, l.committing(err)
	}
	all := make([]kgo.Record, 0, len(records)+len(letters)+1)
	return append(append(append(all, records...), letters...), position), nil
}

// retake takes the lane again after a commit of which it is not known how it
// ended. It is done if it was committed after all.
func (l *Ledger) retake(ctx context.Context) (done bool, err error) {
	e, err := l.take(ctx)
	switch {
	case err != nil:
		return false, err
	case !l.taken:
		l.taken, l.known = true, e.Commit
		return false, l.mismatch(e)
	case l.tried != "" && e.Commit == l.tried:
		l.known, l.tried = l.tried, ""
		return true, nil
	case e.Commit == "" && l.known != "":
		l.release()
		return false, l.committing(sink.Destination(errGone, l.setHint()))
	case e.Commit != l.known:
		l.release()
		return false, l.committing(sink.ErrMoved)
	}
	l.tried = ""
	return false, nil
}

func (l *Ledger) committing(err error) error {
	return fmt.Errorf("committing lane %s: %w", l.lane, err)
}

// failed says how a commit failed. The producer is gone. Kafka says the same of an
// id that expired and of one that somebody took after that: who took it shows in
// the position.
func (l *Ledger) failed(ctx context.Context, err error) error {
	over := isExpired(err)
	switch {
	case !over && !isFenced(err):
		return l.committing(err)
	case l.settings.Confirm != nil && over:
		return l.committing(&expired{cause: err})
	case l.settings.Confirm != nil:
		return l.committing(sink.Hint(&fenced{cause: err}, "another replica has taken the lane; it is taken again only if the group says that it is owned here"))
	}
	moved, set := l.overtaken(ctx)
	switch {
	case set:
		return l.committing(sink.ErrMoved)
	case over && !moved:
		return l.committing(&expired{cause: err})
	}
	return l.committing(sink.Hint(sink.RetryAfter(&fenced{cause: err}, l.pause.next()), anotherInstance))
}

const anotherInstance = "another instance runs this lane: stop one of them, or give one its own namespace; to share lanes among replicas set state.type to kafka"

// overtaken looks whether another has moved the position since it was last read, and
// whether that was a person: then nobody runs the lane but this one. It takes
// nothing. Where it cannot see the position, the next taking will.
func (l *Ledger) overtaken(ctx context.Context) (moved, set bool) {
	e, err := l.Look(ctx)
	moved = err == nil && e.Commit != l.known && e.Commit != l.tried
	return moved, moved && e.Set
}

// Look returns the lane's newest entry without taking the lane. One without a
// commit is none.
func (l *Ledger) Look(ctx context.Context) (Entry, error) {
	view, err := l.cluster.open()
	if err != nil {
		return Entry{}, err
	}
	defer view.close()
	e, err := l.read(ctx, view)
	if errors.Is(err, errNoTopic) {
		return Entry{}, nil
	}
	if err != nil {
		return Entry{}, fmt.Errorf("reading position of lane %s: %w", l.lane, err)
	}
	return e, nil
}

// Set takes the lane and commits a position that a person chose, whatever is
// there. A lane that runs is fenced by that, finds it, and goes on from it.
func (l *Ledger) Set(ctx context.Context, pos []byte) error {
	view, err := l.cluster.open()
	if err != nil {
		return err
	}
	defer view.close()
	if err := view.prepare(ctx); err != nil {
		return l.taking(err)
	}
	p, err := l.cluster.take(ctx)
	if err != nil {
		return l.taking(err)
	}
	if err := l.hold(p); err != nil {
		return err
	}
	return l.decree(ctx, func(e *Entry) { e.Set, e.Position = true, pos })
}

// Release hands a position that the ledger keeps to another store: keep saves it,
// and after that the ledger has none. It does nothing if there is none, and can be
// called again if it failed in between.
func (l *Ledger) Release(ctx context.Context, keep func(pos []byte) error) error {
	e, err := l.Look(ctx)
	if errors.Is(err, kerr.TopicAuthorizationFailed) {
		l.settings.Log.Warn().Err(err).Msg("whether a position of this lane is in Kafka cannot be seen; if delivery was exactly_once before, allow reading it")
		return nil
	}
	if err != nil || e.Position == nil || e.Topic == "" {
		return err
	}
	pos, err := l.Take(ctx)
	if err != nil || pos == nil {
		return err
	}
	if err := keep(pos); err != nil {
		return err
	}
	// A state in the same topic, under the same key, has written over it by now.
	if e, err = l.Look(ctx); err != nil || e.Commit != l.known {
		return err
	}
	if err := l.decree(ctx, func(e *Entry) { e.Released = true }); err != nil {
		return err
	}
	l.settings.Log.Info().Str("from", l.settings.Topic).Msg("position carried over from Kafka, where delivery: exactly_once kept it, to the state")
	return nil
}

// decree commits an entry by itself.
func (l *Ledger) decree(ctx context.Context, change func(*Entry)) error {
	e := l.entry(nil)
	change(&e)
	return l.commit(ctx, nil, nil, e)
}

// mismatch refuses a position that tells of records in another topic, and one that
// was given to another lane.
func (l *Ledger) mismatch(e Entry) error {
	if e.Renamed != "" {
		l.release()
		return l.taking(sink.Destination(fmt.Errorf("its position was given to lane %s", e.Renamed),
			"run the lane under its new name; for a new lane under this name, "+l.setHint()))
	}
	if l.settings.Topic == "" || e.Topic == "" || e.Topic == l.settings.Topic || e.Position == nil {
		return nil
	}
	l.release()
	return l.taking(sink.Destination(
		fmt.Errorf("its position is about topic %s, and the sink writes to topic %s", e.Topic, l.settings.Topic),
		fmt.Sprintf("to go on in %s where %s ends, or to begin anew there, set the position: sluice checkpoint set -c FILE --to TIME %s", l.settings.Topic, e.Topic, l.lane)))
}

// setHint is for a lane that has no position, or not the right one.
func (l *Ledger) setHint() string {
	return "say where the lane is to go on: sluice checkpoint set -c FILE --to beginning|now|TIME " + l.lane
}
