package verify_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/evidence/verify"
	"github.com/sluice-siem/sluice/pkg/source"
)

// export is an export of a history that somebody tampers with.
type export struct {
	*history
	claims []verify.Claim
	gone   map[int]bool
	want   []string // findings, as name does
	used   map[string]bool
	notes  map[string]*evidence.Note // by the records that they cover
}

// name tells a finding apart from others: records by log and number, or by id.
func name(f verify.Finding) []string {
	switch f.Kind {
	case verify.Missing:
		var names []string
		for s := *f.Sequence; s <= *f.Last; s++ {
			names = append(names, fmt.Sprintf("missing %s %d", f.Log, s))
		}
		return names
	case verify.MissingNote:
		var names []string
		for n := *f.Note; n <= *f.LastNote; n++ {
			names = append(names, fmt.Sprintf("missing note %s %d", f.Log, n))
		}
		return names
	case verify.AlteredNote:
		return []string{fmt.Sprintf("altered note %s %d", f.Log, *f.Note)}
	case verify.CutTail:
		return []string{"cut tail " + f.Log}
	}
	return []string{fmt.Sprintf("%s line %d", f.Kind, f.Place.Line)}
}

// victims are the records that can be named: notes cover them, and their event was
// delivered once. A crash, or a person who sets a position, may have it delivered under
// several numbers.
func (e *export) victims() (all []int) {
	copies, places := map[string]int{}, map[evidence.Tag]int{}
	counted := map[*evidence.Note]bool{}
	for i := range e.shipped {
		switch s := &e.shipped[i]; {
		case s.note == nil:
			copies[e.key(i)]++
			copies[e.event(i)]++
		case !counted[e.first(s)]:
			counted[e.first(s)] = true
			for _, tag := range s.note.Tags {
				places[tag]++
			}
		}
	}
	for i := range e.shipped {
		s := &e.shipped[i]
		if s.note != nil || !s.event.Number.Given() || copies[e.key(i)] > 1 || copies[e.event(i)] > 1 || !e.stands(i) || e.used[e.spot(i)] {
			continue
		}
		f := evidence.FactsOf(&s.event, s.short)
		if places[evidence.TagOf(f.Leaf())] <= len(e.lanes) {
			all = append(all, i)
		}
	}
	return all
}

// first returns the first copy of a note.
func (e *export) first(s *shipment) *evidence.Note {
	for i := range e.shipped {
		if o := &e.shipped[i]; o.note != nil && o.origin == s.origin && o.note.Number == s.note.Number {
			return o.note
		}
	}
	return s.note
}

// key is equal for records that could stand for one another.
func (e *export) key(i int) string {
	f := evidence.FactsOf(&e.shipped[i].event, e.shipped[i].short)
	f.Form = evidence.Shortened
	return fmt.Sprint(e.shipped[i].event.Number.Sequence, f.Leaf())
}

// event is equal for records of one lane that hold the same event.
func (e *export) event(i int) string {
	f := evidence.FactsOf(&e.shipped[i].event, e.shipped[i].short)
	f.Form = evidence.Shortened
	return fmt.Sprint(e.shipped[i].lane.name, f.Leaf())
}

func (e *export) spot(i int) string {
	return fmt.Sprint(e.shipped[i].origin, e.shipped[i].event.Number.Sequence)
}

// stands reports whether a note has the record at its number, and that it was no dead letter.
func (e *export) stands(i int) bool {
	s := &e.shipped[i]
	n := e.covering(s.origin, s.event.Number.Sequence)
	f := evidence.FactsOf(&s.event, s.short)
	if n == nil || n.Tags[s.event.Number.Sequence-n.From] != evidence.TagOf(f.Leaf()) {
		return false
	}
	return !slices.ContainsFunc(n.Rejected, func(d evidence.Rejected) bool { return d.Sequence == s.event.Number.Sequence })
}

// covering returns the note that covers a record, nil if none does.
func (e *export) covering(origin string, sequence uint64) *evidence.Note {
	if e.notes == nil {
		e.notes = map[string]*evidence.Note{}
		for i := range e.shipped {
			if n := e.shipped[i].note; n != nil {
				for s := n.From; s < n.Size; s++ {
					e.notes[fmt.Sprint(e.shipped[i].origin, s)] = n
				}
			}
		}
	}
	return e.notes[fmt.Sprint(origin, sequence)]
}

func (e *export) expect(format string, args ...any) {
	e.want = append(e.want, fmt.Sprintf(format, args...))
}

func (e *export) missing(i int) {
	e.expect("missing %s %d", e.shipped[i].origin, e.shipped[i].event.Number.Sequence)
}

// pick takes a record that nothing has happened to.
func (e *export) pick() (int, bool) { return e.pickOf(e.alone) }

func (e *export) pickOf(fit func(int) bool) (int, bool) {
	victims := slices.DeleteFunc(e.victims(), func(i int) bool { return !fit(i) })
	if len(victims) == 0 {
		return 0, false
	}
	i := victims[e.IntN(len(victims))]
	e.used[e.spot(i)] = true
	return i, true
}

// alone reports whether the lane of a record never lost its state. If it did, a record that
// somebody has changed may as well be one that the lane's other log had no note about. It
// is told as such then, and the record that it was as missing.
func (e *export) alone(i int) bool {
	return !slices.ContainsFunc(e.shipped, func(s shipment) bool {
		return s.lane == e.shipped[i].lane && s.origin != e.shipped[i].origin
	})
}

// forgery is a record that no lane has delivered.
func (e *export) forgery(like verify.Claim) verify.Claim {
	like.Facts.ID = fmt.Sprintf("forged%x", e.Uint64())
	like.Place.Line = int64(len(e.claims))
	return like
}

// alterations change what a record says.
var alterations = map[string]func(*verify.Claim) bool{
	"id":           func(c *verify.Claim) bool { c.Facts.ID += "x"; return true },
	"hash":         func(c *verify.Claim) bool { c.Facts.Hash[7] ^= 1; return true },
	"organization": func(c *verify.Claim) bool { c.Facts.Organization = "acme2"; return true },
	"form": func(c *verify.Claim) bool {
		forms := map[evidence.Form]evidence.Form{evidence.Whole: evidence.Shortened, evidence.Shortened: evidence.Undecoded, evidence.Undecoded: evidence.Whole}
		c.Facts.Form = forms[c.Facts.Form]
		return true
	},
	"time":      ifWhole(func(f *evidence.Facts) { f.Time = f.Time.Add(time.Millisecond) }),
	"action":    ifWhole(func(f *evidence.Facts) { f.Action = "nothing.happened" }),
	"actor":     ifWhole(func(f *evidence.Facts) { f.Actor = "nobody" }),
	"address":   ifWhole(func(f *evidence.Facts) { f.Address = "192.0.2.1" }),
	"object":    ifWhole(func(f *evidence.Facts) { f.Object = "x" }),
	"container": ifWhole(func(f *evidence.Facts) { f.Container = "x" }),
	"epoch":     func(c *verify.Claim) bool { c.Number.Epoch += 1000; return true },
	"original": func(c *verify.Claim) bool {
		c.Contradiction = "the hash is not that of the original event"
		return true
	},
}

func ifWhole(change func(*evidence.Facts)) func(*verify.Claim) bool {
	return func(c *verify.Claim) bool {
		if c.Facts.Form == evidence.Whole {
			change(&c.Facts)
		}
		return c.Facts.Form == evidence.Whole
	}
}

// deeds are what may be done to an export.
var deeds = []func(*export){
	func(e *export) { // delete
		if i, ok := e.pickOf(func(int) bool { return true }); ok {
			e.gone[i] = true
			e.missing(i)
		}
	},
	func(e *export) { // alter
		if i, ok := e.pick(); ok {
			for _, field := range e.shuffledAlterations() {
				if alterations[field](&e.claims[i]) {
					e.expect("altered line %d", i)
					return
				}
			}
		}
	},
	func(e *export) { // forge, under the number of another record
		if i, ok := e.pick(); ok {
			f := e.forgery(e.claims[i])
			e.claims = append(e.claims, f)
			e.expect("forged line %d", f.Place.Line)
		}
	},
	func(e *export) { // forge, in the place of another record
		if i, ok := e.pick(); ok {
			f := e.forgery(e.claims[i])
			e.claims = append(e.claims, f)
			e.gone[i] = true
			e.expect("altered line %d", f.Place.Line)
		}
	},
	func(e *export) { // move: two records change places
		a, ok := e.pick()
		b, also := e.pick()
		if !ok || !also || e.shipped[a].origin != e.shipped[b].origin || e.shipped[a].event.ID == e.shipped[b].event.ID {
			if ok {
				delete(e.used, e.spot(a))
			}
			if also {
				delete(e.used, e.spot(b))
			}
			return
		}
		e.claims[a].Number, e.claims[b].Number = e.claims[b].Number, e.claims[a].Number
		e.expect("moved line %d", a)
		e.expect("moved line %d", b)
	},
	func(e *export) { // the number of a record is gone, and with it nothing
		if i, ok := e.pick(); ok {
			e.claims[i].Number = source.Number{}
		}
	},
}

func (e *export) shuffledAlterations() (fields []string) {
	for field := range alterations {
		fields = append(fields, field)
	}
	slices.Sort(fields)
	e.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
	return fields
}

func newExport(seed uint64, size int) *export {
	h := newHistory(seed, size)
	return &export{history: h, claims: h.claims(true), gone: map[int]bool{}, used: map[string]bool{}}
}

// judge compares the findings with what was done.
func (e *export) judge(t *testing.T) {
	t.Helper()
	var left []verify.Claim
	for i, c := range e.claims {
		if !e.gone[i] {
			left = append(left, c)
		}
	}
	if e.chance(2) {
		e.Shuffle(len(left), func(i, j int) { left[i], left[j] = left[j], left[i] })
	}
	var got []string
	r := e.check(t, left)
	for _, f := range r.Findings {
		got = append(got, name(f)...)
	}
	slices.Sort(got)
	got = slices.Compact(got) // A note may be there more than once.
	slices.Sort(e.want)
	if !slices.Equal(got, e.want) {
		for _, f := range append(append(r.Notices, r.Listed...), r.Findings...) {
			t.Log(show(f))
		}
		t.Fatalf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(e.want, "\n"))
	}
}

func TestEachDeedIsNamedAndNothingElse(t *testing.T) {
	for seed := range histories() {
		e := newExport(uint64(seed), sizeOf(seed))
		for range 1 + e.IntN(4) {
			deeds[e.IntN(len(deeds))](e)
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) { e.judge(t) })
	}
}

// show returns a finding in one line.
func show(f verify.Finding) string {
	s := fmt.Sprintf("%s id=%s epoch=%d line=%d %q", f.Kind, f.ID, f.Epoch, f.Place.Line, f.Detail)
	for name, v := range map[string]*uint64{"sequence": f.Sequence, "last": f.Last, "right": f.Right, "note": f.Note, "lastnote": f.LastNote} {
		if v != nil {
			s += fmt.Sprintf(" %s=%d", name, *v)
		}
	}
	return s + " " + f.Log
}
