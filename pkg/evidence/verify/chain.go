package verify

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/evidence"
)

// interval is how far apart notes are at most while a lane runs.
const interval = 5 * time.Minute

// patientInterval is the silence that is told.
const patientInterval = 2 * interval

// turned reports whether an item may be a record that was published and not saved, and that
// the epochs after it have not published as it was: other settings filter or redact it, or
// a person has set the position. It would have come again soon after its epoch, though
// perhaps not in the next one.
func (l *log) turned(it *item, settled uint64) bool {
	end := l.ended(it.epoch) + settled
	if it.sequence >= end {
		return false
	}
	before := it.epoch
	for i, s := range l.notes {
		if s.Epoch <= it.epoch {
			continue
		}
		if s.From >= end {
			break
		}
		if s.Epoch > before+1 || s.Epoch > before && s.Kind != evidence.Open {
			return true // The note that would say so is missing.
		}
		before = s.Epoch
		if i > 0 && l.notes[i-1].Settings != s.Settings || strings.HasPrefix(s.Reason, positionSet) {
			return true
		}
	}
	return false
}

// positionSet begins the reason of an opening note if a person has set the lane's position.
const positionSet = "position set"

// chains judges the notes of all logs.
func (c *Checker) chains(r *Report) {
	doubtful := c.doubtful(r)
	for _, l := range c.logs {
		for _, s := range l.rivals {
			r.tell(noteFinding(Contradiction, s, fmt.Sprintf("two different notes with the number %d are signed", s.Number)))
		}
		c.beginning(r, l, doubtful[l])
		for i := 1; i < len(l.notes); i++ {
			c.link(r, l, l.notes[i-1], l.notes[i], doubtful[l])
		}
		c.signers(r, l)
		c.ending(r, l)
	}
	c.generations(r)
}

// doubtful finds what notes that nobody trusted has signed say of themselves: those under
// the number of a note that is missing are that note, altered. It tells all others.
func (c *Checker) doubtful(r *Report) map[*log]map[uint64]bool {
	altered, told := map[*log]map[uint64]bool{}, map[string]bool{}
	for _, u := range c.unsigned {
		if told[u.text] {
			continue
		}
		told[u.text] = true
		text, _, _ := strings.Cut(u.text, "\n\n\u2014 ")
		n, err := evidence.ParseText(text + "\n")
		if err != nil {
			r.tell(Finding{Kind: ForgedNote, Place: u.place, Detail: u.err.Error()})
			continue
		}
		f := Finding{Kind: ForgedNote, Place: u.place, Log: n.Origin, Note: &n.Number, Time: n.Time, Detail: u.err.Error()}
		if l := c.byOrigin[n.Origin]; l != nil && !errors.Is(u.err, errUnknownKey) && !l.hasNote(n.Number) {
			f.Kind = AlteredNote
			if altered[l] == nil {
				altered[l] = map[uint64]bool{}
			}
			altered[l][n.Number] = true
		}
		r.tell(f)
	}
	return altered
}

func (l *log) hasNote(number uint64) bool {
	_, found := slices.BinarySearchFunc(l.notes, number, func(s *segment, n uint64) int { return cmp.Compare(s.Number, n) })
	return found
}

func noteFinding(kind Kind, s *segment, detail string) Finding {
	return Finding{Kind: kind, Place: s.place, Log: s.Origin, Note: &s.Number, Time: s.Time, Detail: detail}
}

// beginning judges what comes before the first note.
func (c *Checker) beginning(r *Report, l *log, altered map[uint64]bool) {
	first := l.first()
	if first.Number == 0 {
		return
	}
	early := slices.ContainsFunc(l.adrift, func(it item) bool { return it.sequence < first.From })
	if early || first.From == 0 {
		c.hole(r, l, 0, first.Number, 0, first.From, altered)
		return
	}
	r.note(Finding{Kind: Begins, Place: first.place, Log: l.origin, Note: &first.Number, Sequence: &first.From, Time: first.Time,
		Detail: "the export begins within the log; what came before is not checked"})
}

// link judges two notes that follow one another in the export.
func (c *Checker) link(r *Report, l *log, p, n *segment, altered map[uint64]bool) {
	wrong := func(format string, args ...any) {
		r.tell(noteFinding(Contradiction, n, fmt.Sprintf("it does not continue note %d: ", p.Number)+fmt.Sprintf(format, args...)))
	}
	next := n.Number == p.Number+1
	switch opens := n.Kind == evidence.Open; {
	case n.From < p.Size:
		wrong("it begins at record %d, and the other ends at %d", n.From, p.Size)
	case next && n.From > p.Size:
		wrong("it begins at record %d, and the other ends at %d", n.From, p.Size)
	case n.From == p.Size && n.before != p.Root:
		wrong("the trees differ")
	case next && n.Previous != p.hash:
		wrong("it names another note as the one before")
	case n.Epoch < p.Epoch, next && !opens && n.Epoch != p.Epoch, next && opens && n.Epoch != p.Epoch+1:
		wrong("epoch %d follows epoch %d", n.Epoch, p.Epoch)
	}
	if !next {
		c.hole(r, l, p.Number+1, n.Number, p.Size, n.From, altered)
		return
	}
	if gap := n.Time.Sub(p.Time); gap > patientInterval {
		f := noteFinding(Silence, n, "no note says anything about this time; no record is missing")
		f.Before, f.Time = p.Time, n.Time
		r.note(f)
	}
}

// hole tells that notes are missing. Those of them that are there and altered are told
// already.
func (c *Checker) hole(r *Report, l *log, from, to, begin, end uint64, altered map[uint64]bool) {
	there := map[uint64]bool{}
	for i := range l.adrift {
		if s := l.adrift[i].sequence; s >= begin && s < end {
			there[s] = true
		}
	}
	for n := from; n < to; n++ {
		if altered[n] {
			continue
		}
		last := n
		for last+1 < to && !altered[last+1] {
			last++
		}
		f := Finding{Kind: MissingNote, Log: l.origin, Note: &n, LastNote: &last}
		if end > begin {
			f.Detail = fmt.Sprintf("it covered records from %d to %d, of which %d are there; nothing says whether these are whole", begin, end-1, len(there))
		}
		r.tell(f)
		n = last
	}
	r.Counts.Unproven += int64(len(there))
}

// signers tells notes that a key signed after another one had taken its place.
func (c *Checker) signers(r *Report, l *log) {
	var key string
	for i, s := range l.notes {
		if i > 0 && l.notes[i-1].Number+1 != s.Number {
			key = "" // A note in between may have named another one.
		}
		if s.Kind == evidence.Open {
			f := noteFinding(Opening, s, s.Reason)
			f.Epoch, f.Sequence, f.Key = s.Epoch, &s.Size, s.Key
			r.note(f)
		}
		if s.Key != "" {
			key = s.Key
			s.by = c.keys.open(s.signed).by // The new key was not known when it was read.
		}
		if key != "" && !s.signedBy(key) {
			r.tell(noteFinding(ForgedNote, s, "a key has signed it that was replaced before"))
		}
	}
}

// signedBy reports whether a note has a signature of a verifier key, name+hash+base64.
func (s *segment) signedBy(key string) bool {
	for _, sig := range s.by {
		if strings.HasPrefix(key, fmt.Sprintf("%s+%08x+", sig.Name, sig.Hash)) {
			return true
		}
	}
	return false
}

// ending judges what comes after the last note.
func (c *Checker) ending(r *Report, l *log) {
	last := l.last()
	if len(l.tail) > 0 {
		c.unsealed(r, l)
	}
	if until := c.options.Until; !until.IsZero() && until.Sub(last.Time) > patientInterval && !c.superseded(l) {
		f := noteFinding(CutTail, last, "the log does not go on after this note: records and notes after it are missing, or the lane did not run")
		f.Before, f.Time = last.Time, until
		r.tell(f)
	}
}

// unsealed judges the records behind the last note. More than a lane delivers without a note
// say that notes are missing, unless the lane lost its state, and with it notes. A single
// one that is farther off than any can be is none of the lane's.
func (c *Checker) unsealed(r *Report, l *log) {
	last := l.last()
	j := &judgement{Checker: c, r: r}
	there := map[uint64]bool{}
	for i := range l.tail {
		there[l.tail[i].sequence] = true
	}
	cut := uint64(len(there)) >= c.settled && !c.superseded(l)
	first, final := last.Size, last.Size
	for i := range l.tail {
		it := &l.tail[i]
		if !cut && it.sequence >= last.Size+c.settled {
			delete(there, it.sequence)
			r.tell(j.finding(Forged, it, l, "its number is far behind all that notes cover"))
			continue
		}
		final = max(final, it.sequence)
	}
	if len(there) == 0 {
		return
	}
	f := noteFinding(Unsealed, last, fmt.Sprintf("%s follow the last note, and no note says whether they are whole", number(int64(len(there)), "record")))
	f.Sequence, f.Last = &first, &final
	r.Counts.Unsealed += int64(len(there))
	if !cut {
		r.note(f)
		return
	}
	f.Kind = CutTail
	f.Detail = fmt.Sprintf("%s follow the last note, more than a lane delivers without one: the notes after it are missing", number(int64(len(there)), "record"))
	r.tell(f)
}

// generation is the part of an origin that all logs of a lane share.
func (l *log) generation() string { return path.Dir(l.origin) }

// superseded reports whether the lane has a newer log.
func (c *Checker) superseded(l *log) bool {
	return slices.ContainsFunc(c.logs, func(o *log) bool {
		return o != l && o.generation() == l.generation() && o.first().Time.After(l.first().Time)
	})
}

// generations tells lanes that began another log.
func (c *Checker) generations(r *Report) {
	for i, l := range c.logs {
		if i == 0 || c.logs[i-1].generation() != l.generation() {
			continue
		}
		p := c.logs[i-1].last()
		f := noteFinding(NewLog, l.first(), fmt.Sprintf("the lane had lost its state: nothing says what it delivered after note %d of the log before", p.Number))
		f.Before = p.Time
		r.note(f)
	}
}
