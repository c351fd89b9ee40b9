package verify

import (
	"cmp"
	"slices"
	"sort"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sluice-siem/sluice/pkg/evidence"
)

// log is what an export has of a lane's log: its notes, and which records are there.
type log struct {
	origin   string
	lanes    map[string]bool // as its notes call its lane, which may be renamed
	notes    []*segment      // by number
	covering []*segment      // those that cover records, by the first of them
	rivals   []*segment      // notes that a trusted key has signed under the number of another one
	latest   *segment        // where the last record was found: the next is probably there, too
	tail     []item          // records behind the last note
	adrift   []item          // records whose note is missing
}

// segment is a note, and what is there of the records that it covers.
type segment struct {
	*evidence.Note
	log     *log
	hash    string    // of its text
	before  tlog.Hash // root of the tree that ends before its records
	by      []note.Signature
	signed  string // the whole note, if it names a key
	place   Place
	epoch   uint64 // in which its records were made: an opening note covers what the epoch before it left
	here    []uint64
	taken   []uint64 // records that are there, but altered or moved
	dead    []uint64 // records that became dead letters
	good    int
	leaves  []evidence.Leaf // of the records that are there, until all are
	times   []int64         // of these records
	ends    [2]int64        // times of the first and the last, once all are there
	letters bool            // some of them are known by the tag of a dead letter only
	broken  bool            // all are there, and the root is not theirs
}

// add adds a note. again is true if it is there already.
func (l *log) add(s *segment) (again bool) {
	i, found := slices.BinarySearchFunc(l.notes, s.Number, func(a *segment, n uint64) int { return cmp.Compare(a.Number, n) })
	if found {
		if l.notes[i].hash == s.hash {
			return true
		}
		same := func(r *segment) bool { return r.hash == s.hash }
		if slices.ContainsFunc(l.rivals, same) {
			return true
		}
		l.rivals = append(l.rivals, s)
		return false
	}
	l.notes = slices.Insert(l.notes, i, s)
	l.lanes[s.Lane] = true
	if len(s.Tags) > 0 {
		words := (len(s.Tags) + 63) / 64
		s.here, s.taken = make([]uint64, words), make([]uint64, words)
		if len(s.Rejected) > 0 {
			s.dead = make([]uint64, words)
		}
		for _, d := range s.Rejected {
			index := d.Sequence - s.From
			s.dead[index/64] |= 1 << (index % 64)
		}
		i := sort.Search(len(l.covering), func(i int) bool { return l.covering[i].From > s.From })
		l.covering = slices.Insert(l.covering, i, s)
	}
	return false
}

// at returns the note that covers a record, nil if none does.
func (l *log) at(sequence uint64) *segment {
	if l.latest != nil && l.latest.covers(sequence) {
		return l.latest
	}
	i := sort.Search(len(l.covering), func(i int) bool { return l.covering[i].From > sequence }) - 1
	if i < 0 || !l.covering[i].covers(sequence) {
		return nil
	}
	l.latest = l.covering[i]
	return l.latest
}

// end returns the size of the log as its last note states it.
func (l *log) end() uint64 { return l.notes[len(l.notes)-1].Size }

func (l *log) first() *segment { return l.notes[0] }
func (l *log) last() *segment  { return l.notes[len(l.notes)-1] }

func (s *segment) covers(sequence uint64) bool { return sequence >= s.From && sequence < s.Size }

// has reports whether the right record is there.
func (s *segment) has(index uint64) bool { return s.here[index/64]&(1<<(index%64)) != 0 }

// occupied reports whether a record is there in any form.
func (s *segment) occupied(index uint64) bool {
	return (s.here[index/64]|s.taken[index/64])&(1<<(index%64)) != 0
}

func (s *segment) occupy(index uint64) { s.taken[index/64] |= 1 << (index % 64) }

// take notes that a record is there. Once all are there, their leaves are compared with the
// root and forgotten. The leaf of one that had been a dead letter may be another than the
// tree's.
func (s *segment) take(index uint64, it *item, letter bool) {
	s.letters = s.letters || letter
	if s.leaves == nil {
		s.leaves, s.times = make([]evidence.Leaf, len(s.Tags)), make([]int64, len(s.Tags))
	}
	s.here[index/64] |= 1 << (index % 64)
	s.leaves[index], s.times[index] = it.leaf, it.time
	if s.good++; s.good == len(s.Tags) {
		s.complete()
	}
}

func (s *segment) complete() {
	tree, err := evidence.NewTree(s.From, s.Edge)
	for i := range s.leaves {
		tree.Append(s.leaves[i])
	}
	s.broken = err != nil || !s.letters && tree.Root() != s.Root
	s.ends = [2]int64{s.times[0], s.times[len(s.times)-1]}
	s.leaves, s.times = nil, nil
}

// time returns the time of a record that is there.
func (s *segment) time(index uint64) int64 {
	switch {
	case s.times != nil:
		return s.times[index]
	case index == 0:
		return s.ends[0]
	}
	return s.ends[1] // Nobody asks for one in between once all are there.
}

// rejected reports whether a record became a dead letter.
func (s *segment) rejected(index uint64) bool {
	return s.dead != nil && s.dead[index/64]&(1<<(index%64)) != 0
}

// vacant reports whether a record is expected and not there in any form.
func (s *segment) vacant(index uint64) bool { return !s.occupied(index) && !s.rejected(index) }
