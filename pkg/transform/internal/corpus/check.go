package corpus

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// Open opens a format.
func Open(tb testing.TB, f transform.Format, o transform.Options) transform.Transformer {
	tb.Helper()
	tr, err := f.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	return tr
}

// Encode returns the record of an event.
func Encode(tb testing.TB, f transform.Format, o transform.Options, e source.Event) sink.Record {
	tb.Helper()
	r, err := Open(tb, f, o).Transform(nil, &e)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// CheckRecord compares the record of the ordinary event, as a late one about
// Sluice's own token that was sent again, with want and what
// is the same in every format. It does not compare the body.
func CheckRecord(t *testing.T, f transform.Format, o transform.Options, want sink.Record) {
	t.Helper()
	e := Typical()
	e.Late, e.Replayed, e.OwnToken = true, true, true
	got := Encode(t, f, o, e)
	got.Body = nil
	want.ID, want.Organization, want.Action, want.Key = "q7x2mk9d0a4e", "acme", "deploy_request.queued", "acme/d8s0k2lq91xz"
	want.Time, want.Severity, want.Late = time.Date(2026, 3, 14, 15, 9, 26, 535e6, time.UTC), 8, true
	want.Replayed, want.OwnToken = true, true
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
}

// CheckAppends requires that a format appends the body to the buffer that it is given.
func CheckAppends(t *testing.T, f transform.Format, o transform.Options) {
	t.Helper()
	e := Typical()
	want := Encode(t, f, o, e).Body
	dst := make([]byte, 3, 8192)
	copy(dst, "abc")
	r, err := Open(t, f, o).Transform(dst, &e)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(r.Body); got != "abc"+string(want) {
		t.Errorf("got %s", got)
	}
	if &r.Body[0] != &dst[0] {
		t.Error("the buffer was large enough, but the record is in another one")
	}
}

// CheckAllocations limits the allocations for a record of the ordinary event, without a
// number and with one.
func CheckAllocations(t *testing.T, f transform.Format, o transform.Options, most float64) {
	t.Helper()
	tr := Open(t, f, o)
	e := Typical()
	dst := make([]byte, 0, 8192)
	for range 2 {
		got := testing.AllocsPerRun(100, func() {
			if _, err := tr.Transform(dst, &e); err != nil {
				t.Fatal(err)
			}
		})
		if got > most {
			t.Errorf("%v allocations for an event of number %v, want at most %v", got, e.Number, most)
		}
		e.Number = source.Number{Epoch: 1, Sequence: 41}
	}
}
