package verify_test

import (
	"encoding/base64"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// The reference implementations of signed notes and of RFC 6962 accept what a lane wrote:
// each note verifies, its root is that of the records, and each tree contains the one
// before.
func TestTheReferenceImplementationsAgree(t *testing.T) {
	h := newHistory(11, 200)
	origin := h.lanes[0].saved.Origin
	var leaves []tlog.Hash
	notes := map[uint64]string{}
	for i := range h.shipped {
		if s := &h.shipped[i]; s.origin == origin && s.note != nil {
			notes[s.note.Number] = s.event.Note
			if s.note.Size > uint64(len(leaves)) {
				for _, tag := range s.note.Tags {
					leaves = append(leaves, h.leaves[tag])
				}
			}
		}
	}
	var known []note.Verifier
	for _, k := range h.publicKeys() {
		known = append(known, must(note.NewVerifier(k)))
	}
	var stored []tlog.Hash
	read := tlog.HashReaderFunc(func(indexes []int64) (all []tlog.Hash, err error) {
		for _, i := range indexes {
			all = append(all, stored[i])
		}
		return all, nil
	})
	var before, size int64
	var root tlog.Hash
	compared := 0
	for number := range uint64(len(notes)) {
		opened, err := note.Open([]byte(notes[number]), note.VerifierList(known...))
		if err != nil {
			t.Fatalf("note %d: %v", number, err)
		}
		lines := strings.SplitN(opened.Text, "\n", 4)
		before, size = size, int64(must(strconv.ParseInt(lines[1], 10, 64)))
		older := root
		root = tlog.Hash(must(base64.StdEncoding.DecodeString(lines[2])))
		for i := before; i < size; i++ {
			stored = append(stored, must(tlog.StoredHashesForRecordHash(i, leaves[i], read))...)
		}
		if before == 0 {
			continue
		}
		compared++
		if got := must(tlog.TreeHash(size, read)); got != root {
			t.Errorf("note %d has the root %v, want %v", number, root, got)
		}
		if err := tlog.CheckTree(must(tlog.ProveTree(size, before, read)), size, root, before, older); err != nil {
			t.Errorf("note %d does not contain the one before: %v", number, err)
		}
	}
	if compared < 3 {
		t.Fatalf("only %d notes were compared", compared)
	}
}
