package evidence

import (
	"bytes"
	"encoding/base64"
	"math/bits"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sluice-siem/sluice/pkg/source"
)

// Sample returns an event that carries a note as large as one may have to be: the lane was
// taken with a new key, and the fewest records that a note must have room for were all
// rejected. Whoever cannot take it cannot take the notes of the lane.
func (w *Writer) Sample(lane string) (source.Event, error) {
	const records, size = 16, 1<<20 - 1 // of a log that has grown for long, whose edge is long
	edge := bytes.Repeat(make([]byte, tlog.HashSize), bits.OnesCount(size))
	s := New(w.Organization, lane)
	tree, err := NewTree(size, base64.StdEncoding.EncodeToString(edge))
	if err != nil {
		return source.Event{}, err
	}
	s.Tree, s.Covered = tree, tree.Clone()
	for range records {
		s.Rejected = append(s.Rejected, Rejected{Sequence: s.Tree.Size, ID: strings.Repeat("x", 64)})
		s.Append(Leaf{})
	}
	at := time.Now()
	s.Previous, s.Through = HashOf(lane), at
	var made *Note
	complete := func(n *Note) {
		n.Lane, n.Settings, n.Key, n.Reason = lane, w.Settings, w.Key.Public, strings.Repeat("x", 200)
		made = n
	}
	signers := []note.Signer{w.Key}
	if len(w.Former) > 0 {
		signers = append(signers, w.Former[0])
	}
	if err := s.Write(Open, at, complete, signers...); err != nil {
		return source.Event{}, err
	}
	return NewEvent(w.Keys, w.Organization, made, s.Pending[0])
}
