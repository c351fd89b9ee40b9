package evidence

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/sluice-siem/sluice/pkg/evidence/audit"
	"github.com/sluice-siem/sluice/pkg/source"
)

// key is under which a position keeps a state, beside the source's own.
const key = "evidence"

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
	return source.Enclose(key, &saved{
		Origin: s.Origin, Size: s.Tree.Size, Edge: s.Tree.Edge(), Epoch: s.Epoch, From: s.Covered.Size, FromEdge: s.Covered.Edge(),
		Tags: encodeTags(s.Tags), Rejected: s.Rejected, Filtered: s.Filtered, Through: s.Through, Notes: s.Notes, Previous: s.Previous,
		Last: s.Last, Key: s.Key, Pending: s.Pending, Moved: s.Moved, Day: s.Day,
	}, pos)
}

// Split returns the source's own position and the state beside it, nil if there is none.
// What is no envelope is the source's own. The error is source.ErrUnusable.
func Split(pos source.Position) (source.Position, *State, error) {
	at, s, _, err := SplitAll(pos)
	return at, s, err
}

// SplitAll is Split, and returns the count of audits, too; nil if there is none.
func SplitAll(pos source.Position) (source.Position, *State, *audit.Hours, error) {
	beside, pos, err := source.Enclosed(key, pos)
	if err != nil {
		return nil, nil, nil, err
	}
	var s *State
	if beside != nil {
		if s, err = parseState(beside); err != nil {
			return nil, nil, nil, fmt.Errorf("evidence in the position: %w: %w", err, source.ErrUnusable)
		}
	}
	at, hours, err := audit.Split(pos)
	if err != nil {
		return nil, nil, nil, err
	}
	return at, s, hours, nil
}

func parseState(text json.RawMessage) (*State, error) {
	var v saved
	if err := json.Unmarshal(text, &v); err != nil {
		return nil, err
	}
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
