package verify

import (
	"cmp"
	"slices"
)

// judgement is one pass over what no note has explained.
type judgement struct {
	*Checker
	r     *Report
	found []location // of the tags of all items, in their order
}

// judge says what each record is that is not at its place.
func (c *Checker) judge(r *Report) {
	j := &judgement{Checker: c, r: r}
	items := slices.Concat(c.pending, c.repeated)
	c.pending, c.repeated = nil, nil
	slices.SortFunc(items, func(a, b item) int {
		return cmp.Or(cmp.Compare(c.names.texts[a.name], c.names.texts[b.name]), cmp.Compare(a.line, b.line))
	})
	j.locate(items)
	items = j.standing(items)
	for _, pass := range []func(*item) bool{j.again, j.redriven, j.unnumbered, j.contradictory} {
		items = remaining(items, pass)
	}
	// What has its leaf somewhere takes its place before any other record could.
	for v := left; v <= hopeless; v++ {
		items = remaining(items, func(it *item) bool { return j.suits(it, v) })
	}
}

// remaining returns the items that a pass has not judged.
func remaining(items []item, judged func(*item) bool) []item {
	left := items[:0]
	for i := range items {
		if !judged(&items[i]) {
			left = append(left, items[i])
		}
	}
	return left
}

// finding returns a finding about an item.
func (j *judgement) finding(kind Kind, it *item, l *log, detail string) Finding {
	f := Finding{Kind: kind, Place: j.place(it), ID: it.id, Time: moment(it.time), Epoch: it.epoch, Detail: detail}
	if it.numbered() {
		sequence := it.sequence
		f.Sequence = &sequence
	}
	if l != nil {
		f.Log = l.origin
	}
	return f
}

func (j *judgement) duplicate(it *item, l *log) {
	j.r.Counts.Duplicates++
	j.r.list(j.finding(Duplicate, it, l, ""))
}

// standing judges records that stand where a note has their leaf. Those of the right epoch
// go first, and then those of an earlier one that had the same number. A record that became
// a dead letter is expected least.
func (j *judgement) standing(items []item) []item {
	for _, letters := range []bool{false, true} {
		items = remaining(items, func(it *item) bool {
			return j.stands(it, func(s *segment, index uint64) bool { return s.epoch == it.epoch && s.rejected(index) == letters })
		})
		items = remaining(items, func(it *item) bool {
			return j.stands(it, func(s *segment, index uint64) bool { return s.log.abandoned(it) && s.rejected(index) == letters })
		})
	}
	return items
}

func (j *judgement) stands(it *item, right func(*segment, uint64) bool) bool {
	if it.contradiction != "" || !it.numbered() {
		return false
	}
	for _, s := range j.named(it) {
		if index := it.sequence - s.From; !s.has(index) && right(s, index) {
			s.take(index, it, false)
			return true
		}
	}
	return false
}

// again judges a record that is there more than once.
func (j *judgement) again(it *item) bool {
	if it.contradiction != "" || !it.numbered() {
		return false
	}
	for _, s := range j.named(it) {
		if s.epoch == it.epoch || s.log.abandoned(it) {
			j.duplicate(it, s.log)
			return true
		}
	}
	return false
}

// redriven judges a record that became a dead letter and was delivered later, under its
// number. It may state more or less of its event than it would have done before.
func (j *judgement) redriven(it *item) bool {
	if !it.numbered() || it.contradiction != "" {
		return false
	}
	for _, p := range j.tagged(it, it.short, true) {
		switch {
		case p.sequence() != it.sequence:
			continue
		case p.s.has(p.index):
			j.duplicate(it, p.s.log)
		default:
			p.s.take(p.index, it, true)
		}
		return true
	}
	return false
}

// unnumbered judges a record without a number. Its leaf may be that of one that is missing:
// then its destination or its export has lost the number.
func (j *judgement) unnumbered(it *item) bool {
	if it.numbered() {
		return false
	}
	places := j.of(it)
	vacant := func(letter bool) int {
		return slices.IndexFunc(places, func(p location) bool { return !p.s.has(p.index) && p.s.rejected(p.index) == letter })
	}
	i := vacant(false)
	if i < 0 {
		i = vacant(true)
	}
	switch {
	case i >= 0 && it.contradiction == "" && !it.replayed:
		places[i].s.take(places[i].index, it, places[i].letter)
		j.r.Counts.ByContent++
	case it.contradiction != "":
		j.r.tell(j.finding(Altered, it, nil, it.contradiction))
	case it.replayed && len(places) > 0:
		j.r.Counts.Replayed++
		j.spare(it, places[0].s.log)
	case it.replayed:
		j.r.note(j.finding(Unproven, it, nil, "it was sent again by a person, and no note names it"))
	case len(places) > 0:
		j.duplicate(it, places[0].s.log)
	case j.before(it):
		j.r.Counts.Before++
	case j.after(it):
		j.r.Counts.Unsealed++
	default:
		j.r.tell(j.finding(Forged, it, nil, "it has no number, and no note names it"))
	}
	return true
}

// before reports whether an event is older than all notes of each log: it may have been
// delivered before there were any.
func (j *judgement) before(it *item) bool {
	for _, l := range j.logs {
		if it.time >= l.first().Time.UnixMilli() {
			return false
		}
	}
	return true
}

// after reports whether an event is younger than what the newest note of some lane says is
// complete, or stands behind that note: the next one may name it. An event that the source
// lists late is older, and stands behind.
func (j *judgement) after(it *item) bool {
	newest := map[string]*segment{}
	for _, l := range j.logs {
		last := l.last()
		if known := newest[last.Lane]; known == nil || last.Time.After(known.Time) {
			newest[last.Lane] = last
		}
	}
	at := j.place(it)
	for _, last := range newest {
		through := last.Through
		if through.IsZero() {
			through = last.Time
		}
		if moment(it.time).After(through) || at.Name == last.place.Name && at.Line > last.place.Line {
			return true
		}
	}
	return false
}

// contradictory judges a record that denies itself, while its leaf is that of its number.
func (j *judgement) contradictory(it *item) bool {
	if it.contradiction == "" {
		return false
	}
	named := j.named(it)
	if len(named) == 0 {
		return false
	}
	s, index := named[0], it.sequence-named[0].From
	kind := Altered
	if s.occupied(index) {
		kind = Forged
	}
	s.occupy(index)
	j.r.tell(j.finding(kind, it, s.log, it.contradiction))
	return true
}
