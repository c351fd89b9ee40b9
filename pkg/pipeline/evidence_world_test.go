package pipeline_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"
	"time"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// chronicle is what outlives the lanes of a history: the source, the destination, and the
// stores.
type chronicle struct {
	*history
	log *heap

	mu         sync.Mutex
	state      []byte    // position in the state; nil: none
	kept       []byte    // position in the sink; nil: none
	owner      *instance // who may move the position
	got        []received
	letters    []lettered
	set        map[string]bool // origins of logs whose position a person set, or whose settings changed
	violations []string
	tally      map[string]int // what the judge saw
}

// received is a record that the destination has.
type received struct {
	sink.Record
	origin string // of the log of the lane when it was delivered; empty: it had none
	exact  bool
	again  bool // a dead letter that was sent again
}

// lettered is a dead letter.
type lettered struct {
	sink.Reject
	origin  string
	redrove bool
}

// instance is a lane of a chronicle. Once its power has failed it has no effect.
type instance struct {
	*chronicle
	*life
	steps, publishes, commits, saveCalls, putCalls int
	dead                                           bool
	power                                          context.CancelFunc
	unknown                                        string // arguments of a PublishAt with an unclear outcome
	done                                           bool   // that was committed
}

func (c *chronicle) blame(format string, args ...any) {
	c.violations = append(c.violations, fmt.Sprintf(format, args...))
}

// live runs the lanes of the history. It must be called in a bubble.
func (h *history) live() *chronicle {
	<-time.After(24*time.Hour - h.midnight) // A day ends meanwhile, or not.
	h.began = time.Now()
	c := &chronicle{history: h, log: &heap{history: h}, set: map[string]bool{}, tally: map[string]int{}}
	for i, l := range h.lives {
		c.begin(i, l)
		var all sync.WaitGroup
		all.Go(func() { c.run(l) })
		if l.rival != nil {
			<-time.After(l.after)
			all.Go(func() { c.run(l.rival) })
		}
		all.Wait()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.redrive(1)
	return c
}

// begin does what happens before a life. A Publish that the life before abandoned may still
// run.
func (c *chronicle) begin(i int, l *life) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i > 0 && fmt.Sprint(l.filters, l.redacts) != fmt.Sprint(c.lives[i-1].filters, c.lives[i-1].redacts) {
		c.set[c.origin()] = true
	}
	switch l.before {
	case setsPosition:
		c.moveTo(l.to)
	case losesPosition:
		c.state, c.kept = nil, nil
	}
	c.redrive(l.redrive)
}

func (c *chronicle) run(l *life) {
	in := &instance{chronicle: c, life: l}
	ctx, cancel := context.WithTimeout(context.Background(), l.lasts)
	defer cancel()
	in.power = cancel
	lane := &pipeline.Lane{
		Name: "acme/siem", Format: "raw", Source: c.log, Transformer: plainly{history: c.history}, Open: in.open, Prepare: l.prepare,
		Positions: in, DeadLetters: in, QueueBytes: c.queue, Evidence: l.writer(),
	}
	if err := lane.Run(ctx); err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.blame("Run: %v", err)
	}
}

// step returns false once the power has failed. The caller holds the mutex.
func (in *instance) step() bool {
	in.steps++
	if in.steps == in.kill {
		in.dead = true
		in.power()
	}
	return !in.dead
}

// position returns the valid position.
func (c *chronicle) position() []byte {
	if c.kept != nil {
		return c.kept
	}
	return c.state
}

func (c *chronicle) origin() string {
	_, state, err := evidence.Split(c.position())
	if err != nil || state == nil {
		return ""
	}
	return state.Origin
}

// moveTo moves the position as a person does, who keeps the log.
func (c *chronicle) moveTo(seen []bool) {
	_, state, err := evidence.Split(c.position())
	if err != nil || c.position() == nil {
		return
	}
	c.set[c.origin()] = true
	pos := heapPosition(seen)
	if state != nil {
		state.Moved = "ann set the position"
		if pos, err = state.Join(pos); err != nil {
			c.blame("join: %v", err)
		}
	}
	if c.kept != nil {
		c.kept = pos
	} else {
		c.state = pos
	}
	c.owner = nil
}

// take keeps what the destination took.
func (in *instance) take(batch ...sink.Record) {
	origin := in.origin()
	for _, r := range batch {
		if in.refuses(&r) {
			continue
		}
		r.Body = bytes.Clone(r.Body)
		in.got = append(in.got, received{Record: r, origin: origin, exact: in.exact})
	}
}

// refuses reports whether the destination refuses a record for good.
func (c *chronicle) refuses(r *sink.Record) bool {
	if !isNote(r.Action) {
		return c.bad[index(r.ID)]
	}
	sum := fnv.New32()
	sum.Write([]byte(r.ID))
	return c.badNotes > 0 && int(sum.Sum32()>>8)%c.badNotes == 0
}

func (in *instance) bury(rejects []sink.Reject) {
	origin := in.origin()
	for _, r := range rejects {
		r.Raw, r.Record.Body = bytes.Clone(r.Raw), bytes.Clone(r.Record.Body)
		in.letters = append(in.letters, lettered{Reject: r, origin: origin})
	}
}

// redrive sends one dead letter in so many again, as sluice deadletter redrive does.
func (c *chronicle) redrive(one int) {
	for i := range c.letters {
		l := &c.letters[i]
		if one == 0 || i%one > 0 || l.redrove || !isNote(l.Record.Action) && c.large[index(l.Record.ID)] {
			continue
		}
		l.redrove = true
		r := l.Record
		if r.Body == nil {
			e := source.Event{
				ID: r.ID, Time: r.Time, Organization: r.Organization, Action: r.Action, Late: r.Late, Raw: l.Raw,
				Number: source.Number{Epoch: r.Epoch, Sequence: r.Sequence},
			}
			var err error
			if r, err = (plainly{c.history, true}).Transform(nil, &e); err != nil {
				c.blame("redrive: %v", err)
			}
		}
		if !isNote(r.Action) && i%7 == 0 {
			r.Truncated = true // to fit a limit that is smaller by now
		}
		c.got = append(c.got, received{Record: r, origin: l.origin, again: true})
	}
}

func (in *instance) Load(context.Context, string) (source.Position, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.step() {
		return nil, errPower
	}
	in.owner = in
	return in.state, nil
}

func (in *instance) Save(_ context.Context, _ string, pos source.Position) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	fate := at(in.saves, in.saveCalls)
	in.saveCalls++
	if !in.step() {
		return errPower
	}
	if in.sets[in.saveCalls] {
		in.moveTo(in.to)
	}
	switch {
	case in.owner != in:
		return fmt.Errorf("save: %w", sink.ErrMoved)
	case fate == 1:
		return errors.New("disk is read-only")
	case !json.Valid(pos):
		in.blame("position %s is not JSON", pos)
	}
	in.state = bytes.Clone(pos)
	if !in.step() {
		return errPower
	}
	if fate == 2 {
		return errors.New("fsync of the directory failed")
	}
	return nil
}

func (in *instance) Put(_ context.Context, _ string, rejects []sink.Reject) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	fate := at(in.puts, in.putCalls)
	in.putCalls++
	if !in.step() {
		return errPower
	}
	if fate == 1 {
		return errors.New("dead letters are full")
	}
	in.bury(rejects)
	if !in.step() {
		return errPower
	}
	if fate == 2 {
		return errors.New("close failed")
	}
	return nil
}

func (in *instance) Holds(context.Context, string) (bool, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.state != nil, nil
}

func (in *instance) Forget(context.Context, string) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.step() {
		return errPower
	}
	if in.kept == nil {
		in.blame("the state forgot the only position")
	}
	in.state = nil
	if !in.step() {
		return errPower
	}
	return nil
}
