package evidence_test

import (
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/source"
)

// A sample is a real note, signed by the key and by one that it replaces.
func TestASampleIsANote(t *testing.T) {
	private, public, err := evidence.NewKey("acme")
	if err != nil {
		t.Fatal(err)
	}
	key, err := evidence.ParseKey(private)
	if err != nil {
		t.Fatal(err)
	}
	former, _, err := evidence.NewKey("before")
	if err != nil {
		t.Fatal(err)
	}
	old, err := evidence.ParseKey(former)
	if err != nil {
		t.Fatal(err)
	}
	w := evidence.Writer{Key: key, Former: []*evidence.Key{old}, Organization: "acme", Keys: source.Keys{ID: "id", Action: "action", Time: "time"}}
	e, err := w.Sample("acme/siem")
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	n, by, err := evidence.Verify(e.Note, note.VerifierList(verifier))
	if err != nil || len(by) != 1 || len(n.Tags) != 16 || len(n.Rejected) != 16 || e.Action != evidence.OpenAction {
		t.Errorf("got %+v, signed by %v, %v", n, by, err)
	}
}
