package pipeline_test

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// history is what happens to a lane with evidence. It is drawn in advance, from a seed.
type history struct {
	seed         uint64
	events, page int
	listed       []time.Duration // when each event is listed, since the history began
	large        map[int]bool    // events of which the source makes no record
	unable       map[int]bool    // those that the format cannot encode
	truncated    map[int]bool    // those whose record is shortened
	bad          map[int]bool    // those that the sink refuses
	badNotes     int             // the sink refuses about one note in so many; 0: none
	limits       sink.Limits
	queue        int64
	lives        []*life
	midnight     time.Duration // when a day of UTC ends, since the history began
	began        time.Time
}

// life is one run of a lane.
type life struct {
	exact    bool          // the sink keeps the position
	lasts    time.Duration // until the lane is told to stop
	kill     int           // number of steps after which its power fails; 0: never
	before   deed          // what a person does before
	to       []bool        // where a person sets the position, before or meanwhile
	sets     map[int]bool  // by commit: a person sets the position before it
	off      bool          // the lane has no evidence
	key      int           // that signs
	former   bool          // the former keys are there, too
	filters  map[int]bool
	redacts  map[int]bool
	redrive  int // one dead letter in so many is sent again before; 0: none
	answers  []answer
	outcomes []outcome
	saves    []int // by call: 0 works, 1 fails before, 2 fails after the effect
	puts     []int

	rival *life         // runs meanwhile, and takes the lane
	after time.Duration // when it begins
}

// deed is what a person does.
type deed int

const (
	nothing deed = iota
	setsPosition
	losesPosition
)

// drawn returns the history of a seed.
func drawn(seed uint64) *history {
	r := rand.New(rand.NewPCG(seed, 16))
	h := &history{seed: seed, events: 1 + r.IntN(60), page: 1 + r.IntN(12)}
	if r.IntN(40) == 0 { // enough for several full notes
		h.events, h.page = 600+r.IntN(1000), 100+r.IntN(500)
	}
	some := func(one int) map[int]bool {
		set := map[int]bool{}
		if r.IntN(2) > 0 {
			return set
		}
		for i := range h.events {
			set[i] = r.IntN(one) == 0
		}
		return set
	}
	h.large, h.unable, h.bad, h.truncated = some(20), some(10), some(10), some(5)
	if r.IntN(4) == 0 {
		h.badNotes = 1 + r.IntN(6)
	}
	h.limits = sink.Limits{Records: 1 + r.IntN(30), Bytes: 1 + r.IntN(6000), RecordBytes: []int{0, 0, 1000, 4000}[r.IntN(4)]}
	if h.events > 60 {
		h.limits = sink.Limits{}
	}
	h.queue = 1 + r.Int64N(20000)
	for range h.events {
		h.listed = append(h.listed, time.Duration(r.IntN(1200))*time.Second)
	}
	kinds := r.IntN(3) // ordinary, exact, both
	for n := 1 + r.IntN(5); n >= 0; n-- {
		l := h.life(r, some)
		l.exact = kinds == 1 || kinds == 2 && r.IntN(2) == 0
		if r.IntN(6) == 0 && n > 0 {
			l.rival, l.after = h.life(r, some), time.Duration(r.IntN(300))*time.Second
			l.rival.exact, l.rival.before, l.rival.off = l.exact, nothing, l.off
			l.rival.filters, l.rival.redacts, l.rival.key, l.rival.former = l.filters, l.redacts, l.key, l.former
		}
		h.lives = append(h.lives, l)
	}
	h.midnight = time.Duration(r.IntN(4*3600)) * time.Second
	h.age(r)
	return h
}

func (h *history) life(r *rand.Rand, some func(int) map[int]bool) *life {
	l := &life{lasts: time.Duration(1+r.IntN(1200)) * time.Second, former: r.IntN(2) == 0}
	if r.IntN(3) > 0 {
		l.kill = 1 + r.IntN(60)
	}
	l.before = []deed{nothing, nothing, nothing, nothing, setsPosition, losesPosition}[r.IntN(6)]
	for range h.events {
		l.to = append(l.to, r.IntN(2) == 0)
	}
	l.sets = map[int]bool{}
	if r.IntN(5) == 0 {
		l.sets[r.IntN(6)] = true
	}
	l.off = r.IntN(15) == 0
	l.filters = some(6)
	if r.IntN(3) == 0 {
		l.redacts = some(2)
	}
	l.redrive = r.IntN(3)
	draw := func(most int) []int {
		var all []int
		for range r.IntN(12) {
			all = append(all, r.IntN(most))
		}
		return all
	}
	for _, a := range draw(int(answersInTotal)) {
		l.answers = append(l.answers, answer(a))
	}
	for _, o := range draw(int(outcomesInTotal)) {
		l.outcomes = append(l.outcomes, outcome(o))
	}
	l.saves, l.puts = draw(4), draw(4)
	return l
}

// age lets the key change now and then, settings more seldom, and has the last life end
// well.
func (h *history) age(r *rand.Rand) {
	for i, l := range h.lives {
		if i > 0 {
			before := h.lives[i-1]
			if l.key = before.key; r.IntN(4) == 0 {
				l.key++
			}
			if r.IntN(3) > 0 {
				l.filters, l.redacts = before.filters, before.redacts
			}
		}
		if l.rival != nil {
			l.rival.key, l.rival.filters, l.rival.redacts = l.key, l.filters, l.redacts
		}
	}
	last := h.lives[len(h.lives)-1]
	last.kill, last.off, last.rival, last.lasts = 0, false, nil, 35*time.Minute
	last.answers, last.outcomes, last.saves, last.puts, last.sets = nil, nil, nil, nil, nil
}

// keys are what lanes sign with, made once.
var keys = func() (all []*evidence.Key) {
	for i := range 8 {
		private, _, err := evidence.NewKey(fmt.Sprint("acme-", i))
		if err != nil {
			panic(err)
		}
		key, err := evidence.ParseKey(private)
		if err != nil {
			panic(err)
		}
		all = append(all, key)
	}
	return all
}()

// writer returns who signs in a life.
func (l *life) writer() *evidence.Writer {
	if l.off {
		return nil
	}
	w := &evidence.Writer{Key: keys[l.key], Organization: "acme", Settings: fmt.Sprint(l.filters, l.redacts)}
	if l.former {
		w.Former = keys[:l.key]
	}
	return w
}
