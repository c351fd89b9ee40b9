package verify_test

import (
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// shipment is what a destination got of a lane, in the order in which it came.
type shipment struct {
	lane   *lane
	origin string
	event  source.Event // with its number, or with a note
	short  bool         // values were shortened
	note   *evidence.Note
}

// history is what some lanes of one source did.
type history struct {
	*rand.Rand
	now     time.Time
	keys    []*evidence.Key
	lanes   []*lane
	shipped []shipment
	leaves  map[evidence.Tag]evidence.Leaf
	format  transform.Transformer // nil: records are only described
}

// keys are those with which all histories are signed: keys take long to make.
var keys = sync.OnceValue(func() (keys []*evidence.Key) {
	for range 4 {
		private, _, err := evidence.NewKey("acme")
		if err != nil {
			panic(err)
		}
		k, err := evidence.ParseKey(private)
		if err != nil {
			panic(err)
		}
		keys = append(keys, k)
	}
	return keys
})

// lane is a lane with evidence, as its contract describes it. What is saved survives a
// crash, and nothing else.
type lane struct {
	*history
	name     string
	source   []string // raw events in the order of the log
	saved    evidence.State
	position int // saved with it
	state    evidence.State
	next     int
	key      int // that signs, and the one that signed first
	firstKey int
	settings int
	shuffled []int // how the next events are listed after a crash
}

const organization = "acme"

// onTheirWay is how many records a lane of these histories has at most between its last note
// and what it publishes.
const onTheirWay = 70

// newHistory makes up a history. size is about how many records each lane delivers.
func newHistory(seed uint64, size int) *history { return newHistoryIn(nil, seed, size) }

// newHistoryIn is newHistory for the records of a format, which may have to shorten values.
func newHistoryIn(format transform.Transformer, seed uint64, size int) *history {
	h := &history{format: format, leaves: map[evidence.Tag]evidence.Leaf{}, Rand: rand.New(rand.NewPCG(seed, 16)), now: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), keys: keys()}
	var log []string
	for i := range size {
		log = append(log, h.raw(i))
	}
	for i := range 1 + h.IntN(3)*h.IntN(2) {
		l := &lane{history: h, name: fmt.Sprintf("acme/siem%d", i), source: log, key: h.IntN(len(h.keys) - 1)}
		l.firstKey = l.key
		l.begin()
		h.lanes = append(h.lanes, l)
	}
	for working := true; working; {
		working = false
		for _, l := range h.lanes {
			if l.next < len(l.source) {
				l.work()
				working = true
			}
		}
	}
	for _, l := range h.lanes {
		l.seal(evidence.Seal)
		l.save()
		l.tell()
	}
	return h
}

// filtered reports whether the settings leave an event out.
func (l *lane) filtered(i int) bool {
	return (int(crc32.ChecksumIEEE([]byte(l.source[i])))+l.settings/2)%7 == 0 && l.settings%4 < 2
}

// chance is true once in n times.
func (h *history) chance(n int) bool { return h.IntN(n) == 0 }

func (l *lane) begin() {
	l.saved = evidence.New(organization, l.name)
	l.open("the log begins")
}

// open is what a lane does when it is taken.
func (l *lane) open(reason string) {
	pos, state, err := evidence.Split(must(l.saved.Join([]byte(fmt.Sprint(l.position)))))
	if err != nil || string(pos) != fmt.Sprint(l.position) {
		panic(err)
	}
	l.state, l.next = state.Clone(), l.position
	l.state.Epoch++
	signers := []note.Signer{l.keys[l.key]}
	key := ""
	if l.state.Key != l.keys[l.key].Public {
		key = l.keys[l.key].Public
		for _, k := range l.keys {
			if k.Public == l.state.Key {
				signers = append(signers, k)
			}
		}
	}
	l.state.Key = l.keys[l.key].Public
	l.write(evidence.Open, func(n *evidence.Note) { n.Reason, n.Key = reason, key }, signers...)
	if l.chance(10) { // A crash before it is saved.
		l.open(reason)
		return
	}
	l.save()
	if l.chance(10) {
		l.open("started")
		return
	}
	l.tell()
	l.shuffled = nil
	for i := l.next; i < len(l.source); i++ {
		l.shuffled = append(l.shuffled, i)
	}
	if n := min(20, len(l.shuffled)); l.chance(2) { // The log is listed in another order.
		l.Shuffle(n, func(i, j int) { l.shuffled[i], l.shuffled[j] = l.shuffled[j], l.shuffled[i] })
		l.source = slices.Clone(l.source)
		for i, from := range slices.Clone(l.shuffled[:n]) {
			l.shuffled[i] = from
		}
		moved := make([]string, n)
		for i := range n {
			moved[i] = l.source[l.shuffled[i]]
		}
		copy(l.source[l.next:], moved)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (l *lane) save() { l.saved, l.position = l.state.Clone(), l.next }

func (l *lane) write(kind evidence.Kind, complete func(*evidence.Note), signers ...note.Signer) {
	if err := l.state.Write(kind, l.now, func(n *evidence.Note) {
		n.Lane, n.Settings = l.name, fmt.Sprint("settings", l.settings)
		complete(n)
	}, signers...); err != nil {
		panic(err)
	}
}

func (l *lane) seal(kind evidence.Kind) {
	l.write(kind, func(n *evidence.Note) {
		if kind == evidence.Statement {
			n.Day = &evidence.Day{From: l.now.Add(-24 * time.Hour)}
		}
	}, l.keys[l.key])
}

// tell delivers the notes in the saved position. What is told twice is the same.
func (l *lane) tell() {
	for _, signed := range l.state.Pending {
		text, _, _ := strings.Cut(signed, "\n\n")
		n := must(evidence.ParseText(text + "\n"))
		e := must(evidence.NewEvent(planetscale.Type().Product.Keys, organization, n, signed))
		l.ship(shipment{event: e, note: n})
	}
	if l.chance(5) {
		return // A crash before the next position forgets them: they are told again.
	}
	l.state.Pending = nil
}

func (l *lane) ship(s shipment) {
	s.lane, s.origin = l, l.state.Origin
	l.shipped = append(l.shipped, s)
	if l.chance(40) { // The answer was lost, so it is sent again.
		l.shipped = append(l.shipped, s)
	}
}

// work settles some events, or something else happens.
func (l *lane) work() {
	l.now = l.now.Add(time.Duration(1+l.IntN(100)) * time.Second)
	if l.chance(12) {
		l.now = l.now.Add(time.Duration(l.IntN(5)) * time.Hour)
	}
	events := min(1+l.IntN(20), len(l.source)-l.next)
	state := l.state.Clone()
	for i := l.next; i < l.next+events; i++ {
		l.settle(&state, i)
		if l.chance(60) {
			l.fail()
			return
		}
	}
	if l.chance(8) {
		l.fail() // after all were published, before that is saved
		return
	}
	l.state, l.next = state, l.next+events
	if n := len(state.Tags); n > 40 || l.now.Sub(state.Last) > 4*time.Minute {
		l.seal([]evidence.Kind{evidence.Seal, evidence.Seal, evidence.Statement}[l.IntN(3)])
	}
	l.save()
	if l.chance(15) {
		l.fail()
		return
	}
	l.tell()
	if l.chance(25) {
		l.replay()
	}
}

// settle delivers an event, rejects it, or leaves it out.
func (l *lane) settle(state *evidence.State, i int) {
	if l.filtered(i) {
		state.Filtered++
		return
	}
	e := l.event(i)
	e.Number = source.Number{Epoch: state.Epoch, Sequence: state.Tree.Size}
	short := l.shortens(&e, e.Hash[0]%11 == 5)
	facts := evidence.FactsOf(&e, short)
	if l.chance(30) {
		letter := facts
		letter.Form = evidence.Shortened
		state.Rejected = append(state.Rejected, evidence.Rejected{Sequence: e.Number.Sequence, Tag: evidence.TagOf(letter.Leaf()), ID: e.ID})
		if l.chance(3) { // Somebody redrives it at once; its form may be another then.
			l.ship(shipment{event: e, short: l.shortens(&e, e.Hash[0]%11 != 5)})
		}
	} else {
		l.ship(shipment{event: e, short: short})
	}
	leaf := facts.Leaf()
	l.leaves[evidence.TagOf(leaf)] = leaf
	state.Append(leaf)
}

// shortens reports whether the record of an event does not state it whole. Without a format
// that is a matter of luck.
func (h *history) shortens(e *source.Event, luck bool) bool {
	if h.format == nil {
		return e.Problem == "" && luck
	}
	return must(h.format.Transform(nil, e)).Truncated
}

// replay sends some events again, as a person does.
func (l *lane) replay() {
	for range 3 {
		e := l.event(l.IntN(len(l.source)))
		e.Replayed = true
		l.ship(shipment{event: e})
	}
}

// fail ends a run of the lane, and begins another one.
func (l *lane) fail() {
	reason := "started"
	switch l.IntN(14) {
	case 0:
		l.key = (l.key + 1) % (len(l.keys) - 1)
	case 1:
		l.settings++
		reason = "started with other settings"
	case 2: // A person sets the position.
		l.position = max(0, l.position-l.IntN(30))
		reason = "position set by ada@example.com"
	case 3:
		l.position = min(len(l.source), l.position+l.IntN(10))
		reason = "position set by ada@example.com"
	case 4:
		if l.chance(3) {
			l.now = l.now.Add(time.Minute)
			l.begin()
			return
		}
	}
	l.open(reason)
}
