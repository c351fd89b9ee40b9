package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// answer is what the sink of a world does with one Publish.
type answer int

const (
	accepts      answer = iota // takes all but bad records, and names these
	refusesBatch               // permanent for the batch if a record in it is bad
	failsBefore                // nothing taken, and an error
	failsAfter                 // all taken, but an error
	namesSome                  // takes all but every third record, and asks for these again
	namesNone                  // an empty BatchError; nothing taken
	namesTwice                 // a BatchError that names a record twice; the others taken up to it
	namesBeyond                // a BatchError out of range; the first half taken
	hangs                      // returns when the sink is closed; nothing taken
	hangsTaken                 // like hangs, but everything is taken
	returnsLate                // takes all, but later than publish_timeout
	answersInTotal
)

// plan is the life of a lane. It is drawn in advance, because a bubble cannot draw.
type plan struct {
	events, page int
	limits       sink.Limits
	queue        int64
	answers      []answer
	bad, unable  map[int]bool // records the sink refuses; events the format cannot encode
	buryOld      bool         // of the lane: events older than limits.OldestEvent become dead letters
	maxRejects   int          // of the lane; 0: the default; with a low value the lane distrusts the sink until the sink recovers
	saves, puts  []int        // by call: 0 works, 1 fails before, 2 fails after the effect
	reads        []bool       // by call: fails
	kills        []int        // number of steps of each life after which the power fails
}

// world is what outlives a lane: the log, the destination, the stores. There is a step
// before and after each effect on it. Once the power has failed no step has an effect,
// and the lane's goroutines get errors.
type world struct {
	plan
	log *eventLog

	mu         sync.Mutex
	steps      int
	killAt     int // 0: never
	dead       bool
	power      context.CancelFunc
	publishes  int
	saveCalls  int
	putCalls   int
	reading    int
	saved      int // -1: none
	taken      []int
	settled    map[int]bool
	letters    map[int]bool
	aged       map[int]bool // events that were buried for their age
	alone      map[int]bool // events that the sink asked for again by name: their order is not kept
	violations []string
}

var errPower = errors.New("the power is gone")

// mends is how long the sink of a world refuses bad records. A lane that distrusts the
// sink waits meanwhile, and buries none of them.
const mends = 2 * time.Hour

// refuses reports whether the sink refuses a record for good. The caller holds the mutex.
func (w *world) refuses(n int) bool {
	return w.bad[n] && (w.maxRejects == 0 || time.Since(w.log.began) < mends)
}

// old reports whether a record is older than the destination takes, and must not be
// published.
func (w *world) old(n int) bool {
	return w.buryOld && w.limits.OldestEvent > 0 && time.Since(w.log.time(n)) > w.limits.OldestEvent
}

// step returns false once the power has failed. The caller holds the mutex.
func (w *world) step() bool {
	w.steps++
	if w.steps == w.killAt {
		w.dead = true
		w.power()
	}
	return !w.dead
}

func (w *world) blame(format string, args ...any) {
	w.violations = append(w.violations, fmt.Sprintf(format, args...))
}

func (w *world) Load(context.Context, string) (source.Position, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.saved < 0 {
		return nil, nil
	}
	return position(w.saved), nil
}

func (w *world) Save(_ context.Context, _ string, pos source.Position) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	fate := at(w.saves, w.saveCalls)
	w.saveCalls++
	if !w.step() {
		return errPower
	}
	if fate == 1 {
		return errors.New("disk is read-only")
	}
	var to int
	if _, err := fmt.Sscan(string(pos), &to); err != nil {
		return err
	}
	if to < w.saved {
		w.blame("position went back from %d to %d", w.saved, to)
	}
	for i := range to {
		if !w.settled[i] {
			w.blame("position %d was saved while event %d was neither delivered nor buried", to, i)
		}
	}
	w.saved = to
	if to == w.events {
		w.power() // All is done; the lane may stop.
	}
	if !w.step() {
		return errPower
	}
	if fate == 2 {
		return errors.New("fsync of the directory failed")
	}
	return nil
}

func (w *world) Put(_ context.Context, _ string, rejects []sink.Reject) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	fate := at(w.puts, w.putCalls)
	w.putCalls++
	if !w.step() {
		return errPower
	}
	if fate == 1 {
		return errors.New("dead letters are full")
	}
	for _, r := range rejects {
		n := index(r.Record.ID)
		if w.old(n) {
			w.aged[n] = true
		} else if !w.bad[n] && !w.unable[n] {
			w.blame("event %d was buried though nothing is wrong with it: %s", n, r.Reason)
		}
		if want := string(w.log.event(n).Raw); string(r.Raw) != want {
			w.blame("event %d was buried with raw %s", n, r.Raw)
		}
		w.letters[n], w.settled[n] = true, true
	}
	if !w.step() {
		return errPower
	}
	if fate == 2 {
		return errors.New("close failed")
	}
	return nil
}

func (w *world) failRead(int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.step() {
		return errPower
	}
	fails := at(w.reads, w.reading)
	w.reading++
	if fails {
		return &source.Error{Op: "read", Class: source.Unavailable, Err: errors.New("503")}
	}
	return nil
}

// worldSink is an opened sink of the world's destination.
type worldSink struct {
	*world
	closed chan struct{}
}

func (w *world) openSink(context.Context) (sink.Sink, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.step() {
		return nil, errPower
	}
	return &worldSink{w, make(chan struct{})}, nil
}

func (s *worldSink) Limits() sink.Limits { return s.limits }
func (s *worldSink) Close() error        { close(s.closed); return nil }

func (s *worldSink) Publish(ctx context.Context, batch []sink.Record) error {
	s.mu.Lock()
	if !s.step() {
		s.mu.Unlock()
		return errPower
	}
	s.check(batch)
	s.checkAges(batch)
	how := at(s.answers, s.publishes)
	s.publishes++
	err := s.treat(how, batch)
	alive := s.step()
	s.mu.Unlock()
	switch {
	case how == hangs || how == hangsTaken:
		<-s.closed
		return errors.New("closed")
	case how == returnsLate:
		<-ctx.Done()
	}
	if !alive {
		return errPower
	}
	return err
}

func (w *world) check(batch []sink.Record) {
	bodies := 0
	for _, r := range batch {
		bodies += len(r.Body)
		if n := index(r.ID); string(r.Body) != string(w.log.event(n).Raw) {
			w.blame("event %d was published as %s", n, r.Body)
		}
	}
	if n := len(batch); n == 0 || n > w.limits.Records || n > 1 && bodies > w.limits.Bytes {
		w.blame("a Publish of %d records and %d bytes", n, bodies)
	}
}

func (w *world) checkAges(batch []sink.Record) {
	for _, r := range batch {
		if n := index(r.ID); w.old(n) {
			w.blame("event %d was published, and it is %s old", n, time.Since(w.log.time(n)))
		}
	}
}

// treat takes what the answer says, and returns the answer.
func (w *world) treat(how answer, batch []sink.Record) error {
	all := make([]int, len(batch))
	var bad sink.BatchError
	for i, r := range batch {
		all[i] = index(r.ID)
		if w.refuses(all[i]) {
			bad = append(bad, sink.RecordError{Index: i, Err: sink.Permanent(errors.New("malformed"))})
		}
	}
	unclear := errors.New("connection reset")
	switch how {
	case failsBefore, hangs:
		return unclear
	case failsAfter, hangsTaken:
		w.takeEvents(all...)
		return unclear
	case namesNone:
		return sink.BatchError{}
	case namesTwice:
		last := len(batch) - 1
		w.takeEvents(all[:last]...)
		twice := sink.RecordError{Index: last, Err: sink.Permanent(errors.New("twice"))}
		return sink.BatchError{twice, twice}
	case namesBeyond:
		w.takeEvents(all[:len(all)/2]...)
		return sink.BatchError{{Index: len(batch), Err: sink.Permanent(errors.New("beyond"))}}
	case namesSome:
		return w.takeSome(all, bad)
	}
	if len(bad) > 0 && how == refusesBatch {
		return sink.Permanent(errors.New("a record is malformed"))
	}
	w.takeEvents(all...)
	if len(bad) > 0 {
		return bad
	}
	return nil
}

func (w *world) takeSome(all []int, bad sink.BatchError) error {
	for i, n := range all {
		switch {
		case w.refuses(n):
		case n%3 == 0:
			bad = append(bad, sink.RecordError{Index: i, Err: errors.New("busy")})
			w.alone[n] = true
		default:
			w.takeEvents(n)
		}
	}
	if len(bad) == 0 {
		return nil
	}
	return fmt.Errorf("partly: %w", bad)
}

// takeEvents gives records to the destination. It never takes a bad one.
func (w *world) takeEvents(all ...int) {
	for _, n := range all {
		if !w.refuses(n) {
			w.taken = append(w.taken, n)
			w.settled[n] = true
		}
	}
}

func (w *world) lane() *pipeline.Lane {
	unable := verbatim{map[string]bool{}}
	for n := range w.unable {
		unable.unable[id(n)] = true
	}
	return &pipeline.Lane{
		Name: "acme/siem", Source: w.log, Transformer: unable, Open: w.openSink,
		Positions: w, DeadLetters: w, QueueBytes: w.queue, MaxRejects: w.maxRejects, BuryOld: w.buryOld,
	}
}

// live runs one lane after the other, each until its power fails, and the last until
// everything is settled. It must be called in a bubble.
func (p plan) live() *world {
	w := &world{
		plan: p, saved: -1,
		log:     &eventLog{total: p.events, every: 10 * time.Millisecond, began: time.Now(), page: p.page},
		settled: map[int]bool{}, letters: map[int]bool{}, alone: map[int]bool{}, aged: map[int]bool{},
	}
	w.log.next = w.failRead
	for _, kill := range append(slices.Clone(p.kills), 0) {
		ctx, cancel := context.WithTimeout(context.Background(), 48*time.Hour) // a lane that hangs fails the test
		w.mu.Lock()
		w.steps, w.killAt, w.dead, w.power = 0, kill, false, cancel
		w.mu.Unlock()
		err := w.lane().Run(ctx)
		cancel()
		w.mu.Lock()
		if err != nil {
			w.blame("Run: %v", err)
		}
		w.mu.Unlock()
	}
	w.judge()
	return w
}

// judge checks the invariants at the end of a world. It takes the mutex, since an
// abandoned Publish may still write.
func (w *world) judge() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.events {
		switch {
		case !w.settled[i]:
			w.blame("event %d was lost", i)
		case w.bad[i] && w.maxRejects > 0: // buried while the lane trusted the sink, or taken after the sink recovered
		case w.aged[i]: // and perhaps taken before, by an attempt with an unclear outcome
		case w.letters[i] != (w.bad[i] || w.unable[i]):
			w.blame("event %d: in dead letters %t, bad %t, unable %t", i, w.letters[i], w.bad[i], w.unable[i])
		}
	}
	newest := -1
	seen := map[int]bool{}
	for _, n := range w.taken {
		if seen[n] || w.alone[n] || w.bad[n] {
			continue
		}
		seen[n] = true
		if n < newest {
			w.blame("event %d was delivered after %d", n, newest)
		}
		newest = max(newest, n)
	}
}

func at[T any](script []T, i int) (value T) {
	if i < len(script) {
		value = script[i]
	}
	return value
}

func index(id string) int {
	var n int
	if _, err := fmt.Sscanf(id, "e%d", &n); err != nil {
		panic(err)
	}
	return n
}
