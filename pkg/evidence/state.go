package evidence

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
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

// Settled is what one position covers: the events behind the position before it.
type Settled struct {
	Leaves   []Leaf        // of all numbered records, from State.Tree.Size on
	Records  []sink.Record // of them those that could be encoded, delivered or not
	Rejects  []sink.Reject // of them those that became dead letters
	Filtered int           // events that were not for the sink
}

// Append adds the leaf of a record that was delivered or rejected.
func (s *State) Append(leaf Leaf) {
	s.Tree.Append(leaf)
	s.Tags = append(s.Tags, TagOf(leaf))
}

// Reject says that a record of the log that no note covers became a dead letter. raw is its event.
func (s *State) Reject(sequence uint64, id, organization string, raw []byte) {
	f := Facts{Form: Shortened, ID: id, Organization: organization, Hash: sha256.Sum256(raw)}
	s.Rejected = append(s.Rejected, Rejected{Sequence: sequence, Tag: TagOf(f.Leaf()), ID: beginning(id)})
}

// beginning returns enough of an id to recognise it.
func beginning(id string) string {
	const most = 64
	if len(id) > most {
		return id[:most]
	}
	return id
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
	return nil
}

// envelope is how a position keeps a state: beside the source's own.
type envelope struct {
	Evidence *saved          `json:"evidence"`
	Position source.Position `json:"position"`
}

// saved is a State as JSON.
type saved struct {
	Origin   string     `json:"origin"`
	Size     uint64     `json:"size"`
	Edge     string     `json:"edge"`
	Epoch    uint64     `json:"epoch"`
	From     uint64     `json:"from"`
	FromEdge string     `json:"from_edge"`
	Tags     string     `json:"tags,omitempty"`
	Rejected []Rejected `json:"rejected,omitempty"`
	Filtered uint64     `json:"filtered,omitempty"`
	Through  time.Time  `json:"through,omitzero"`
	Notes    uint64     `json:"notes"`
	Previous string     `json:"previous,omitempty"`
	Last     time.Time  `json:"last,omitzero"`
	Key      string     `json:"key,omitempty"`
	Pending  []string   `json:"pending,omitempty"`
	Moved    string     `json:"moved,omitempty"`
	Day      Day        `json:"day"`
}

// Join returns a position that keeps the state.
func (s *State) Join(pos source.Position) (source.Position, error) {
	text, err := json.Marshal(envelope{Position: pos, Evidence: &saved{
		Origin: s.Origin, Size: s.Tree.Size, Edge: s.Tree.Edge(), Epoch: s.Epoch, From: s.Covered.Size, FromEdge: s.Covered.Edge(),
		Tags: encodeTags(s.Tags), Rejected: s.Rejected, Filtered: s.Filtered, Through: s.Through, Notes: s.Notes, Previous: s.Previous,
		Last: s.Last, Key: s.Key, Pending: s.Pending, Moved: s.Moved, Day: s.Day,
	}})
	if err != nil {
		return nil, fmt.Errorf("position with evidence: %w", err)
	}
	return text, nil
}

// Split returns the source's own position and the state beside it, nil if there is none.
// What is no envelope is the source's own. The error is source.ErrUnusable.
func Split(pos source.Position) (source.Position, *State, error) {
	var e envelope
	if json.Unmarshal(pos, &e) != nil || e.Evidence == nil {
		return pos, nil, nil
	}
	s, err := e.Evidence.state()
	if err != nil {
		return nil, nil, fmt.Errorf("evidence in the position: %w: %w", err, source.ErrUnusable)
	}
	return e.Position, s, nil
}

func (v *saved) state() (*State, error) {
	tree, err := NewTree(v.Size, v.Edge)
	if err != nil {
		return nil, err
	}
	covered, err := NewTree(v.From, v.FromEdge)
	if err != nil {
		return nil, err
	}
	tags, err := decodeTags(v.Tags)
	if err != nil {
		return nil, err
	}
	if v.From > v.Size || uint64(len(tags)) != v.Size-v.From {
		return nil, fmt.Errorf("%d tags for the records %d to %d", len(tags), v.From, v.Size)
	}
	return &State{
		Origin: v.Origin, Tree: tree, Epoch: v.Epoch, Covered: covered, Tags: tags, Rejected: v.Rejected, Filtered: v.Filtered,
		Through: v.Through, Notes: v.Notes, Previous: v.Previous, Last: v.Last, Key: v.Key, Pending: v.Pending, Moved: v.Moved, Day: v.Day,
	}, nil
}
