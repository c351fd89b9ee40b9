package verify

import (
	"slices"

	"github.com/sluice-siem/sluice/pkg/evidence"
)

// location is where a leaf stands in a log, by a note.
type location struct {
	tag    evidence.Tag
	s      *segment
	index  uint64
	letter bool // it became a dead letter, and the tag is that of a shortened record
}

func (p *location) sequence() uint64 { return p.s.From + p.index }

// locate finds where the leaves of items stand in all logs.
func (j *judgement) locate(items []item) {
	wanted := make([]evidence.Tag, 0, 2*len(items))
	for i := range items {
		wanted = append(wanted, items[i].tag(), items[i].whole, items[i].short)
		for leaf, short := range j.leavesOf(&items[i]) {
			wanted = append(wanted, evidence.TagOf(leaf), short)
		}
	}
	slices.SortFunc(wanted, compareTags)
	wanted = slices.Compact(wanted)
	find := func(at location) {
		if _, is := slices.BinarySearchFunc(wanted, at.tag, compareTags); is {
			j.found = append(j.found, at)
		}
	}
	for _, l := range j.logs {
		for _, s := range l.covering {
			for i, tag := range s.Tags {
				find(location{tag: tag, s: s, index: uint64(i)})
			}
			for _, d := range s.Rejected {
				find(location{tag: d.Tag, s: s, index: d.Sequence - s.From, letter: true})
			}
		}
	}
	slices.SortStableFunc(j.found, func(a, b location) int { return compareTags(a.tag, b.tag) })
	for i := range items {
		j.choose(&items[i])
	}
}

// choose settles which of several readings of an item is the right one: the one that a note
// has.
func (j *judgement) choose(it *item) {
	for leaf, short := range j.leavesOf(it) {
		it.leaf, it.short = leaf, short
		if len(j.of(it)) > 0 {
			return
		}
	}
}

func compareTags(a, b evidence.Tag) int { return slices.Compare(a[:], b[:]) }

// of returns where the leaf of an item stands in the logs that can be its own.
func (j *judgement) of(it *item) []location {
	places := j.tagged(it, it.tag(), false)
	if it.short == it.tag() {
		return places
	}
	return append(places, j.tagged(it, it.short, true)...)
}

// ofAnyForm is like of. The record may have become a dead letter and been delivered from
// there before its event was delivered again, so it may state more or less of it.
func (j *judgement) ofAnyForm(it *item) []location {
	return append(append(j.of(it), j.tagged(it, it.short, false)...), j.tagged(it, it.whole, false)...)
}

// tagged returns where a tag of an item stands: as that of a dead letter, or any.
func (j *judgement) tagged(it *item, tag evidence.Tag, letters bool) (places []location) {
	i, _ := slices.BinarySearchFunc(j.found, tag, func(l location, t evidence.Tag) int { return compareTags(l.tag, t) })
	for ; i < len(j.found) && j.found[i].tag == tag; i++ {
		if p := j.found[i]; (!letters || p.letter) && j.mayBeOf(p.s.log, it) {
			places = append(places, p)
		}
	}
	return places
}

// mayBeOf reports whether an item can be of a log: it names no lane, or the log's.
func (c *Checker) mayBeOf(l *log, it *item) bool {
	lane := c.names.texts[it.lane]
	return lane == "" || l.lanes[lane]
}

// named returns the notes that have the leaf of an item under its number.
func (c *Checker) named(it *item) (notes []*segment) {
	tag := it.tag()
	for _, l := range c.logs {
		if s := l.at(it.sequence); s != nil && s.Tags[it.sequence-s.From] == tag && c.mayBeOf(l, it) {
			notes = append(notes, s)
		}
	}
	return notes
}
