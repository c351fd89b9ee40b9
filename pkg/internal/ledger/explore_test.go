package ledger

import (
	"errors"
	"flag"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// bounds limit how often each kind of thing may happen in a run.
type bounds [kinds]uint8

const (
	switches = iota // away from an instance that could have continued
	crashes
	losses   // requests or answers that are lost or late, and waits that time out
	expiries // transactions that nobody waits for, and transactional ids
	sets     // a person sets the position
	moves    // the group gives the lane to another instance; 0: there is no group
	kinds
	free = -1
)

// within reports whether no bound of b is above that of other.
func (b bounds) within(other bounds) bool {
	for kind := range kinds {
		if b[kind] > other[kind] {
			return false
		}
	}
	return true
}

// world is a run: two instances of the shared lane, one instance of another lane, and a
// person. One of them acts at a time.
type world struct {
	left      bounds
	model     *model
	group     *group
	instances []*instance
	current   int
	arrived   bool // the current one has done nothing since the run switched to it
}

// batches is the number of batches in the log of the shared lane. The log of the other
// lane has one.
const batches = 2

const (
	first = iota
	second
	neighbour
	person
)

func newWorld(b bounds, f flaw) *world {
	w := &world{left: b, model: &model{flaw: f}}
	if b[moves] > 0 {
		w.group = &group{owner: "first"}
	}
	w.instances = []*instance{
		first:     {name: "first", lane: shared, goal: batches, work: deliver, group: w.group},
		second:    {name: "second", lane: shared, goal: batches, work: deliver, group: w.group},
		neighbour: {name: "neighbour", lane: other, goal: 1, work: deliver},
		person:    {name: "person", lane: shared, work: set},
	}
	for _, i := range w.instances {
		i.model = w.model
		i.start()
	}
	return w
}

func (w *world) stop() {
	for _, i := range w.instances {
		i.stop()
	}
}

// option is one way to continue a run.
type option struct {
	act  act
	who  int // an instance, or a lane
	fate fate
	cost int // the bound that it counts against
}

type act int

const (
	goOn act = iota
	switchTo
	crash
	mark
	arrive
	expire
	forget
	move
)

func (w *world) words(o option) string {
	switch o.act {
	case goOn:
		i := w.instances[o.who]
		return fmt.Sprintf("%s %s%s", i.name, i.step, o.fate)
	case switchTo:
		return "  to " + w.instances[o.who].name
	case crash:
		return w.instances[o.who].name + " crashes, and is started"
	case mark:
		return "Kafka writes the markers of " + laneNames[o.who]
	case arrive:
		return "the delayed request arrives"
	case expire:
		return "the transaction of " + laneNames[o.who] + " times out"
	case forget:
		return "Kafka forgets the transactional id of " + laneNames[o.who]
	}
	return "the group moves the lane"
}

func (w *world) do(o option) {
	if o.cost != free {
		w.left[o.cost]--
	}
	w.arrived = o.act == switchTo
	switch o.act {
	case goOn:
		w.instances[o.who].goOn(o.fate)
	case switchTo:
		w.current = o.who
	case crash:
		w.instances[o.who].stop()
		w.instances[o.who].start()
	case mark:
		w.model.mark(o.who)
	case arrive:
		w.model.arrive()
	case expire:
		w.model.expire(o.who)
	case forget:
		w.model.forget(o.who)
	case move:
		w.group.owner = map[string]string{"first": "second", "second": "first"}[w.group.owner]
	}
}

// options returns the ways to continue the run; none means that the run is over. After a
// switch to an instance, only that instance may act: everything else could have happened
// before the switch.
func (w *world) options() []option {
	i := w.instances[w.current]
	others := w.others()
	all := w.steps(i, len(others) > 0)
	if w.arrived || i.step.alone() && !i.fresh && !i.done {
		return all
	}
	// Leaving an instance that waits, or that was just started, does not count as a
	// switch.
	leave := free
	if i.able() && i.step != pausing && !i.fresh {
		leave = switches
	}
	for _, who := range others {
		all = append(all, option{act: switchTo, who: who, cost: leave})
	}
	if p := w.instances[person]; p.fresh && w.current != person {
		all = append(all, option{act: switchTo, who: person, cost: sets})
	}
	if leave == switches && w.current != person {
		all = append(all, option{act: crash, who: w.current, cost: crashes})
	}
	return w.affordable(append(all, w.surroundings(!i.able() && len(others) == 0)...))
}

// others returns the instances that can act, except the current one. The person is one of
// them once the person has begun.
func (w *world) others() []int {
	var all []int
	for who, i := range w.instances {
		if who != w.current && i.able() && (who != person || !i.fresh) {
			all = append(all, who)
		}
	}
	return all
}

// steps returns the possible outcomes of an instance's step.
func (w *world) steps(i *instance, others bool) []option {
	var all []option
	step := option{act: goOn, who: w.current, cost: free}
	switch {
	case i.able():
		if i.step == pausing && others && !w.arrived {
			step.cost = switches // Others may do much during the pause of a minute.
		}
		all = append(all, step)
		for _, f := range i.fates() {
			if f == requestLate && w.model.due() {
				continue
			}
			all = append(all, option{act: goOn, who: w.current, fate: f, cost: losses})
		}
	case !i.done && i.step == waiting && i.lane == shared:
		all = append(all, option{act: goOn, who: w.current, fate: impatient, cost: losses})
	}
	return w.affordable(all)
}

// surroundings returns what happens outside the instances. If no instance can act,
// transactions time out.
func (w *world) surroundings(stuck bool) []option {
	var all []option
	for lane := range lanes {
		if w.model.unmarked(lane) {
			all = append(all, option{act: mark, who: lane, cost: free})
		}
		if w.model.open(lane) {
			o := option{act: expire, who: lane, cost: expiries}
			if stuck {
				o.cost = free
			}
			all = append(all, o)
		}
	}
	if w.model.idle(shared) {
		all = append(all, option{act: forget, who: shared, cost: expiries})
	}
	if w.model.due() {
		all = append(all, option{act: arrive, cost: free})
	}
	if w.group != nil {
		all = append(all, option{act: move, cost: moves})
	}
	return all
}

func (w *world) affordable(all []option) []option {
	return slices.DeleteFunc(all, func(o option) bool { return o.cost != free && w.left[o.cost] == 0 })
}

// check returns what is wrong with the state.
func (w *world) check() error {
	for _, i := range w.instances {
		if i.fault != nil {
			return i.fault
		}
	}
	for lane := range lanes {
		if err := w.model.consistent(lane); err != nil {
			return err
		}
	}
	return nil
}

// over returns what is wrong with a run in which nothing more can happen.
func (w *world) over() error {
	for who, i := range w.instances {
		if !i.finished() && (who != person || !i.fresh) {
			return fmt.Errorf("%s is stuck: it %s", i.name, i.step)
		}
		if got := w.model.reached(i.lane); who != person && got != i.goal {
			return fmt.Errorf("%s is left at position %d of %d", i.name, got, i.goal)
		}
	}
	return nil
}

// digest is a hash of everything that decides the future of the run, except the bounds.
func (w *world) digest(seed maphash.Seed) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	sum(&h, w.current, truth(w.arrived))
	if w.group != nil {
		sum(&h, truth(w.group.owner == "first"))
	}
	w.model.digest(&h)
	for _, i := range w.instances {
		i.digest(&h)
	}
	return h.Sum64()
}

func (i *instance) digest(h *maphash.Hash) {
	m, l := i.model, i.ledger
	sum(h, int(i.call), int(i.after), i.reads, int(i.step), truth(i.fresh), truth(i.done), i.at, i.saw,
		m.depth(i.upTo), m.depth(i.early.upTo), len(i.early.value),
		m.rank(i.lane, l.knownCommit), m.rank(i.lane, l.triedCommit), truth(l.read), truth(l.producer != nil),
		truth(i.epoch == m.ids[i.lane].epoch), truth(i.epoch == m.ids[i.lane].epoch-1), truth(i.epoch < m.ids[i.lane].born))
	if i.step == watermark || i.step == waiting || i.step == reading {
		sum(h, i.fence)
	}
}

// explorer tries all runs, depth first. It replays a run from its beginning up to the
// point where it differs from the run before. It ends a run in a state that another run
// has reached with as much left of the bounds.
type explorer struct {
	bounds  bounds
	flaw    flaw
	seed    maphash.Seed
	seen    map[uint64][]bounds
	path    []fork
	states  int
	runs    int // runs that were started
	whole   int // runs that were not cut short
	longest int
}

// fork is a state from which several ways lead on.
type fork struct {
	state uint64
	left  bounds
	ways  []option
}

func (x *explorer) explore() error {
	x.seed, x.seen = maphash.MakeSeed(), make(map[uint64][]bounds)
	for {
		x.runs++
		if err := x.run(); err != nil {
			return fmt.Errorf("%w\n%s", err, x.story())
		}
		for len(x.path) > 0 && len(x.path[len(x.path)-1].ways) == 1 {
			x.path = x.path[:len(x.path)-1]
		}
		if len(x.path) == 0 {
			return nil
		}
		last := &x.path[len(x.path)-1]
		last.ways = last.ways[1:]
	}
}

// tooLong is a number of steps that no run within the bounds can reach.
const tooLong = 1000

func (x *explorer) run() error {
	w := newWorld(x.bounds, x.flaw)
	defer w.stop()
	for _, f := range x.path {
		w.do(f.ways[0])
	}
	for len(x.path) < tooLong {
		if err := w.check(); err != nil {
			return err
		}
		options := w.options()
		if len(options) == 0 {
			x.whole, x.longest = x.whole+1, max(x.longest, len(x.path))
			return w.over()
		}
		here := fork{state: w.digest(x.seed), left: w.left, ways: options}
		if x.known(here) {
			return x.circle(here)
		}
		x.path = append(x.path, here)
		w.do(options[0])
	}
	return errors.New("it goes on for ever")
}

// known reports whether the state was explored before, and stores it if not.
func (x *explorer) known(f fork) bool {
	for _, b := range x.seen[f.state] {
		if f.left.within(b) {
			return true
		}
	}
	x.seen[f.state] = append(x.seen[f.state], f.left)
	x.states++
	return false
}

var errCircle = errors.New("it goes round in circles")

// circle is the error of a run that is back in a state without any failure in between: it
// could repeat that for ever.
func (x *explorer) circle(f fork) error {
	for _, before := range x.path {
		if before.state == f.state && before.left == f.left {
			return errCircle
		}
	}
	return nil
}

// story describes the run for people.
func (x *explorer) story() string {
	w := newWorld(x.bounds, x.flaw)
	defer w.stop()
	var told strings.Builder
	for _, f := range x.path {
		fmt.Fprintln(&told, w.words(f.ways[0]))
		w.do(f.ways[0])
	}
	return told.String()
}

var deep = flag.Bool("deep", false, "explore runs with one more switch between instances, for some minutes")

// TestCommittedPositionIsCommittedRecords explores all runs within bounds. After every
// step, four things must hold. The committed records are those of the committed
// positions. Whoever takes a lane finds the position that was the newest then, or a newer
// one. What a ledger reports as committed is committed. Every run ends with the whole log
// committed.
func TestCommittedPositionIsCommittedRecords(t *testing.T) {
	for name, b := range map[string]bounds{
		"switches at any step":               {switches: 3},
		"a crash":                            {switches: 2, crashes: 1},
		"crashes":                            {switches: 1, crashes: 2},
		"requests and answers that are lost": {switches: 1, losses: 2},
		"a crash and a loss":                 {switches: 1, crashes: 1, losses: 1},
		"a loss and an expiry":               {switches: 1, losses: 1, expiries: 1},
		"expiries":                           {switches: 1, expiries: 2},
		"a crash and an expiry":              {switches: 1, crashes: 1, expiries: 1},
		"a group moves the lane, and expiry": {switches: 1, expiries: 1, moves: 2},
		"a person sets the position":         {switches: 1, sets: 1},
		"a group moves the lane":             {switches: 1, crashes: 1, moves: 2},
		"a group moves the lane, and a loss": {switches: 1, losses: 1, moves: 2},
	} {
		if testing.Short() {
			b[switches]--
		}
		if *deep {
			b[switches]++
		}
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			x := explorer{bounds: b}
			synctest.Test(t, func(t *testing.T) {
				if err := x.explore(); err != nil {
					t.Error(err)
				}
			})
			t.Logf("%d states, %d runs, %d of them to their end, the longest of %d steps, in %s",
				x.states, x.runs, x.whole, x.longest, time.Since(began).Round(time.Millisecond))
		})
	}
}

func TestExplorationFindsFlaws(t *testing.T) {
	for name, f := range map[string]flaw{
		"the position is read before fencing":            readsBeforeFencing,
		"it is read only to the last stable offset":      readsToStable,
		"open transactions are not waited for":           waitsForNobody,
		"a producer is not fenced":                       fencesNobody,
		"the position is committed before the records":   positionBefore,
		"the position is committed behind the records":   positionAfter,
		"a transaction is committed without some record": commitsDespiteFailure,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := explorer{bounds: bounds{switches: 2, crashes: 1, losses: 1}, flaw: f}
				if err := x.explore(); err == nil || errors.Is(err, errCircle) {
					t.Errorf("got %v in %d states, want what is committed to be wrong", err, x.states)
				}
			})
		})
	}
}
