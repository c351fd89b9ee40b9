package ledger

import (
	"errors"
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
)

// model is Kafka as a ledger sees it: who may write under each transactional.id, one
// partition of positions that all lanes share, and one partition of records for each
// lane.
//
// The model leaves out what makes no difference to a ledger. Markers take no offsets.
// All written records are below the high watermark, since Kafka answers a request that
// takes a transactional.id or ends a transaction only when all replicas have the records.
// Nothing is compacted.
type model struct {
	flaw      flaw
	ids       [lanes]coordination
	positions []placed
	records   [lanes][]written
	delayed   *ending
}

// One lane is run by several instances. The transactions of the other lane only delay the
// first.
const (
	shared = iota
	other
	lanes
)

var laneNames = [lanes]string{"acme/siem", "acme/archive"}

// coordination is what the coordinator knows about a transactional.id.
type coordination struct {
	epoch int
	born  int          // the first epoch since the id was forgotten; earlier epochs belong to another producer id
	ended bool         // the newest transaction timed out, and nobody took the id since
	last  *transaction // nil: there is none, or its markers are written
}

// transaction is over when its markers are written. Kafka answers as soon as it has
// decided the outcome, and writes the markers afterwards.
type transaction struct{ outcome outcome }

type outcome byte

const (
	ongoing outcome = iota
	committing
	committed
	aborted
)

func (t *transaction) over() bool { return t.outcome == committed || t.outcome == aborted }

// takesEffect reports whether the transaction is committed for good, so no crash can undo
// it.
func (t *transaction) takesEffect() bool { return t.outcome == committing || t.outcome == committed }

// placed is a record in the partition of positions.
type placed struct {
	of    *transaction
	lane  int
	value []byte
	entry Entry
	at    int // the number of batches before the position
}

// written is a record of a batch.
type written struct {
	of    *transaction
	batch int
}

// ending is a request to end a transaction. The request has not arrived yet.
type ending struct{ lane, epoch int }

// flaw is a fault in the model or in the ledger. Tests use it to show that the
// exploration finds faults.
type flaw int

const (
	sound flaw = iota
	readsBeforeFencing
	readsToStable
	waitsForNobody
	fencesNobody
	positionBefore
	positionAfter
	commitsDespiteFailure
)

// initialise gives a transactional.id to the caller, and ends the transaction that its
// predecessor left open.
func (m *model) initialise(lane int) (epoch int) {
	id := &m.ids[lane]
	if m.flaw != fencesNobody {
		id.epoch++
	}
	id.ended = false
	m.decide(lane, aborted)
	m.mark(lane)
	return id.epoch
}

// forget makes the coordinator forget a transactional.id, as it does after a long idle
// time.
func (m *model) forget(lane int) { m.ids[lane].born = m.ids[lane].epoch + 1 }

// idle reports whether the coordinator may forget a transactional.id.
func (m *model) idle(lane int) bool {
	id := &m.ids[lane]
	return id.last == nil && id.epoch > 0 && id.born <= id.epoch
}

// expire aborts a transaction that was open for too long, as the coordinator does.
func (m *model) expire(lane int) {
	m.ids[lane].epoch++
	m.ids[lane].ended = true
	m.decide(lane, aborted)
}

func (m *model) decide(lane int, how outcome) {
	id := &m.ids[lane]
	if id.last == nil || id.last.outcome != ongoing {
		return
	}
	id.last.outcome = how
	if id.last.over() {
		id.last = nil
	}
}

// mark writes the markers of a transaction whose outcome is decided.
func (m *model) mark(lane int) {
	if m.unmarked(lane) {
		m.ids[lane].last.outcome = committed
		m.ids[lane].last = nil
	}
}

func (m *model) unmarked(lane int) bool {
	last := m.ids[lane].last
	return last != nil && last.outcome == committing
}

func (m *model) open(lane int) bool {
	last := m.ids[lane].last
	return last != nil && last.outcome == ongoing
}

// begun returns the transaction that a record belongs to. The coordinator begins a new
// one only after the markers of the former one are written.
func (m *model) begun(lane, epoch int) (*transaction, error) {
	id := &m.ids[lane]
	switch {
	case epoch < id.born:
		return nil, kerr.InvalidProducerIDMapping
	case epoch != id.epoch:
		return nil, kerr.InvalidProducerEpoch
	}
	m.mark(lane)
	if id.last == nil {
		id.last = new(transaction)
	}
	return id.last, nil
}

func (m *model) place(lane, epoch int, value []byte) error {
	entry, err := decode(value, laneNames[lane])
	if err != nil {
		return err
	}
	of, err := m.begun(lane, epoch)
	if err == nil {
		m.positions = append(m.positions, placed{of, lane, value, entry, ordinal(entry.Position)})
	}
	return err
}

func (m *model) write(lane, epoch, batch int) error {
	of, err := m.begun(lane, epoch)
	if err == nil {
		m.records[lane] = append(m.records[lane], written{of, batch})
	}
	return err
}

// commit decides that the transaction of a producer is committed. The same producer may
// ask twice.
func (m *model) commit(lane, epoch int) error {
	id := &m.ids[lane]
	switch {
	case epoch < id.born:
		return kerr.InvalidProducerIDMapping
	case id.ended && epoch == id.epoch-1: // KIP-890: treated as a repeated request
		return kerr.InvalidTxnState
	case epoch != id.epoch:
		return kerr.ProducerFenced
	}
	m.decide(lane, committing)
	return nil
}

// due reports whether a request is on its way that can still change something.
func (m *model) due() bool {
	r := m.delayed
	return r != nil && r.epoch == m.ids[r.lane].epoch && r.epoch >= m.ids[r.lane].born && m.open(r.lane)
}

// arrive lets a request that is due reach the coordinator. Nobody gets the answer.
func (m *model) arrive() {
	m.decide(m.delayed.lane, committing)
	m.mark(m.delayed.lane)
	m.delayed = nil
}

func (m *model) highWatermark() int64 { return int64(len(m.positions)) }

func (m *model) lastStable() int64 {
	for at, p := range m.positions {
		if !p.of.over() {
			return int64(at)
		}
	}
	return m.highWatermark()
}

// newest returns the newest committed position of a lane below an offset.
func (m *model) newest(lane int, below int64) []byte {
	for _, p := range slices.Backward(m.positions[:min(below, m.lastStable())]) {
		if p.lane == lane && p.of.outcome == committed {
			return p.value
		}
	}
	return nil
}

// history returns all committed positions of a lane.
func (m *model) history(lane int) []placed {
	var all []placed
	for _, p := range m.positions {
		if p.lane == lane && p.of.takesEffect() {
			all = append(all, p)
		}
	}
	return all
}

// reached returns the newest committed position of a lane.
func (m *model) reached(lane int) int {
	history := m.history(lane)
	if len(history) == 0 {
		return 0
	}
	return history[len(history)-1].at
}

// consistent returns an error unless the committed records of a lane match its committed
// positions: each batch before the position was committed once and in order, except where
// a person moved the position, and no batch after it was.
func (m *model) consistent(lane int) error {
	var want, got []int
	at := 0
	for _, p := range m.history(lane) {
		if !p.entry.Set {
			if p.at != at+1 {
				return fmt.Errorf("lane %s went from position %d to %d", laneNames[lane], at, p.at)
			}
			want = append(want, at)
		}
		at = p.at
	}
	for _, r := range m.records[lane] {
		if r.of.takesEffect() {
			got = append(got, r.batch)
		}
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("lane %s has committed batches %v, but its positions tell of %v", laneNames[lane], got, want)
	}
	return nil
}

var errUnknownCommit = errors.New("the ledger reported a commit that did not take effect")

// vouch returns an error if a commit did not take effect, or moved the lane to another
// position.
func (m *model) vouch(lane int, commit string, at int) error {
	for _, p := range m.history(lane) {
		if p.entry.Commit == commit && p.at == at {
			return nil
		}
	}
	return errUnknownCommit
}

// before returns the position of the lane that a commit replaced, 0 if there was none.
func (m *model) before(lane int, commit string) int {
	at := 0
	for _, p := range m.history(lane) {
		if p.entry.Commit == commit {
			break
		}
		at = p.at
	}
	return at
}

// rank returns the place of a commit in history. It identifies a state, since the names
// of commits are random.
func (m *model) rank(lane int, commit string) int {
	const nowhere, undecided = -1, -2
	if commit == "" {
		return 0
	}
	for i, p := range m.history(lane) {
		if p.entry.Commit == commit {
			return i + 1
		}
	}
	for _, p := range m.positions {
		if p.entry.Commit == commit && !p.of.over() {
			return undecided
		}
	}
	return nowhere
}

// depth returns an offset less the number of aborted records below it.
func (m *model) depth(end int64) int {
	n := 0
	for _, p := range m.positions[:end] {
		if p.of.outcome != aborted {
			n++
		}
	}
	return n
}

// digest adds everything that decides the future to a hash. Two models that differ only
// in aborted records have the same hash.
func (m *model) digest(h *maphash.Hash) {
	for _, p := range m.positions {
		if p.of.outcome != aborted {
			sum(h, p.lane, int(p.of.outcome), p.at, truth(p.entry.Set))
		}
	}
	for lane, records := range m.records {
		for _, r := range records {
			if r.of.outcome != aborted {
				sum(h, -1-lane, int(r.of.outcome), r.batch)
			}
		}
		sum(h, truth(m.open(lane)), truth(m.unmarked(lane)), truth(m.idle(lane)), truth(m.ids[lane].ended))
	}
	sum(h, truth(m.due()))
}

func sum(h *maphash.Hash, values ...int) {
	for _, v := range values {
		h.WriteByte(byte(v))
	}
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}
