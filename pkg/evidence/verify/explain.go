package verify

import (
	"cmp"
	"fmt"
	"slices"
	"sort"

	"github.com/sluice-siem/sluice/pkg/evidence"
)

// view is how an item can be explained that is not where its leaf is. Of several the first
// is believed: what happens without anybody's doing goes first. Only where an export has
// several logs, and the item may be of any, can there be more than one.
type view int

const (
	orphan     view = iota // its number was given to another record
	adrift                 // the note that covers its number is missing
	behind                 // no note covers its number yet
	unsettled              // its number was given to another record, and it has not come again yet
	unsettling             // its number was given to another record, and it never comes again
	left                   // no note covers its number yet, and none says of its epoch that it goes on
	stray                  // its epoch cannot have given its number
	moved                  // its leaf is at another number
	altered                // no note has its leaf, and the place of its number is vacant
	forged                 // no note has its leaf
	hopeless               // no log can be its own
)

// hypothesis is a view of an item, in a log.
type hypothesis struct {
	view  view
	log   *log
	place *location // of its leaf
	right int       // how well the log suits the item
}

// suits judges an item if its best view is this one or one before it.
func (j *judgement) suits(it *item, v view) bool {
	best := hypothesis{view: hopeless}
	candidates := 0
	for _, l := range j.logs {
		if j.mayBeOf(l, it) {
			candidates++
		}
	}
	for _, l := range j.logs {
		if !j.mayBeOf(l, it) {
			continue
		}
		if h := j.suppose(it, l, candidates == 1); h.view < best.view || h.view == best.view && h.right > best.right {
			best = h
		}
	}
	if best.view > v {
		return false
	}
	j.settleFor(it, &best)
	return true
}

// suppose returns the best view of an item as one of a log; only says that it can be of no
// other.
func (j *judgement) suppose(it *item, l *log, only bool) hypothesis {
	h := hypothesis{log: l}
	gone := l.abandoned(it)
	places := j.of(it)
	if gone {
		places = j.ofAnyForm(it)
	}
	for _, p := range places {
		// The tag of a dead letter says too little of a record to tell that it was moved.
		if p.s.log != l || p.letter && !gone {
			continue
		}
		if h.place == nil || p.sequence() == it.sequence || !h.place.s.vacant(h.place.index) {
			h.place = &p
		}
		if h.place.sequence() == it.sequence {
			break
		}
	}
	s := l.at(it.sequence)
	if s != nil && s.epoch == it.epoch || s == nil && l.last().Epoch == it.epoch {
		h.right = 1
	}
	switch {
	case gone && h.place != nil:
		h.view = orphan
	case s == nil && it.sequence >= l.end() && (only || it.sequence < l.end()+j.settled):
		if h.view = behind; it.epoch != l.last().Epoch {
			h.view = left
		}
	case gone && (l.end() < l.ended(it.epoch)+j.settled || l.holed()):
		h.view = unsettled
	case gone && l.turned(it, j.settled):
		h.view = unsettling
	case s == nil && it.sequence < l.end():
		h.view = adrift
	case h.place != nil && h.place.sequence() == it.sequence:
		h.view = stray
	case h.place != nil:
		h.view = moved
	case s == nil || !s.vacant(it.sequence-s.From):
		h.view = forged
	default:
		h.view = altered
	}
	if h.place != nil && h.place.s.vacant(h.place.index) {
		h.right += 2
	}
	return h
}

// settleFor reports an item by its best view.
func (j *judgement) settleFor(it *item, h *hypothesis) {
	l := h.log
	if h.view <= unsettling {
		j.spare(it, l)
	}
	switch h.view {
	case orphan:
		if it.contradiction != "" {
			j.r.tell(j.finding(Altered, it, l, it.contradiction))
			return
		}
		j.r.Counts.Orphaned++
		j.r.list(j.finding(Orphaned, it, l, fmt.Sprintf("delivered as record %d", h.place.sequence())))
	case behind, left:
		l.tail = append(l.tail, *it)
	case unsettled:
		j.r.note(j.finding(Unproven, it, l, "its lane was taken before it was saved, and no later note that is there names it yet"))
	case unsettling:
		j.r.note(j.finding(Unproven, it, l, "its lane was taken before it was saved, with other settings or at another position"))
	case adrift:
		l.adrift = append(l.adrift, *it)
	case stray:
		h.place.s.occupy(h.place.index)
		detail := fmt.Sprintf("its epoch is %d, and record %d was numbered in epoch %d", it.epoch, it.sequence, h.place.s.epoch)
		j.r.tell(j.finding(Altered, it, l, detail))
	case moved:
		h.place.s.occupy(h.place.index)
		f := j.finding(Moved, it, l, it.contradiction)
		right := h.place.sequence()
		f.Right = &right
		j.r.tell(f)
	case altered:
		s := l.at(it.sequence)
		s.occupy(it.sequence - s.From)
		j.r.tell(j.finding(Altered, it, l, it.contradiction))
	case forged:
		j.r.tell(j.finding(Forged, it, l, cmp.Or(it.contradiction, "no note names it")))
	case hopeless:
		j.r.note(j.finding(Unproven, it, nil, "there is no note of its lane"))
	}
}

// holed reports whether notes about records are missing.
func (l *log) holed() bool {
	for i := 1; i < len(l.notes); i++ {
		if l.notes[i].From > l.notes[i-1].Size {
			return true
		}
	}
	return false
}

// abandoned reports whether a record has a number of an epoch that ended before it was
// saved: a later epoch has given the number to another record, or will.
func (l *log) abandoned(it *item) bool {
	return it.epoch < l.epochOf(it.sequence) && l.began(it.epoch) <= it.sequence
}

// epochOf returns the epoch that has given a number for good: that of the note that covers
// it, or behind the end that of the last note.
func (l *log) epochOf(sequence uint64) uint64 {
	if s := l.at(sequence); s != nil {
		return s.epoch
	}
	if sequence >= l.end() {
		return l.last().Epoch
	}
	return 0
}

// began returns the first number that an epoch can have given: it went on where its opening
// note says. Without that note every number is possible.
func (l *log) began(epoch uint64) uint64 {
	if s := l.opening(epoch); s != nil {
		return s.Size
	}
	return 0
}

// ended returns the first number that the epochs after one can have given, as far as it is
// known.
func (l *log) ended(epoch uint64) uint64 {
	i := sort.Search(len(l.notes), func(i int) bool { return l.notes[i].Epoch > epoch })
	switch {
	case i == len(l.notes):
		return l.end()
	case l.notes[i].Kind == evidence.Open:
		return l.notes[i].Size
	}
	return l.notes[i].From
}

// opening returns the note that opened an epoch, nil if it is not there.
func (l *log) opening(epoch uint64) *segment {
	i, found := slices.BinarySearchFunc(l.notes, epoch, func(s *segment, e uint64) int { return cmp.Compare(s.Epoch, e) })
	if !found || l.notes[i].Kind != evidence.Open {
		return nil
	}
	return l.notes[i]
}
