package verify_test

import (
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/evidence/verify"
)

// A record without a number that no note names may be one that the next note will name, if
// it is younger than what the last note says is complete, or stands behind that note. Any other is
// forged.
func TestARecordWithoutANumberBehindTheLastNote(t *testing.T) {
	private, public := must2(evidence.NewKey("acme"))
	key := must(evidence.ParseKey(private))
	began := time.Date(2026, 3, 4, 5, 0, 0, 0, time.UTC)
	facts := func(id string, after time.Duration) evidence.Facts {
		return evidence.Facts{Form: evidence.Whole, ID: id, Organization: "acme", Time: began.Add(after), Hash: [32]byte{id[0]}}
	}
	s := evidence.New("acme", "acme/archive")
	s.Epoch = 1
	write := func(kind evidence.Kind, key string, after time.Duration, signer *evidence.Key) {
		if err := s.Write(kind, began.Add(after), func(n *evidence.Note) { n.Lane, n.Key = "acme/archive", key }, signer); err != nil {
			t.Fatal(err)
		}
	}
	write(evidence.Open, public, 0, key)
	known := facts("known", time.Minute)
	s.Append(known.Leaf())
	s.Through = began.Add(2 * time.Minute)
	write(evidence.Seal, "", 3*time.Minute, key)
	c := must(verify.New([]string{public}, verify.Options{}))
	for i, f := range []evidence.Facts{known, facts("forged", 90*time.Second), facts("later", 150*time.Second)} {
		c.Add(verify.Claim{Place: verify.Place{Name: "archive", Line: int64(i + 1)}, Facts: f})
	}
	for i, signed := range s.Pending {
		c.Add(verify.Claim{Place: verify.Place{Name: "archive", Line: int64(i + 4)}, Note: signed, Facts: facts("note", 3*time.Minute)})
	}
	c.Add(verify.Claim{Place: verify.Place{Name: "archive", Line: 6}, Facts: facts("late", 90*time.Second)})
	r := c.Report()
	if len(r.Findings) != 1 || r.Findings[0].Kind != verify.Forged || r.Findings[0].ID != "forged" || r.Counts.Unsealed != 2 || r.Counts.ByContent != 1 {
		t.Errorf("got %+v, %+v", r.Findings, r.Counts)
	}
}

func must2[A, B any](a A, b B, err error) (A, B) {
	if err != nil {
		panic(err)
	}
	return a, b
}
