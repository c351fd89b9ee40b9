package evidence

import (
	"crypto/rand"
	"encoding/hex"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// State is what a position keeps of a lane's log. It is a value: a copy made with Clone
// does not change with it, so a lane changes a copy and keeps it once it is saved.
//
// What else a position has to keep of a lane's deliveries is a field here, in saved and in
// Clone. A lane calls Settle once for all that one position covers, and then Seal.
type State struct {
	Origin   string
	Tree     Tree
	Epoch    uint64
	Covered  Tree // what notes cover
	Tags     []Tag
	Rejected []Rejected
	Filtered uint64
	Through  time.Time
	Notes    uint64    // written so far
	Previous string    // hash of the last one
	Last     time.Time // time of the last one
	Key      string    // the verifier key that signed the last one
	Pending  []string  // signed notes that are not known to be delivered, oldest first
	Moved    string    // who set the position, and to what; told in the next open note
	Day      Day
}

// New returns the state of a log that begins. Its origin has a random part, so a lane whose
// state was lost has another log.
func New(organization, lane string) State {
	var b [8]byte
	rand.Read(b[:])
	return State{Origin: "sluice/" + organization + "/" + lane + "/" + hex.EncodeToString(b[:])}
}

// Clone returns a copy.
func (s *State) Clone() State {
	c := *s
	c.Tree, c.Covered = s.Tree.Clone(), s.Covered.Clone()
	c.Tags, c.Rejected, c.Pending = slices.Clone(s.Tags), slices.Clone(s.Rejected), slices.Clone(s.Pending)
	return c
}

// Append adds the leaf of a record that was delivered or rejected.
func (s *State) Append(leaf Leaf) {
	s.Tree.Append(leaf)
	s.Tags = append(s.Tags, TagOf(leaf))
}

// Write makes the next note, signs it, and adds it to the pending ones.
func (s *State) Write(kind Kind, at time.Time, complete func(*Note), signers ...note.Signer) error {
	n := &Note{
		Origin: s.Origin, Size: s.Tree.Size, Root: s.Tree.Root(), Kind: kind, Number: s.Notes, Time: at.UTC().Truncate(time.Millisecond),
		Epoch: s.Epoch, From: s.Covered.Size, Edge: s.Covered.Edge(), Tags: s.Tags, Rejected: s.Rejected, Filtered: s.Filtered,
		Through: s.Through, Previous: s.Previous,
	}
	complete(n)
	signed, err := n.Sign(signers...)
	if err != nil {
		return err
	}
	s.Pending = append(s.Pending, signed)
	s.Covered, s.Tags, s.Rejected, s.Filtered = s.Tree.Clone(), nil, nil, 0
	s.Notes, s.Previous, s.Last = s.Notes+1, HashOf(n.Text()), n.Time
	s.Day.Notes++
	return nil
}
