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

// instance is a process with a ledger, on top of a model of Kafka. It stops before
// each thing that it asks of Kafka, until the explorer lets it go on to the next. To
// stop behind each as well would add nothing: nobody sees what a ledger does in
// between.
//
// It is the cluster that its ledger sees, and the view of its partition.
type instance struct {
	name   string
	lane   int
	goal   int // the position at the end of the log
	work   func(*instance) error
	model  *model
	group  *group // nil: nobody decides who owns the lane
	ledger *Ledger

	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool

	step  step  // that it is about to do
	after step  // the newest that it has done that is no reading
	reads int   // that it has done since
	fate  fate  // of that step
	fresh bool  // it has done nothing since it was started
	done  bool  // its work is
	fault error // that it found

	call  call  // to its ledger, that the step is part of
	at    int   // the position that it goes on from
	epoch int   // of its newest producer
	upTo  int64 // the watermark that it reads to; 0 when it has read
	fence int   // how long the lane's history was when it took the lane
	saw   int   // the rank of what it read last
	early struct {
		upTo  int64
		value []byte
	} // what it read before fencing, with the flaw of that name
}

// group is the consumer group that says who owns a lane.
type group struct{ owner string }

// call is what a ledger is asked to do: by the same steps, but not to the same end.
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
	settling
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

// fate is what becomes of a step.
type fate int

const (
	succeeds    fate = iota
	requestLost      // it is not done, and not answered
	answerLost       // it is done, and not answered
	requestLate      // it is not answered, and done at some time later
	repeated         // it is done, not answered, and asked for again
	undelivered      // it is done and answered, and the markers are written at some time later
	impatient        // it is waited for as long as a ledger waits, in vain
)

func (f fate) String() string {
	return [...]string{
		"", ": request lost", ": answer lost", ": request delayed", ": answer lost, so asked again",
		": markers delayed", ": in vain",
	}[f]
}

// alone reports whether the step neither changes anything that others see nor
// sees anything that others change: what else may happen before it may as well
// happen behind it. What lies below a watermark does not change once it was waited
// for.
func (s step) alone() bool { return s == preparing || s == reading }

// fates are those that its step may have besides success. Of steps in a row that
// change nothing one alone fails: it is the same to a ledger. The other lane is
// there to be in the way, by what it leaves open, and its requests are not lost.
func (i *instance) fates() []fate {
	if i.lane == other {
		return nil
	}
	switch i.step {
	case reading:
		return []fate{requestLost}
	case taking, producing, placing:
		return []fate{requestLost, answerLost}
	case settling:
		return []fate{requestLost, answerLost, requestLate, repeated, undelivered}
	}
	return nil
}

var (
	errNoAnswer = errors.New("no answer")
	errNotOwner = errors.New("another owns the lane")
	errCrash    = errors.New("crash")
)

// start begins its work, as a process does that knows of nothing before.
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

// live does its work, unless it is stopped at a step: that is a crash.
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

// goOn does the step, and goes on to the next.
func (i *instance) goOn(f fate) {
	i.fate, i.fresh = f, false
	i.next()
}

// do is a step. What f does to the model is done when the explorer says so.
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

// able reports whether its step can be done.
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

// settled reports whether it has nothing to do any more.
func (i *instance) settled() bool {
	return i.done || i.step == resting || i.step == barred
}

func nothing() error { return nil }

// deliver is the loop of a lane, as package pipeline has it.
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

// resume checks that the lane goes on from what was committed last when it was
// taken, or since.
func (i *instance) resume(pos []byte) error {
	history := i.model.history(i.lane)
	i.at = ordinal(pos)
	if i.fence == 0 && pos == nil {
		return nil
	}
	since := history[max(i.fence-1, 0):]
	if pos == nil || !slices.ContainsFunc(since, func(p placed) bool { return p.at == i.at }) {
		return fmt.Errorf("%s goes on from position %q, and was committed before it took the lane", i.name, pos)
	}
	return nil
}

// publish commits batch after batch until the position is moved by another.
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
		if err := i.model.vouch(i.lane, i.ledger.known, i.at); err != nil {
			return fmt.Errorf("%s, position %d: %w", i.name, i.at, err)
		}
	}
}

// await is what a lane does between attempts.
func (i *instance) await(err error) {
	_, lost := errors.AsType[*fenced](err)
	switch {
	case errors.Is(err, errNotOwner):
		_ = i.do(barred, nothing)
	case lost:
		_ = i.do(pausing, nothing)
	}
}

// set is the work of a person who sends a lane back to where its second batch begins,
// or on to there.
func set(i *instance) error {
	const chosen = 1
	if err := i.ledger.Set(context.Background(), decimal(chosen)); err != nil {
		return nil // It is told, and the person sees to it.
	}
	if err := i.model.vouch(i.lane, i.ledger.known, chosen); err != nil {
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

func (i *instance) letters(string, []sink.Reject) ([]kgo.Record, error) { return nil, nil }

func (i *instance) position(e Entry) (kgo.Record, error) {
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

func (i *instance) take(context.Context) (producer, error) {
	err := i.do(taking, func() error {
		i.epoch = i.model.initialise(i.lane)
		i.fence = len(i.model.history(i.lane))
		return nil
	})
	return &holder{instance: i, epoch: i.epoch}, err
}

func (i *instance) end(context.Context) (int64, error) {
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

func (i *instance) stable(context.Context) (stable int64, err error) {
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

func (i *instance) last(_ context.Context, end int64) (value []byte, err error) {
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
		if err := errors.Join(h.place(position), h.settle()); err != nil {
			return nil, err
		}
	}
	for _, r := range batch {
		if err := h.produce(r); err != nil && h.model.flaw != commitsDespiteFailure {
			return nil, err
		}
	}
	if h.model.flaw == positionAfter {
		if err := h.settle(); err != nil {
			return nil, err
		}
	}
	if h.model.flaw != positionBefore {
		if err := h.place(position); err != nil {
			return nil, err
		}
	}
	return nil, h.settle()
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

// settle ends the transaction. What is asked again, as franz-go does, may be refused
// although it was done.
func (h *holder) settle() error {
	again := false
	err := h.do(settling, func() error {
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
