// Package ledger keeps the position of a lane in Kafka. It commits the position in
// the same transaction as the lane's records and dead letters: either all of them are
// committed or none is. A consumer that reads committed records therefore sees each
// event once, however often the process dies.
//
// The precedent is KIP-618, exactly-once source connectors of Kafka Connect.
//
// # Where a position is
//
// A compacted topic, sluice.positions by default, holds one record per lane. The key
// is the lane's transactional.id (namespace.source.sink), the value an Entry. The hash
// of the source's name selects one of the first Partitions partitions. All lanes of a
// source are therefore in one partition, and a consumer group assigns them together.
//
// # Taking a lane
//
// The order of these steps matters:
//
//  1. Initialise the producer. Kafka gives the transactional.id to this producer
//     alone: it bumps the epoch and ends the transaction that a predecessor left open.
//     From here on no predecessor can commit. franz-go does this at its first produce
//     request, so the ledger asks for it.
//  2. Read the high watermark of the partition. All that a predecessor committed is
//     below it, since it was committed before step 1 ended. To read before step 1
//     would miss what was committed in between.
//  3. Wait until no transaction is open below the watermark. A reader of committed
//     records stops at the last stable offset, which is where the first open
//     transaction begins. That may be another lane's, and a position of this lane may
//     be committed behind it.
//  4. Read the committed records from the start of the partition to the watermark.
//
// If a transaction stays open, the error says so, and what to do. A lane never starts
// with less than all that is below the watermark.
//
// # Committing
//
// A transaction is committed only if Kafka took every record in it, the position
// included. If it is not known how a transaction ended (no answer, a broker that died),
// a new producer takes the lane and the ledger reads the position. Each Entry has an id
// of its own, so the newest one says whether the transaction was committed. Commit may
// therefore be called with the same arguments until it returns nil, and writes them once.
//
// # Being fenced
//
// Kafka refuses a producer after another one took its transactional.id. Without a group
// that owns lanes, the other one may be an instance that runs by mistake. If both took
// the lane again at once, they would only fence each other. Commit therefore asks for a
// pause of a minute or more, twice as long each time. With a group, Settings.Confirm is
// asked before each taking. A position that a person set is marked, and the lane goes on
// from it at once.
//
// # Being forgotten
//
// Kafka also drops a producer by itself:
//
//   - It forgets a transactional.id that was idle for transactional.id.expiration.ms, a
//     week by default. Then it answers INVALID_PRODUCER_ID_MAPPING to a request that adds
//     partitions to a transaction or ends one (TransactionCoordinator), and to a produce
//     request whose transaction the broker verifies with the coordinator (KIP-890).
//   - It aborts a transaction that is open for longer than its time-out. Then it answers
//     INVALID_TXN_STATE to the request that ends it.
//
// Kafka gives the first answer also to a producer whose id expired and was then taken by
// another. Commit therefore reads the position. If nobody moved it, Commit takes the lane
// again at once; otherwise it asks for a pause. An instance that is fenced by this gets
// another answer (INVALID_PRODUCER_EPOCH, PRODUCER_FENCED) and pauses, so two instances
// do not take turns. What a partition knows of a producer expires too
// (producer.id.expiration.ms), without consequence: each transaction begins with a new
// epoch.
//
// # What it does not do
//
// It does not retry: the lane does. It keeps no position but the newest. It reads
// nothing that was delivered, except to look for traces of earlier runs.
//
// # Files
//
// The steps above have a file each: take, commit, pause and release. transaction
// is the producer they share, entry a position as it is written, letters dead
// letters, refusal the records that Kafka refuses. topic and partition read and
// create topics. remote is a ledger that runs no lane: rename, traces and check
// use it. So an operation on Kafka is read in one file. log and marks are topics of other
// kinds, which are made and read in the same way.
package ledger

import (
	"context"
	"hash/fnv"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
	"github.com/sluice-siem/sluice/pkg/internal/standoff"
	"github.com/sluice-siem/sluice/pkg/sink"
)

const (
	// DefaultNamespace is the first part of every name that Sluice uses in a cluster.
	DefaultNamespace = "sluice"
	// DefaultPositions is the topic of positions.
	DefaultPositions = "sluice.positions"

	// Partitions is how many of the topic's partitions hold positions: as many as
	// Kafka Connect's offsets have (offset.storage.partitions). It must not change,
	// or lanes would look for their positions in another partition.
	Partitions = 25
)

// Timeouts of a transaction. Kafka aborts one that is open for longer than
// TransactionTimeout, so the other two add up to less.
const (
	TransactionTimeout = 30 * time.Second
	produceTimeout     = 15 * time.Second
	endTimeout         = 10 * time.Second
)

// CommitTimeout is the longest that a Commit takes if it first has to take the lane
// again.
const CommitTimeout = produceTimeout + endTimeout + takeTimeout

// Settings say where a lane's ledger is.
type Settings struct {
	Cluster     *kafkaclient.Settings
	Namespace   string // first part of the transactional.id
	Positions   string // the topic of positions
	Topic       string // that records go to; empty: they do not go to Kafka
	DeadLetters string // the topic of dead letters
	OwnLog      string // the topic of the own log (see Log), which has no other
	Marks       string // the topic of Marks; empty for the ledger of a lane

	// Confirm is asked before a lane is taken. An error says that another owns it.
	// Nil: nobody decides who owns the lane.
	Confirm func(context.Context) error

	Log     zerolog.Logger
	Dial    kafkaclient.Dial // nil: as Cluster says
	Options []kgo.Opt        // for the producer, besides those that make it transactional
}

// Ledger is the ledger of one lane. Its methods are not called concurrently, except
// that Close may be called at any time.
type Ledger struct {
	lane     string
	settings Settings
	cluster  cluster
	made     time.Time

	read        bool   // the lane's entry was read, and knownCommit is set
	knownCommit string // of the newest entry that was read or committed; empty: there was none
	triedCommit string // of an entry that may or may not be committed
	pause       standoff.Pause

	mu       sync.Mutex // guards what Close ends
	producer producer   // nil: the lane is not held
	closed   bool
}

// cluster is what a ledger asks of Kafka. A process may die before and after each of
// these steps.
type cluster interface {
	// open returns a view of the lane's partition. It does not take the lane.
	open() (partition, error)
	// initProducer initialises the lane's producer.
	initProducer(ctx context.Context) (producer, error)
	// letterRecords encodes dead letters.
	letterRecords(lane string, rejects []sink.Reject) ([]kgo.Record, error)
	// entryRecord encodes an entry.
	entryRecord(e Entry) (kgo.Record, error)
}

type partition interface {
	prepare(ctx context.Context) error                     // creates or verifies the topics
	highWatermark(ctx context.Context) (int64, error)      // where the next record would be written
	lastStable(ctx context.Context) (int64, error)         // where the first open transaction begins; without one, the high watermark
	abort(at int64) string                                 // the command that aborts the transaction which began there
	newest(ctx context.Context, end int64) ([]byte, error) // the lane's newest committed value below end; nil if there is none
	check(ctx context.Context) (string, error)             // what would keep prepare and initProducer from succeeding
	close()
}

type producer interface {
	// commit writes all records in one transaction. The records from each cut on are
	// sent only after Kafka took all before it. If Kafka refused records for what is in
	// them, refused says why, by index, and nothing was written. After an error the
	// outcome is unknown, and the producer must not be used again.
	commit(ctx context.Context, records []kgo.Record, cuts []int) (refused map[int]error, err error)
	close()
}

// New returns the ledger of a lane. The lane's name is the name of its source and that
// of its sink, such as "acme/siem". New does not connect to a broker.
func New(lane string, s Settings) *Ledger {
	source, _, _ := strings.Cut(lane, "/")
	return newLedger(lane, s, &remote{
		settings: s, id: TransactionalID(s.Namespace, lane), index: Partition(source),
	})
}

func newLedger(lane string, s Settings, c cluster) *Ledger {
	return &Ledger{lane: lane, settings: s, cluster: c, made: time.Now()}
}

// TransactionalID is the transactional.id of a lane in a namespace.
func TransactionalID(namespace, lane string) string {
	return namespace + "." + strings.Replace(lane, "/", ".", 1)
}

// Partition is the partition of the positions of a source's lanes.
func Partition(source string) int32 {
	h := fnv.New32a()
	h.Write([]byte(source))
	return int32(h.Sum32() % Partitions)
}

// holdProducer keeps the producer until dropProducer. If the ledger was closed
// meanwhile, it closes the producer and returns an error.
func (l *Ledger) holdProducer(p producer) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		p.close()
		return l.takeError(errClosed)
	}
	l.producer = p
	l.pause.Held()
	return nil
}

// heldProducer is nil if the lane is not held.
func (l *Ledger) heldProducer() producer {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.producer
}

// dropProducer closes the producer. If it leaves a transaction open, the next taking
// of the lane ends it.
func (l *Ledger) dropProducer() {
	l.mu.Lock()
	p := l.producer
	l.producer = nil
	l.mu.Unlock()
	if p != nil {
		p.close()
	}
}

// Close lets go of the lane. It interrupts a Commit that is running; the outcome of
// that one is unknown.
func (l *Ledger) Close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.dropProducer()
}
