package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// outcome is what a vault does with one PublishAt.
type outcome int

const (
	commits       outcome = iota // all, unless records are bad; then it names these
	unclearLost                  // nothing is committed, but the lane does not learn that
	unclearDone                  // all is committed, but the lane does not learn that
	hangsLost                    // returns when the sink is closed; nothing is committed
	hangsDone                    // like hangsLost, but everything is committed
	busy                         // asks for one named record again
	namesNothing                 // a BatchError that is empty
	namesOneTwice                // a BatchError that names a record twice
	namesNobody                  // a BatchError out of range
	setBack                      // somebody sets the position to half of what it was
	setOn                        // somebody sets the position a little ahead
	outcomesInTotal
)

// epoch is one life of a lane. Its sink keeps the position, or hands it back.
type epoch struct {
	exact  bool
	events int // number of events in the log when its lane may stop
	kill   int // number of steps after which its power fails; 0: never
}

// vault is everything that outlives the lanes of these epochs. At each moment one
// position is valid: everything before it was delivered, and nothing after it.
type vault struct {
	*world
	outcomes []outcome
	fate     int
	epoch    epoch

	holds   int    // the valid position; -1 before there is one
	kept    int    // position in the sink; -1: none
	state   int    // position in the state; -1: none
	times   []int  // how often each event was delivered or buried since the valid position was last before it
	unknown string // arguments of a PublishAt with an unclear outcome
	same    bool   // the answer to the last PublishAt tells nothing, so the next one must have the same arguments
	done    bool   // the PublishAt with the unclear outcome was committed
	holder  *keeper
	carried int // how often the position moved between sink and state
}

func newVault(p plan, outcomes []outcome) *vault {
	w := &world{
		plan: p, log: &eventLog{total: p.events, every: 10 * time.Millisecond, began: time.Now(), page: p.page},
		settled: map[int]bool{}, letters: map[int]bool{}, alone: map[int]bool{}, aged: map[int]bool{},
	}
	w.log.next = w.failRead
	return &vault{world: w, outcomes: outcomes, holds: -1, kept: -1, state: -1, times: make([]int, p.events)}
}

// live runs a lane for each epoch. It must be called in a bubble.
func (v *vault) live(epochs []epoch) {
	for _, e := range epochs {
		ctx, cancel := context.WithTimeout(context.Background(), 48*time.Hour) // a lane that hangs fails the test
		v.mu.Lock()
		v.steps, v.killAt, v.dead, v.power, v.epoch = 0, e.kill, false, cancel, e
		v.log.total = e.events
		for i := max(v.holds, 0); i < len(v.times); i++ {
			v.times[i] = 0 // With at least once, events that were not saved may come again.
		}
		v.mu.Unlock()
		lane := v.lane()
		lane.Positions, lane.DeadLetters, lane.Open = v, v, v.open
		v.ended(lane.Run(ctx), ctx.Err())
		cancel()
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.holds != v.events {
		v.blame("the last position is %d of %d", v.holds, v.events)
	}
}

// ended checks the end of an epoch's lane. An abandoned PublishAt may run when the power
// fails, so this reads nothing without the mutex.
func (v *vault) ended(err, why error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil {
		v.blame("Run: %v", err)
	}
	if !v.dead && v.holds != v.epoch.events {
		v.blame("the lane of %+v ended at %d: %v", v.epoch, v.holds, why)
	}
	if !v.dead && v.epoch.exact && v.state >= 0 {
		v.blame("the state has position %d of a lane whose sink keeps it", v.state)
	}
}

func (v *vault) open(context.Context) (sink.Sink, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.step() {
		return nil, errPower
	}
	k := &keeper{vault: v, closed: make(chan struct{})}
	if v.epoch.exact {
		return k, nil
	}
	return former{k}.sink(), nil
}

// move makes to the valid position. Each event before it must have been delivered once.
// If the sink keeps the position, no event after it may have been delivered.
func (v *vault) move(to int) {
	if to < v.holds {
		v.blame("position went back from %d to %d", v.holds, to)
	}
	v.holds = to
	for i, n := range v.times {
		if want := i < to; want && n != 1 || !want && n != 0 && v.epoch.exact {
			v.blame("event %d was delivered %d times at position %d", i, n, to)
		}
	}
	if to == v.epoch.events {
		v.power() // Everything is delivered, so the lane may stop.
	}
}

// set moves the position, as somebody else does.
func (v *vault) set(to int) {
	v.kept, v.holds = to, to
	for i := range v.times {
		v.times[i] = 0
		if i < to {
			v.times[i] = 1
		}
	}
}

func (v *vault) deliver(all []sink.Record, rejects []sink.Reject) {
	for _, r := range all {
		n := index(r.ID)
		v.times[n]++
		if v.refuses(n) || v.unable[n] {
			v.blame("event %d was delivered, which the destination refuses", n)
		}
	}
	for _, r := range rejects {
		n := index(r.Record.ID)
		v.times[n]++
		if !v.bad[n] && !v.unable[n] && !v.old(n) {
			v.blame("event %d was buried though nothing is wrong with it: %s", n, r.Reason)
		}
		if want := string(v.log.event(n).Raw); string(r.Raw) != want {
			v.blame("event %d was buried with raw %s", n, r.Raw)
		}
	}
}

func (v *vault) Load(context.Context, string) (source.Position, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.state < 0 {
		return nil, nil
	}
	return position(v.state), nil
}

func (v *vault) Save(_ context.Context, _ string, pos source.Position) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.epoch.exact {
		v.blame("the state was given position %s, which the sink keeps", pos)
	}
	if !v.step() {
		return errPower
	}
	v.state = number(pos)
	v.move(v.state)
	if !v.step() {
		return errPower
	}
	return nil
}

func (v *vault) Holds(context.Context, string) (bool, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.step() {
		return false, errPower
	}
	return v.state >= 0, nil
}

// Forget is that of a state in the sink's own cluster: the sink must take the lane again.
func (v *vault) Forget(context.Context, string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.step() {
		return errPower
	}
	if v.kept != v.holds {
		v.blame("the state forgot position %d while the sink had %d", v.state, v.kept)
	}
	v.state, v.holder = -1, nil
	if !v.step() {
		return errPower
	}
	return nil
}

func (v *vault) Put(context.Context, string, []sink.Reject) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.blame("dead letters of a sink that keeps them were put elsewhere")
	return nil
}

func number(pos []byte) (n int) {
	if _, err := fmt.Sscan(string(pos), &n); err != nil {
		panic(err)
	}
	return n
}

// keeper is an opened vault, as a sink that keeps the position.
type keeper struct {
	*vault
	closed chan struct{}
}

func (k *keeper) Limits() sink.Limits { return k.limits }
func (k *keeper) Close() error        { close(k.closed); return nil }

func (k *keeper) Publish(context.Context, []sink.Record) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.blame("Publish was asked of a sink that keeps the position")
	return errors.New("publish with a position")
}

func (k *keeper) Look(context.Context) ([]byte, time.Time, error) { panic("a lane looks at nothing") }
func (k *keeper) Set(context.Context, func([]byte) ([]byte, error)) error {
	panic("a lane sets nothing")
}
func (k *keeper) Rejects(context.Context) iter.Seq2[sink.Reject, error] {
	panic("a lane reads no dead letters")
}

func (k *keeper) Position(context.Context) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.step() {
		return nil, errPower
	}
	k.holder, k.unknown, k.same = k, "", false
	if !k.step() {
		return nil, errPower
	}
	if k.kept < 0 {
		return nil, nil
	}
	return position(k.kept), nil
}

func (k *keeper) PublishAt(ctx context.Context, batch []sink.Record, rejects []sink.Reject, pos []byte) error {
	k.mu.Lock()
	if !k.step() {
		k.mu.Unlock()
		return errPower
	}
	how := at(k.outcomes, k.fate)
	k.fate++
	err := k.treat(how, batch, rejects, pos)
	alive := k.step()
	k.mu.Unlock()
	if how == hangsLost || how == hangsDone {
		<-k.closed
		return errors.New("closed")
	}
	if !alive {
		return errPower
	}
	return err
}

func (k *keeper) treat(how outcome, batch []sink.Record, rejects []sink.Reject, pos []byte) error {
	if k.holder != k {
		k.blame("PublishAt without having asked for the position")
		return sink.ErrMoved
	}
	k.checkPages(batch)
	if !k.same {
		k.checkAges(batch)
	}
	k.same = how == namesOneTwice || how == namesNothing || how == namesNobody || how == unclearLost || how == hangsLost || how == unclearDone || how == hangsDone
	arguments := fmt.Sprint(names(batch), len(rejects), string(pos))
	if k.unknown != "" && k.unknown != arguments {
		k.blame("after an unclear outcome of %s came %s", k.unknown, arguments)
	}
	again := k.unknown != ""
	if again && k.done {
		k.unknown = ""
		return nil
	}
	k.unknown = ""
	var bad sink.BatchError
	for i, r := range batch {
		if k.refuses(index(r.ID)) {
			bad = append(bad, sink.RecordError{Index: i, Err: sink.Permanent(errors.New("malformed"))})
		}
	}
	switch {
	case len(batch) > 0 && how == busy:
		return sink.BatchError{{Index: 0, Err: errors.New("busy")}}
	case len(batch) > 0 && how == namesOneTwice:
		twice := sink.RecordError{Index: 0, Err: sink.Permanent(errors.New("twice"))}
		return sink.BatchError{twice, twice}
	case how == namesNothing:
		return sink.BatchError{}
	case how == namesNobody:
		return sink.BatchError{{Index: len(batch), Err: sink.Permanent(errors.New("beyond"))}}
	case (how == setBack || how == setOn) && k.holds >= 0:
		to := k.holds / 2
		if how == setOn {
			to = min(k.holds+3, k.epoch.events-1, k.log.visible())
		}
		k.set(to)
		k.holder = nil
		return fmt.Errorf("committing: %w", sink.ErrMoved)
	case how == unclearLost, how == hangsLost:
		k.unknown, k.done = arguments, false
		return errors.New("connection reset")
	case len(bad) > 0:
		return fmt.Errorf("partly: %w", bad[:1+len(bad)/2])
	}
	k.commit(batch, rejects, pos)
	if how == unclearDone || how == hangsDone {
		k.unknown, k.done = arguments, true
		return errors.New("connection reset")
	}
	return nil
}

// checkPages requires a batch within the limits, unless it is a single page.
func (k *keeper) checkPages(batch []sink.Record) {
	bodies := 0
	for _, r := range batch {
		bodies += len(r.Body)
		if n := index(r.ID); string(r.Body) != string(k.log.event(n).Raw) {
			k.blame("event %d was published as %s", n, r.Body)
		}
	}
	if n := len(batch); n > k.page && (n > k.limits.Records || bodies > k.limits.Bytes) {
		k.blame("a PublishAt of %d records and %d bytes", n, bodies)
	}
}

func (k *keeper) commit(batch []sink.Record, rejects []sink.Reject, pos []byte) {
	k.deliver(batch, rejects)
	if k.kept < 0 && k.state >= 0 {
		k.carried++
	}
	k.kept = number(pos)
	k.move(k.kept)
}

// former is an opened vault, as a sink that hands back a position.
type former struct{ *keeper }

// Publish takes records from the valid position on. The lane may publish again what it
// did not save.
func (f former) Publish(_ context.Context, batch []sink.Record) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.step() {
		return errPower
	}
	f.check(batch)
	if first := index(batch[0].ID); first != f.holds {
		f.blame("published from %d on at position %d", first, f.holds)
	}
	for _, r := range batch {
		f.times[index(r.ID)] = 1
	}
	if !f.step() {
		return errPower
	}
	return nil
}

// sink returns what a lane may see of it: none of a keeper's methods.
func (f former) sink() sink.Sink {
	return struct {
		sink.Limiter
		publisher
	}{f.keeper, f}
}

type publisher interface {
	sink.Releaser
	Publish(context.Context, []sink.Record) error
	Close() error
}

func (f former) Release(_ context.Context, keep func(pos []byte) error) error {
	f.mu.Lock()
	kept := f.kept
	alive := f.step()
	f.mu.Unlock()
	if !alive {
		return errPower
	}
	if kept < 0 {
		return nil
	}
	if err := keep(position(kept)); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.step() {
		return errPower
	}
	f.kept = -1
	f.carried++
	if !f.step() {
		return errPower
	}
	return nil
}
