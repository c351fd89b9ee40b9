package ledger

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// instance is a process with a ledger, on top of a model of Kafka. It stops before each
// request to Kafka until the explorer lets it continue. Stops after a request would add
// nothing, since nobody sees what a ledger does in between.
//
// It is the cluster that its ledger sees, and the view of its partition.
type instance struct {
	name   string
	lane   int
	goal   int // the position at the end of the log
	work   func(*instance) error
	model  *model
	group  *group // nil: no group decides who owns the lane
	ledger *Ledger

	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool

	step  step  // the step that it is about to do
	after step  // its last step that was not a read
	reads int   // reads since then
	fate  fate  // the outcome of the next step
	fresh bool  // it has done no step since it was started
	done  bool  // its work is done
	fault error // the fault that it found

	call  call  // the call of its ledger that the step belongs to
	at    int   // the position that it continues from
	epoch int   // the epoch of its newest producer
	upTo  int64 // the watermark up to which it reads; 0 once it has read
	fence int   // how long the lane's history was when it took the lane
	saw   int   // the rank of the last commit that it read
	early struct {
		upTo  int64
		value []byte
	} // read before it fenced, if the model has that flaw
}

// group is the consumer group that decides who owns a lane.
type group struct{ owner string }

// call is a method of a ledger. The methods share their steps, but differ in their ends.
type call int

const (
	toTake call = iota
	toCommit
)

type step int

const (
	asking step = iota
	preparing
	taking
	watermark
	waiting
	reading
	producing
	placing
	completing
	repeating
	pausing
	resting
	barred
)

func (s step) String() string {
	return [...]string{
		"asks the group", "prepares topics", "initialises its producer", "reads the high watermark",
		"reads the last stable offset", "reads the position", "produces a record", "produces the position",
		"commits", "commits, asked again", "pauses", "rests", "waits to own the lane",
	}[s]
}

// fate is the outcome of a step.
type fate int

const (
	succeeds    fate = iota
	requestLost      // the request is lost
	answerLost       // the request is done, but the answer is lost
	requestLate      // the request is done later, and its answer is lost
	repeated         // the request is done, its answer is lost, and the client sends it again
	undelivered      // the request is done and answered, but the markers are written later
	impatient        // the wait times out
)

func (f fate) String() string {
	return [...]string{
		"", ": request lost", ": answer lost", ": request delayed", ": answer lost, so asked again",
		": markers delayed", ": in vain",
	}[f]
}

// alone reports whether the step changes nothing that others see, and sees nothing that
// others change. What could happen before such a step can as well happen after it. What
// is below a watermark does not change after the wait for it.
func (s step) alone() bool { return s == preparing || s == reading }

// fates returns the outcomes of its step other than success. In a row of steps that
// change nothing, only one may fail, since a ledger cannot tell which one it was.
// Requests of the other lane are never lost: that lane exists only to leave transactions
// open.
func (i *instance) fates() []fate {
	if i.lane == other {
		return nil
	}
	switch i.step {
	case reading:
		return []fate{requestLost}
	case taking, producing, placing:
		return []fate{requestLost, answerLost}
	case completing:
		return []fate{requestLost, answerLost, requestLate, repeated, undelivered}
	}
	return nil
}

var (
	errNoAnswer = errors.New("no answer")
	errNotOwner = errors.New("another owns the lane")
	errCrash    = errors.New("crash")
)

// start begins its work, as a process that knows nothing of earlier runs.
func (i *instance) start() {
	s := Settings{Topic: "audit", Log: zerolog.Nop()}
	if i.group != nil {
		s.Confirm = i.confirm
	}
	i.ledger = newLedger(laneNames[i.lane], s, i)
	i.fate, i.fresh = succeeds, true
	i.call, i.after, i.reads = toTake, preparing, 0
	i.at, i.epoch, i.upTo, i.fence, i.saw = 0, 0, 0, 0, 0
	i.next, i.stop = iter.Pull(i.live)
	i.next()
}

// live does its work until it ends or the explorer stops it at a step, which is a crash.
func (i *instance) live(yield func(struct{}) bool) {
	defer func() {
		if r := recover(); r != nil && r != any(errCrash) {
			panic(r)
		}
	}()
	i.yield = yield
	i.fault = i.work(i)
	i.done = true
}

// goOn does the step and continues up to the next one.
func (i *instance) goOn(f fate) {
	i.fate, i.fresh = f, false
	i.next()
}

// do is a step: f changes the model when the explorer allows it.
func (i *instance) do(s step, f func() error) error {
	i.step = s
	if !i.yield(struct{}{}) {
		panic(errCrash)
	}
	i.reads++
	if s != watermark && s != waiting && s != reading {
		i.after, i.reads = s, 0
	}
	if i.fate == requestLost {
		return errNoAnswer
	}
	err := f()
	if i.fate == answerLost {
		return errNoAnswer
	}
	return err
}

// able reports whether its step can be done now.
func (i *instance) able() bool {
	switch {
	case i.done:
		return false
	case i.step == waiting:
		return i.model.flaw == waitsForNobody || i.model.lastStable() >= i.upTo
	case i.step == resting:
		return i.model.reached(i.lane) != i.goal
	case i.step == barred:
		return i.group.owner == i.name
	}
	return true
}

// finished reports whether it has nothing left to do.
func (i *instance) finished() bool {
	return i.done || i.step == resting || i.step == barred
}

func nothing() error { return nil }

// deliver is the loop of a lane, as in package pipeline.
func deliver(i *instance) error {
	for {
		i.call = toTake
		pos, err := i.ledger.Take(context.Background())
		if err != nil {
			i.await(err)
			continue
		}
		if err := i.resume(pos); err != nil {
			return err
		}
		if err := i.publish(); err != nil {
			return err
		}
	}
}

// resume checks that the lane continues from the position that was the newest when it was
// taken, or from a newer one.
func (i *instance) resume(pos []byte) error {
	history := i.model.history(i.lane)
	i.at = ordinal(pos)
	if i.fence == 0 && pos == nil {
		return nil
	}
	since := history[max(i.fence-1, 0):]
	if pos == nil || !slices.ContainsFunc(since, func(p placed) bool { return p.at == i.at }) {
		return fmt.Errorf("%s continues from position %q, but a newer one was committed before it took the lane", i.name, pos)
	}
	return nil
}

// publish commits one batch after another until somebody else moves the position.
func (i *instance) publish() error {
	for {
		if i.at == i.goal {
			return i.do(resting, nothing)
		}
		batch := []kgo.Record{{Topic: "audit", Value: decimal(i.at)}}
		i.call = toCommit
		err := i.ledger.Commit(context.Background(), batch, nil, decimal(i.at+1))
		switch {
		case errors.Is(err, sink.ErrMoved):
			return nil
		case err != nil:
			i.await(err)
			continue
		}
		i.at++
		if err := i.model.vouch(i.lane, i.ledger.knownCommit, i.at); err != nil {
			return fmt.Errorf("%s, position %d: %w", i.name, i.at, err)
		}
	}
}

// await is the pause of a lane between two attempts.
func (i *instance) await(err error) {
	_, lost := errors.AsType[*fenced](err)
	switch {
	case errors.Is(err, errNotOwner):
		_ = i.do(barred, nothing)
	case lost:
		_ = i.do(pausing, nothing)
	}
}

// set is the work of a person who moves a lane back or forward to the start of its second
// batch.
func set(i *instance) error {
	const chosen = 1
	former := 0
	err := i.ledger.Set(context.Background(), func(pos []byte) ([]byte, error) {
		former = ordinal(pos)
		return decimal(chosen), nil
	})
	if err != nil {
		return nil // The person sees the error.
	}
	if before := i.model.before(i.lane, i.ledger.knownCommit); before != former {
		return fmt.Errorf("a position was set over %d although %d was committed", former, before)
	}
	if err := i.model.vouch(i.lane, i.ledger.knownCommit, chosen); err != nil {
		return fmt.Errorf("the position that was set: %w", err)
	}
	return nil
}

func decimal(n int) []byte { return strconv.AppendInt(nil, int64(n), 10) }

func ordinal(pos []byte) int {
	n := 0
	for _, digit := range pos {
		n = 10*n + int(digit-'0')
	}
	return n
}

func (i *instance) confirm(context.Context) error {
	return i.do(asking, func() error {
		if i.group.owner != i.name {
			return errNotOwner
		}
		return nil
	})
}

func (i *instance) open() (partition, error)              { return i, nil }
func (i *instance) check(context.Context) (string, error) { return "", nil }
func (i *instance) close()                                {}

func (i *instance) letterRecords(string, []sink.Reject) ([]kgo.Record, error) { return nil, nil }

func (i *instance) entryRecord(e Entry) (kgo.Record, error) {
	value, err := encode(e)
	return kgo.Record{Topic: DefaultPositions, Value: value}, err
}

func (i *instance) prepare(context.Context) error {
	return i.do(preparing, func() error {
		i.saw = 0
		if i.model.flaw == readsBeforeFencing {
			i.early.upTo = i.model.highWatermark()
			i.early.value = i.model.newest(i.lane, i.early.upTo)
		}
		return nil
	})
}

func (i *instance) initProducer(context.Context) (producer, error) {
	err := i.do(taking, func() error {
		i.epoch = i.model.initialise(i.lane)
		i.fence = len(i.model.history(i.lane))
		return nil
	})
	return &holder{instance: i, epoch: i.epoch}, err
}

func (i *instance) highWatermark(context.Context) (int64, error) {
	err := i.do(watermark, func() error {
		switch i.model.flaw {
		case readsBeforeFencing:
			i.upTo = i.early.upTo
		case readsToStable:
			i.upTo = i.model.lastStable()
		default:
			i.upTo = i.model.highWatermark()
		}
		return nil
	})
	return i.upTo, err
}

func (i *instance) abort(int64) string { return "" }

func (i *instance) lastStable(context.Context) (stable int64, err error) {
	err = i.do(waiting, func() error {
		if i.fate == impatient {
			<-time.After(takeTimeout)
		}
		stable = i.model.lastStable()
		if i.model.flaw == waitsForNobody {
			stable = i.upTo
		}
		return nil
	})
	return stable, err
}

func (i *instance) newest(_ context.Context, end int64) (value []byte, err error) {
	err = i.do(reading, func() error {
		value = i.model.newest(i.lane, end)
		if i.model.flaw == readsBeforeFencing {
			value = i.early.value
		}
		i.upTo = 0
		if value != nil {
			e, err := decode(value, laneNames[i.lane])
			i.saw = i.model.rank(i.lane, e.Commit)
			return err
		}
		return nil
	})
	return value, err
}

// holder is the producer of an instance.
type holder struct {
	*instance
	epoch int
}

func (h *holder) commit(_ context.Context, records []kgo.Record, _ []int) (map[int]error, error) {
	last := len(records) - 1
	batch, position := records[:last], records[last]
	if h.model.flaw == positionBefore {
		if err := errors.Join(h.place(position), h.complete()); err != nil {
			return nil, err
		}
	}
	for _, r := range batch {
		if err := h.produce(r); err != nil && h.model.flaw != commitsDespiteFailure {
			return nil, err
		}
	}
	if h.model.flaw == positionAfter {
		if err := h.complete(); err != nil {
			return nil, err
		}
	}
	if h.model.flaw != positionBefore {
		if err := h.place(position); err != nil {
			return nil, err
		}
	}
	return nil, h.complete()
}

func (h *holder) produce(r kgo.Record) error {
	return h.do(producing, func() error {
		h.saw = 0
		return h.model.write(h.lane, h.epoch, ordinal(r.Value))
	})
}

func (h *holder) place(r kgo.Record) error {
	return h.do(placing, func() error {
		h.saw = 0
		return h.model.place(h.lane, h.epoch, r.Value)
	})
}

// complete ends the transaction. franz-go repeats the request, and Kafka may refuse the
// repeated one although it did the first.
func (h *holder) complete() error {
	again := false
	err := h.do(completing, func() error {
		if h.fate == requestLate {
			h.model.delayed = &ending{lane: h.lane, epoch: h.epoch}
			return errNoAnswer
		}
		again = h.fate == repeated
		err := h.model.commit(h.lane, h.epoch)
		if h.fate != undelivered {
			h.model.mark(h.lane)
		}
		return err
	})
	if !again {
		return err
	}
	return h.do(repeating, func() error { return h.model.commit(h.lane, h.epoch) })
}
