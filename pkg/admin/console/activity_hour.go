package console

import (
	"math/bits"
	"strings"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// hour is what Activity counts in an hour.
type hour struct {
	number  int64
	seen    set
	all     count
	sources map[*followed]*counts
	more    bool  // there were more events than there was room for
	bytes   int64 // that it takes, with what the maps need
	named   int64 // of these, for names
}

// counts is what an hour counts of a source.
type counts struct {
	all   count
	names [kinds]map[string]*count // nil if names of this hour are not counted
}

// count is a number of events and their highest severity.
type count struct {
	events  uint32
	highest uint8
}

func (c *count) plus(other count) {
	c.events += other.events
	c.highest = max(c.highest, other.highest)
}

// kind is what a name names.
type kind int

const (
	anActor kind = iota
	anAction
	anAddress
	kinds
)

// Bytes that an hour takes. Those of an entry of a map are what package maps needs when
// a map has just grown, with its count.
const (
	hourBytes  = 512
	entryBytes = 128
	// sourceBytes is for the names of a source: three maps, each of which begins with room
	// for eight.
	sourceBytes = 1 << 10
	// longestName is the most of a name that is remembered.
	longestName = 256
)

func newHour(number int64) *hour {
	return &hour{number: number, sources: map[*followed]*counts{}, bytes: hourBytes}
}

// needs returns the most bytes that add may take.
func (h *hour) needs() int64 {
	return h.seen.growth() + entryBytes + sourceBytes + 3*(entryBytes+longestName)
}

// add counts an event that the hour has not seen, and returns the bytes that this takes.
func (h *hour) add(f *followed, e *source.Event, key uint64, names bool) int64 {
	before := h.bytes
	h.bytes += h.seen.add(key)
	one := count{1, uint8(f.catalogue.Of(e).Severity)}
	h.all.plus(one)
	n := h.sources[f]
	if n == nil {
		n = &counts{}
		h.sources[f] = n
		h.bytes += entryBytes
		if names {
			h.bytes += sourceBytes
			h.named += sourceBytes
		}
	}
	n.all.plus(one)
	if names {
		h.name(n, anActor, actor(e), one)
		h.name(n, anAction, e.Action, one)
		h.name(n, anAddress, e.RemoteIP, one)
	}
	return h.bytes - before
}

// name counts a name, if it is one.
func (h *hour) name(of *counts, k kind, text string, one count) {
	if text == "" {
		return
	}
	text = transform.Cut(text, longestName)
	n := of.names[k][text]
	if n == nil {
		if of.names[k] == nil {
			of.names[k] = map[string]*count{}
		}
		n = new(count)
		of.names[k][strings.Clone(text)] = n
		bytes := int64(entryBytes + len(text))
		h.bytes += bytes
		h.named += bytes
	}
	n.plus(one)
}

// forgetNames returns the bytes that it gives back.
func (h *hour) forgetNames() int64 {
	for _, n := range h.sources {
		n.names = [kinds]map[string]*count{}
	}
	bytes := h.named
	h.named = 0
	h.bytes -= bytes
	return bytes
}

// of returns the count of a source.
func (h *hour) of(f *followed) count {
	if n := h.sources[f]; n != nil {
		return n.all
	}
	return count{}
}

// set is a set of hashes, none of which is 0. Its size in bytes is known, which that of a
// map is not.
type set struct {
	slots []uint64 // 0: free
	n     int
}

// full reports whether three quarters of the slots are taken.
func (s *set) full() bool { return 4*(s.n+1) > 3*len(s.slots) }

func (s *set) larger() int { return max(16, len(s.slots)+len(s.slots)/2) }

// growth returns the bytes by which the next add makes the set larger.
func (s *set) growth() int64 {
	if !s.full() {
		return 0
	}
	return int64(s.larger()-len(s.slots)) * 8
}

// slot returns where a key is, or would be. The set must not be full.
func (s *set) slot(key uint64) *uint64 {
	at, _ := bits.Mul64(key, uint64(len(s.slots)))
	for {
		slot := &s.slots[at]
		if *slot == key || *slot == 0 {
			return slot
		}
		if at++; at == uint64(len(s.slots)) {
			at = 0
		}
	}
}

func (s *set) has(key uint64) bool { return len(s.slots) > 0 && *s.slot(key) == key }

// add adds a key that the set does not have, and returns the bytes that this takes.
func (s *set) add(key uint64) int64 {
	bytes := s.growth()
	if s.full() {
		old := s.slots
		s.slots = make([]uint64, s.larger())
		for _, k := range old {
			if k != 0 {
				*s.slot(k) = k
			}
		}
	}
	*s.slot(key) = key
	s.n++
	return bytes
}
