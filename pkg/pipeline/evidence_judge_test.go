package pipeline_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sluice-siem/sluice/pkg/evidence"
)

// judge checks what the destination of a chronicle has against the notes in it. It knows
// nothing of positions, and reckons trees with package tlog.
func (c *chronicle) judge() {
	c.mu.Lock()
	defer c.mu.Unlock()
	logs := c.logs()
	c.tally["logs that ended"] += len(logs) - 1
	final := logs[c.origin()]
	if final == nil {
		c.blame("no note of the last log %q", c.origin())
		return
	}
	final.last = true
	for _, origin := range slices.Sorted(maps.Keys(logs)) {
		l := logs[origin]
		l.chain()
		l.leaves()
		l.roots()
	}
	for i := range c.got {
		r := &c.got[i]
		if isNote(r.Action) || r.Epoch == 0 {
			continue
		}
		l := logs[r.origin]
		if l == nil { // No note was delivered before the position was lost.
			if r.origin == final.origin {
				c.blame("event %s is of no log", r.ID)
			}
			continue
		}
		l.place(r)
	}
}

// judged is a log as its notes tell of it.
type judged struct {
	*chronicle
	origin   string
	last     bool // the lane still writes it
	notes    []*evidence.Note
	texts    []string
	sigs     [][]note.Signature
	tags     []evidence.Tag
	epochs   []uint64 // of the notes that cover the records
	rejected map[uint64]evidence.Rejected
	named    map[evidence.Tag]bool
	hashes   []tlog.Hash
}

// logs reads all notes.
func (c *chronicle) logs() map[string]*judged {
	var known []note.Verifier
	for _, k := range keys {
		v, err := note.NewVerifier(k.Public)
		if err != nil {
			panic(err)
		}
		known = append(known, v)
	}
	logs := map[string]*judged{}
	for i := range c.got {
		r := &c.got[i]
		if !isNote(r.Action) {
			continue
		}
		var raw struct{ Note string }
		if err := json.Unmarshal(r.Body, &raw); err != nil {
			c.blame("note %s: %v", r.ID, err)
		}
		n, sigs, err := evidence.Verify(raw.Note, note.VerifierList(known...))
		if err != nil {
			c.blame("note %s: %v", raw.Note, err)
			continue
		}
		l := logs[n.Origin]
		if l == nil {
			l = &judged{chronicle: c, origin: n.Origin, rejected: map[uint64]evidence.Rejected{}, named: map[evidence.Tag]bool{}}
			logs[n.Origin] = l
		}
		for uint64(len(l.notes)) <= n.Number {
			l.notes, l.texts, l.sigs = append(l.notes, nil), append(l.texts, ""), append(l.sigs, nil)
		}
		if before := l.texts[n.Number]; before != "" && before != raw.Note {
			c.blame("two notes contradict one another:\n%s\n%s", before, raw.Note)
		}
		l.notes[n.Number], l.texts[n.Number], l.sigs[n.Number] = n, raw.Note, sigs
	}
	return logs
}

// chain checks that no note is missing, and that each goes on from the one before.
func (l *judged) chain() {
	var before evidence.Note
	key, hash := "", ""
	for i, n := range l.notes {
		if n == nil && !l.last { // The position was lost before it was delivered.
			l.notes = l.notes[:i]
			return
		}
		if n == nil {
			l.blame("note %d of %d is missing", i, len(l.notes))
			continue
		}
		epoch := before.Epoch
		if n.Kind == evidence.Open {
			epoch++
			if n.Key != "" && key != "" {
				l.tally["changes of the key"]++
			}
			if n.Key != "" {
				key = n.Key
			}
			if n.Reason == "ann set the position" {
				l.tally["moves"]++
			}
		}
		if n.From != before.Size || n.Previous != hash || n.Epoch != epoch || n.Time.Before(before.Time) {
			l.blame("note %d does not go on from the one before:\n%s\n%s", i, before.Text(), n.Text())
		}
		v, err := note.NewVerifier(key)
		if err != nil || !slices.ContainsFunc(l.sigs[i], func(s note.Signature) bool { return s.Name == v.Name() && s.Hash == v.KeyHash() }) {
			l.blame("note %d is not signed by %s: %v", i, key, err)
		}
		l.tally["notes of kind "+string(n.Kind)]++
		l.tally["rejected records"] += len(n.Rejected)
		if n.Filtered > 0 {
			l.tally["notes of filtered events"]++
		}
		for _, r := range n.Rejected {
			l.rejected[r.Sequence] = r
			l.named[r.Tag] = true
		}
		for _, tag := range n.Tags {
			l.tags, l.epochs = append(l.tags, tag), append(l.epochs, n.Epoch)
			l.named[tag] = true
		}
		before, hash = *n, evidence.HashOf(n.Text())
	}
}

// leaves finds the leaf of each record that a note covers, among what was delivered or
// became a dead letter.
func (l *judged) leaves() {
	l.hashes = make([]tlog.Hash, len(l.tags))
	delivered := make([]bool, len(l.tags))
	for i := range l.got {
		r := &l.got[i]
		if s := r.Sequence; !isNote(r.Action) && r.origin == l.origin && r.Epoch > 0 && s < uint64(len(l.tags)) {
			if leaf := r.leaf(); evidence.TagOf(leaf) == l.tags[s] {
				l.hashes[s], delivered[s] = leaf, true
			}
		}
	}
	buried := map[uint64]bool{}
	for _, d := range l.letters {
		s := d.Record.Sequence
		if isNote(d.Record.Action) || d.origin != l.origin || d.Record.Epoch == 0 || s >= uint64(len(l.tags)) {
			continue
		}
		facts, err := claim(&d.Record, d.Raw)
		if err != nil {
			l.blame("letter %s: %v", d.Record.ID, err)
		}
		if l.large[index(d.Record.ID)] {
			facts.Form = evidence.Undecoded
		}
		if evidence.TagOf(facts.Leaf()) != l.tags[s] {
			continue // It is an orphan's.
		}
		l.hashes[s], buried[s] = facts.Leaf(), true
		facts.Form = evidence.Shortened
		if r, ok := l.rejected[s]; ok && (r.ID != d.Record.ID || r.Tag != evidence.TagOf(facts.Leaf())) {
			l.blame("record %d is rejected as %+v, and the dead letter is of %s", s, r, d.Record.ID)
		}
	}
	for s := range l.tags {
		if _, rejected := l.rejected[uint64(s)]; rejected && !buried[uint64(s)] || !rejected && !delivered[s] {
			l.blame("record %d of log %s: rejected %t, delivered %t, buried %t", s, l.origin, rejected, delivered[s], buried[uint64(s)])
		}
	}
}

// roots checks that each note has the root of the tree, that its edge is that of the tree
// before, and that the trees of any two are consistent.
func (l *judged) roots() {
	var stored []tlog.Hash
	read := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var all []tlog.Hash
		for _, i := range indexes {
			all = append(all, stored[i])
		}
		return all, nil
	})
	for i, h := range l.hashes {
		more, err := tlog.StoredHashesForRecordHash(int64(i), h, read)
		if err != nil {
			l.blame("tree: %v", err)
			return
		}
		stored = append(stored, more...)
	}
	root := func(size uint64) tlog.Hash {
		h, err := tlog.TreeHash(int64(size), read)
		if err != nil {
			l.blame("tree: %v", err)
		}
		return h
	}
	for i, n := range l.notes {
		if n == nil || n.Size > uint64(len(l.hashes)) {
			l.blame("note %d is not checked", i)
			return
		}
		if n.Size > 0 && n.Root != root(n.Size) { // tlog has no hash of an empty tree.
			l.blame("note %d of log %s has the root of another tree", i, l.origin)
		}
		edge, err := evidence.NewTree(n.From, n.Edge)
		if err != nil || n.From > 0 && edge.Root() != root(n.From) {
			l.blame("note %d has the edge of another tree: %v", i, err)
		}
		for _, older := range l.notes[:i] {
			if older.Size == 0 {
				continue
			}
			proof, err := tlog.ProveTree(int64(n.Size), int64(older.Size), read)
			if err == nil {
				err = tlog.CheckTree(proof, int64(n.Size), n.Root, int64(older.Size), older.Root)
			}
			if err != nil {
				l.blame("notes %d and %d are not consistent: %v", older.Number, n.Number, err)
			}
		}
	}
}

// place requires that a record stands at its place in the log, or is an orphan.
func (l *judged) place(r *received) {
	leaf, s := r.leaf(), r.Sequence
	tag := evidence.TagOf(leaf)
	what := fmt.Sprintf("record %d of epoch %d, event %s", s, r.Epoch, r.ID)
	covered := s < uint64(len(l.tags))
	if covered && l.hashes[s] == leaf {
		l.tally["records in their place"]++
		return
	}
	if covered && r.again && l.rejected[s].Tag == tag {
		l.tally["shortened dead letters"]++
		return
	}
	if !l.last && !covered {
		return // The log ended before a note covered it.
	}
	l.tally["orphans"]++
	newest := l.notes[len(l.notes)-1].Epoch
	if covered {
		newest = l.epochs[s]
	}
	switch {
	case r.exact && !r.again:
		l.blame("%s was committed, and its log does not have it", what)
	case r.Epoch >= newest:
		l.blame("%s is not what its log has there", what)
	case !l.named[tag] && l.last && !l.set[l.origin] && !r.again:
		l.blame("%s is an orphan that its log does not name", what)
	}
}

func (r *received) leaf() evidence.Leaf {
	facts, err := claim(&r.Record, r.Body)
	if err != nil {
		panic(err)
	}
	return facts.Leaf()
}
