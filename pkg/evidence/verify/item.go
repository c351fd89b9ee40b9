package verify

import (
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/evidence"
)

// item is a claim that no note explains yet, in little memory.
type item struct {
	leaf          evidence.Leaf
	whole         evidence.Tag // of the leaf if the record were a whole one, and the next
	short         evidence.Tag // of the leaf if the record were a shortened one; a note states it of dead letters
	sequence      uint64
	epoch         uint64 // 0: the record has no number
	time          int64  // Unix milliseconds
	line          int64
	name          uint32 // of the place, and the next the lane's, both by their number
	lane          uint32
	id            string
	contradiction string
	replayed      bool
	readings      []evidence.Facts // all, if there are several
}

func (it *item) numbered() bool { return it.epoch > 0 }

func (it *item) tag() evidence.Tag { return evidence.TagOf(it.leaf) }

// item returns a claim as an item. It shares its texts with the claim until it is kept.
func (c *Checker) item(claim *Claim, leaf evidence.Leaf) item {
	it := item{
		leaf: leaf, sequence: claim.Number.Sequence, epoch: claim.Number.Epoch, time: claim.Facts.Time.UnixMilli(),
		line: claim.Place.Line, name: c.names.number(claim.Place.Name), lane: c.names.number(claim.Lane),
		id: claim.Facts.ID, contradiction: claim.Contradiction, replayed: claim.Replayed,
	}
	if claim.Others != nil {
		it.readings = append([]evidence.Facts{claim.Facts}, claim.Others...)
	}
	return it
}

// kept returns the item of a claim with texts of its own.
func (it *item) kept(claim *Claim) item {
	kept := *it
	switch claim.Facts.Form {
	case evidence.Whole:
		kept.whole, kept.short = it.tag(), tagAs(evidence.Shortened, claim.Facts)
	case evidence.Shortened:
		kept.whole, kept.short = tagAs(evidence.Whole, claim.Facts), it.tag()
	default:
		kept.whole, kept.short = tagAs(evidence.Whole, claim.Facts), tagAs(evidence.Shortened, claim.Facts)
	}
	kept.id, kept.contradiction = strings.Clone(it.id), strings.Clone(it.contradiction)
	kept.readings = slices.Clone(it.readings)
	for i := range kept.readings {
		f := &kept.readings[i]
		for _, text := range []*string{&f.ID, &f.Action, &f.Actor, &f.Address, &f.Object, &f.Container, &f.Organization} {
			*text = strings.Clone(*text)
		}
	}
	return kept
}

func tagAs(form evidence.Form, f evidence.Facts) evidence.Tag {
	f.Form = form
	return evidence.TagOf(f.Leaf())
}

// leavesOf returns the leaves of all readings of an item, each with its tag as a dead
// letter. One without an organization may be of that of any log.
func (c *Checker) leavesOf(it *item) iter.Seq2[evidence.Leaf, evidence.Tag] {
	return func(yield func(evidence.Leaf, evidence.Tag) bool) {
		for _, f := range it.readings {
			if f.Organization != "" {
				if !yield(f.Leaf(), tagAs(evidence.Shortened, f)) {
					return
				}
				continue
			}
			for f.Organization = range c.organizations {
				if !yield(f.Leaf(), tagAs(evidence.Shortened, f)) {
					return
				}
			}
		}
	}
}

// names numbers texts that many items share.
type names struct {
	texts   []string
	numbers map[string]uint32
	last    uint32 // most claims have the name of the one before
}

func (n *names) number(text string) uint32 {
	if len(n.texts) > 0 && n.texts[n.last] == text {
		return n.last
	}
	number, known := n.numbers[text]
	if !known {
		if n.numbers == nil {
			n.numbers = map[string]uint32{}
		}
		text = strings.Clone(text)
		number = uint32(len(n.texts))
		n.texts, n.numbers[text] = append(n.texts, text), number
	}
	n.last = number
	return number
}

func (c *Checker) place(it *item) Place { return Place{c.names.texts[it.name], it.line} }

// moment returns a time of an item.
func moment(milliseconds int64) time.Time { return time.UnixMilli(milliseconds).UTC() }
