package verify

import (
	"slices"

	"github.com/sluice-siem/sluice/pkg/evidence"
)

// once are the records that are not under their number, while the same event is there under
// another one of the lane. Destinations that store an event once, under its id, keep what
// was delivered first: an orphan, or the record before a person set the position back.
type once map[laneTag]bool // whether the event is there

// laneTag is a record of a lane, whatever its number.
type laneTag struct {
	lane string
	tag  evidence.Tag
}

// spare notes that an event is there under no number of a note. Of whose lane it is must be
// sure: an event of another lane says nothing.
func (j *judgement) spare(it *item, l *log) {
	sure := j.names.texts[it.lane] != ""
	if !sure {
		sure = !slices.ContainsFunc(j.logs, func(other *log) bool { return other.last().Lane != l.last().Lane })
	}
	if sure && it.contradiction == "" {
		j.spares = append(j.spares, laneTag{l.last().Lane, it.tag()})
	}
}

// findOnce looks for the events of records that are not there.
func (c *Checker) findOnce() once {
	lacking := once{}
	c.eachTag(func(s *segment, index uint64, key laneTag) {
		if !s.occupied(index) && !s.rejected(index) {
			lacking[key] = false
		}
	})
	if len(lacking) == 0 {
		return nil
	}
	c.eachTag(func(s *segment, index uint64, key laneTag) {
		if _, wanted := lacking[key]; wanted && s.has(index) {
			lacking[key] = true
		}
	})
	for _, key := range c.spares {
		if _, wanted := lacking[key]; wanted {
			lacking[key] = true
		}
	}
	return lacking
}

// eachTag calls each for all records that notes cover.
func (c *Checker) eachTag(each func(s *segment, index uint64, key laneTag)) {
	for _, l := range c.logs {
		for _, s := range l.covering {
			for i, tag := range s.Tags {
				each(s, uint64(i), laneTag{l.last().Lane, tag})
			}
		}
	}
}
