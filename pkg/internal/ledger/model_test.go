package ledger

import (
	"errors"
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
)

// model is Kafka, as far as a ledger can notice: who may write under each
// transactional.id, one partition of positions that all lanes share, and one
// partition of records for each lane.
//
// Left out is what makes no difference to a ledger. Markers take no room in a
// partition, and all that was written is below the high watermark: Kafka answers
// whoever takes a transactional.id, or ends a transaction, only when all replicas
// have what is at stake. Nothing is compacted.
type model struct {
	flaw      flaw
	ids       [lanes]coordination
	positions []placed
	records   [lanes][]written
	delayed   *ending
}

// The lanes: one that several instances run, and another one, whose transactions
// are in the way of the first.
const (
	shared = iota
	other
	lanes
)

var laneNames = [lanes]string{"acme/siem", "acme/archive"}

// coordination is what the coordinator of transactions knows of a transactional.id.
type coordination struct {
	epoch int
	born  int          // the first epoch since it was forgotten: those before are of another producer id
	ended bool         // the newest transaction timed out, and nobody has taken the id since
	last  *transaction // nil: none, or it is over
}

// transaction is over when its markers are written. Kafka answers as soon as it has
// decided how one ends, and writes them behind that.
type transaction struct{ outcome outcome }

type outcome byte

const (
	ongoing outcome = iota
	committing
	committed
	aborted
)

func (t *transaction) over() bool { return t.outcome == committed || t.outcome == aborted }

// takesEffect reports whether no crash of anything can undo it.
func (t *transaction) takesEffect() bool { return t.outcome == committing || t.outcome == committed }

// placed is a record in the partition of positions.
type placed struct {
	of    *transaction
	lane  int
	value []byte
	entry Entry
	at    int // the batches before the position
}

// written is a record of a batch.
type written struct {
	of    *transaction
	batch int
}

// ending is a request to end a transaction that is still on its way.
type ending struct{ lane, epoch int }

// flaw is what is wrong with a model, or with the ledger on top of it, so that it
// can be shown that the exploration notices.
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

// initialise gives a transactional.id to whoever asks, and ends what its
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

// forget is what the coordinator does with a transactional.id that is idle for too
// long.
func (m *model) forget(lane int) { m.ids[lane].born = m.ids[lane].epoch + 1 }

// idle reports whether the coordinator may forget a transactional.id.
func (m *model) idle(lane int) bool {
	id := &m.ids[lane]
	return id.last == nil && id.epoch > 0 && id.born <= id.epoch
}

// expire is what the coordinator does with a transaction that is open for too long.
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

// mark writes the markers of a transaction that is decided.
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

// begun is the transaction that a record belongs to. The coordinator lets a new one
// begin only when the markers of the one before are written.
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

// commit decides that the transaction of a producer is committed. To be asked
// again by the same producer is no error.
func (m *model) commit(lane, epoch int) error {
	id := &m.ids[lane]
	switch {
	case epoch < id.born:
		return kerr.InvalidProducerIDMapping
	case id.ended && epoch == id.epoch-1: // KIP-890: as if it asked again
		return kerr.InvalidTxnState
	case epoch != id.epoch:
		return kerr.ProducerFenced
	}
	m.decide(lane, committing)
	return nil
}

// due reports whether a request is on its way that is not too late to change anything.
func (m *model) due() bool {
	r := m.delayed
	return r != nil && r.epoch == m.ids[r.lane].epoch && r.epoch >= m.ids[r.lane].born && m.open(r.lane)
}

// arrive is the end of the way of a request that is due. Nobody hears the answer.
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

// newest is the last position of a lane that a consumer of committed records finds
// below an offset.
func (m *model) newest(lane int, below int64) []byte {
	for _, p := range slices.Backward(m.positions[:min(below, m.lastStable())]) {
		if p.lane == lane && p.of.outcome == committed {
			return p.value
		}
	}
	return nil
}

// history is all positions of a lane that took effect.
func (m *model) history(lane int) []placed {
	var all []placed
	for _, p := range m.positions {
		if p.lane == lane && p.of.takesEffect() {
			all = append(all, p)
		}
	}
	return all
}

// reached is the position that a lane is at.
func (m *model) reached(lane int) int {
	history := m.history(lane)
	if len(history) == 0 {
		return 0
	}
	return history[len(history)-1].at
}

// consistent says what is wrong if the committed records of a lane are others than
// those that its committed positions tell of: each batch once and in order, but for
// where a person moved the position, and none behind it.
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
		return fmt.Errorf("of lane %s batches %v are committed, and by its positions %v are", laneNames[lane], got, want)
	}
	return nil
}

var errUnknownCommit = errors.New("what is said to be committed is not")

// vouch says what is wrong if a commit did not take effect, or moved the lane to
// another position.
func (m *model) vouch(lane int, commit string, at int) error {
	for _, p := range m.history(lane) {
		if p.entry.Commit == commit && p.at == at {
			return nil
		}
	}
	return errUnknownCommit
}

// rank is the place of a commit in history, to compare states by: commits have random
// names.
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

// depth is an offset without what was aborted below it.
func (m *model) depth(end int64) int {
	n := 0
	for _, p := range m.positions[:end] {
		if p.of.outcome != aborted {
			n++
		}
	}
	return n
}

// digest adds to a hash all that the future depends on. Two models that differ only
// in what was aborted are the same.
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
