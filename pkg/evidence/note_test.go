package evidence_test

import (
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// A note that is written, signed and read again is the same, and so is a state that a
// position kept.
func TestNotesAndStatesSurvive(t *testing.T) {
	private, public, err := evidence.NewKey("acme")
	if err != nil {
		t.Fatal(err)
	}
	key, err := evidence.ParseKey(private)
	if err != nil {
		t.Fatal(err)
	}
	if key.Public != public {
		t.Errorf("the public key is %q, want %q", key.Public, public)
	}
	s := evidence.New("acme", "acme/siem")
	s.Epoch = 1
	for i := range 1000 {
		f := evidence.Facts{Form: evidence.Whole, ID: "e", Hash: [32]byte{byte(i), byte(i >> 8)}}
		done := evidence.Settled{Leaves: []evidence.Leaf{f.Leaf()}}
		if i%100 == 7 {
			done.Rejects = []sink.Reject{{Record: sink.Record{ID: "e", Sequence: uint64(i)}}}
		}
		if err := s.Settle(done, evidence.Room(1<<20), nil); err != nil {
			t.Fatal(err)
		}
		if i%50 != 0 {
			continue
		}
		previous := s.Previous
		err := s.Write(evidence.Seal, time.Unix(int64(i), 0), func(n *evidence.Note) { n.Lane = "acme/siem" }, key)
		if err != nil {
			t.Fatal(err)
		}
		verifier, err := note.NewVerifier(public)
		if err != nil {
			t.Fatal(err)
		}
		n, _, err := evidence.Verify(s.Pending[0], note.VerifierList(verifier))
		if err != nil {
			t.Fatal(err)
		}
		if n.Size != uint64(i+1) || n.Previous != previous || n.Root != s.Tree.Root() {
			t.Errorf("note %d is of %d records after %q", i, n.Size, n.Previous)
		}
		s.Pending = nil
		pos, err := s.Join(source.Position(`{"a":1}`))
		if err != nil {
			t.Fatal(err)
		}
		inner, again, err := evidence.Split(pos)
		if err != nil || string(inner) != `{"a":1}` {
			t.Fatalf("split: %s, %v", inner, err)
		}
		s = *again
	}
}
