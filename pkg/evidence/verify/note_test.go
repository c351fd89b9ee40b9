package verify_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/evidence/verify"
	"github.com/sluice-siem/sluice/pkg/source"
)

// anyNote picks a note that another one of its log follows.
func (e *export) anyNote() (origin string, number uint64, ok bool) {
	last := e.lastNotes()
	var all []*shipment
	for i := range e.shipped {
		if s := &e.shipped[i]; s.note != nil && s.note.Number < last[s.origin].Number {
			all = append(all, s)
		}
	}
	if len(all) == 0 {
		return "", 0, false
	}
	s := all[e.IntN(len(all))]
	return s.origin, s.note.Number, true
}

func (e *export) lastNotes() map[string]*evidence.Note {
	last := map[string]*evidence.Note{}
	for i := range e.shipped {
		s := &e.shipped[i]
		if s.note != nil && !e.gone[i] && (last[s.origin] == nil || s.note.Number > last[s.origin].Number) {
			last[s.origin] = s.note
		}
	}
	return last
}

// each calls change for all copies of a note.
func (e *export) each(origin string, number uint64, change func(i int)) {
	for i := range e.shipped {
		if s := &e.shipped[i]; s.note != nil && s.origin == origin && s.note.Number == number {
			change(i)
		}
	}
}

// noteDeeds are what may be done to notes.
var noteDeeds = []func(*testing.T, *export){
	func(_ *testing.T, e *export) { // delete
		if origin, number, ok := e.anyNote(); ok {
			e.each(origin, number, func(i int) { e.gone[i] = true })
			e.expect("missing note %s %d", origin, number)
		}
	},
	func(_ *testing.T, e *export) { // alter: it says another time
		if origin, number, ok := e.anyNote(); ok {
			e.each(origin, number, func(i int) { e.claims[i].Note = strings.Replace(e.claims[i].Note, "\ntime 2026-", "\ntime 2027-", 1) })
			e.expect("altered note %s %d", origin, number)
		}
	},
	func(t *testing.T, e *export) { // forge: it is signed by a key that nobody knows
		origin, number, ok := e.anyNote()
		if !ok {
			return
		}
		private, _, err := evidence.NewKey("acme")
		if err != nil {
			t.Fatal(err)
		}
		stranger, err := evidence.ParseKey(private)
		if err != nil {
			t.Fatal(err)
		}
		e.each(origin, number, func(i int) {
			if len(e.want) > 0 {
				return
			}
			text, _, _ := strings.Cut(e.claims[i].Note, "\n\n")
			signed, err := note.Sign(&note.Note{Text: strings.Replace(text, "filtered ", "filtered 1", 1) + "\n"}, stranger)
			if err != nil {
				t.Fatal(err)
			}
			forged := e.claims[i]
			forged.Note, forged.Place.Line = string(signed), int64(len(e.claims))
			e.claims = append(e.claims, forged)
			e.expect("forged note line %d", forged.Place.Line)
		})
	},
	func(_ *testing.T, e *export) { // cut the end of a log
		l := e.lanes[e.IntN(len(e.lanes))]
		origin := l.saved.Origin
		at := e.IntN(len(e.shipped))
		for i := at; i < len(e.shipped); i++ {
			if e.shipped[i].origin == origin {
				e.gone[i] = true
			}
		}
		last := e.lastNotes()[origin]
		if last == nil { // All of it is gone, and with it every trace.
			clear(e.gone)
		} else if e.now.Sub(last.Time) > 10*time.Minute {
			e.expect("cut tail %s", origin)
		}
	},
}

func TestEachDeedOnANoteIsNamedAndNothingElse(t *testing.T) {
	for seed := range histories() {
		e := newExport(uint64(seed), sizeOf(seed))
		noteDeeds[e.IntN(len(noteDeeds))](t, e)
		t.Run(fmt.Sprint(seed), func(t *testing.T) { e.judge(t) })
	}
}

// A key that a note names is trusted if a trusted key has signed that note.
func TestTheFirstKeyIsEnough(t *testing.T) {
	for seed := range histories() {
		h := newHistory(uint64(seed), 60)
		var known []string
		for _, l := range h.lanes {
			known = append(known, h.keys[l.firstKey].Public)
		}
		c, err := verify.New(known, verify.Options{Until: h.now})
		if err != nil {
			t.Fatal(err)
		}
		claims := h.claims(true)
		h.Shuffle(len(claims), func(i, j int) { claims[i], claims[j] = claims[j], claims[i] })
		c.Add(claims...)
		if r := c.Report(); r.Verdict != verify.Clean {
			t.Fatalf("%d: %s%s", seed, r.Verdict, firstOf(r))
		}
	}
}

// A note that a key signs after another one has taken its place is told.
func TestAReplacedKeySignsNoMore(t *testing.T) {
	h := newHistory(1, 0)
	l := h.lanes[0]
	l.key = 1
	l.open("started")
	l.key = 0
	l.seal(evidence.Seal)
	l.tell()
	l.tell()
	r := h.check(t, h.claims(true))
	if len(r.Findings) != 1 || r.Findings[0].Kind != verify.ForgedNote || !strings.Contains(r.Findings[0].Detail, "replaced") {
		t.Errorf("got %+v", r.Findings)
	}
}

// Whoever has the key can sign what is not so, but not without a contradiction.
func TestContradictionsOfTheSigner(t *testing.T) {
	for name, change := range map[string]func(*lane){
		"another note under the same number": func(l *lane) {
			before := l.state.Clone()
			l.seal(evidence.Seal)
			l.tell()
			l.state = before
			l.now = l.now.Add(time.Minute)
			l.seal(evidence.Statement)
		},
		"a note that forgets records": func(l *lane) {
			forgetful := l.state.Clone()
			l.state.Append(evidence.Leaf{1})
			l.seal(evidence.Seal)
			forgetful.Notes, forgetful.Previous, forgetful.Pending = l.state.Notes, l.state.Previous, l.state.Pending
			l.state = forgetful
			l.seal(evidence.Seal)
		},
		"a note that follows another one": func(l *lane) { l.state.Previous = strings.Repeat("0", 64); l.seal(evidence.Seal) },
		"an edge of other records": func(l *lane) {
			state := l.state.Clone()
			for i := range 3 {
				l.settle(&state, i+1)
			}
			l.state = state
			l.seal(evidence.Seal)
			l.write(evidence.Seal, func(n *evidence.Note) {
				other := evidence.Tree{}
				for i := range n.From {
					other.Append(evidence.Leaf{byte(i)})
				}
				n.Edge = other.Edge()
			}, l.keys[l.key])
		},
		"a root of other records": func(l *lane) {
			state := l.state.Clone()
			for i := range 3 {
				l.settle(&state, i+1)
			}
			l.state = state
			l.write(evidence.Seal, func(n *evidence.Note) { n.Root[0]++ }, l.keys[l.key])
		},
		"an epoch that was never opened": func(l *lane) { l.state.Epoch += 2; l.seal(evidence.Seal) },
	} {
		h := newHistory(1, 0)
		l := h.lanes[0]
		l.source = newHistory(2, 10).lanes[0].source
		change(l)
		l.tell()
		l.tell()
		r := h.check(t, h.claims(true))
		if !slices.ContainsFunc(r.Findings, func(f verify.Finding) bool { return f.Kind == verify.Contradiction }) {
			t.Errorf("%s: got %+v", name, r.Findings)
		}
	}
}

// An export may begin within a log. What came before is not checked, and the reader is told
// so; what is missing after that is told as ever.
func TestAnExportBeginsWithinALog(t *testing.T) {
	tried := 0
	for seed := range uint64(60) {
		e := newExport(seed, 100)
		if len(e.lanes) > 1 || !e.alone(0) {
			continue
		}
		// It begins with a note, or somewhere within the records of one.
		from := len(e.shipped) / 3
		begun := map[uint64]bool{}
		for i := range from {
			e.gone[i] = true
			begun[e.shipped[i].event.Number.Sequence] = true
		}
		first := uint64(1 << 60)
		for i := from; i < len(e.shipped); i++ {
			if n := e.shipped[i].note; n != nil {
				first = min(first, n.From)
			}
		}
		if first == 0 || first == 1<<60 {
			continue
		}
		// What no note of the export covers is of an earlier part.
		for i := from; i < len(e.shipped); i++ {
			if s := &e.shipped[i]; s.note == nil && s.event.Number.Given() && s.event.Number.Sequence < first {
				e.gone[i] = true
			}
		}
		var left []verify.Claim
		for i, c := range e.claims {
			if !e.gone[i] {
				left = append(left, c)
			}
		}
		r := e.check(t, left)
		begins := slices.ContainsFunc(r.Notices, func(f verify.Finding) bool { return f.Kind == verify.Begins })
		if !begins || slices.ContainsFunc(r.Findings, func(f verify.Finding) bool { return f.Kind != verify.Missing || *f.Last >= first+40 }) {
			t.Fatalf("%d: begins %t%s", seed, begins, firstOf(r))
		}
		tried++
	}
	if tried < 5 {
		t.Fatalf("only %d exports were tried", tried)
	}
}

// Records behind the last note are not proven. If there are more than a lane delivers
// without a note, notes are missing; one that stands alone, far behind, is forged.
func TestRecordsBehindTheLastNote(t *testing.T) {
	tried := 0
	for seed := range uint64(40) {
		e := newExport(seed, 300)
		if len(e.lanes) > 1 || !e.alone(0) {
			continue
		}
		last := e.lastNotes()[e.shipped[0].origin]
		forged := e.forgery(e.claims[len(e.claims)-1])
		forged.Note, forged.Number = "", source.Number{Epoch: last.Epoch, Sequence: last.Size + onTheirWay + 1}
		e.claims = append(e.claims, forged)
		e.expect("forged line %d", forged.Place.Line)
		e.judge(t)

		e = newExport(seed, 300)
		for i := range e.shipped {
			if n := e.shipped[i].note; n != nil && n.Number > 0 && n.Size+2*onTheirWay > last.Size {
				e.gone[i] = true
			}
		}
		e.now = e.lastNotes()[e.shipped[0].origin].Time
		e.expect("cut tail %s", e.shipped[0].origin)
		e.judge(t)
		tried++
	}
	if tried < 5 {
		t.Fatalf("only %d exports were tried", tried)
	}
}
