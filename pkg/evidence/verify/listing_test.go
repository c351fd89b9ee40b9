package verify_test

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/evidence/verify"
	"github.com/sluice-siem/sluice/pkg/source"
)

// began is when the events of these tests begin, one a minute.
var began = time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)

func minute(n int) time.Time { return began.Add(time.Duration(n) * time.Minute) }

func listedEvent(n int) source.Listed {
	return source.Listed{ID: fmt.Sprint("e", n), Time: minute(n), Raw: fmt.Append(nil, n)}
}

func claimOf(e source.Listed) *verify.Claim {
	return &verify.Claim{Facts: evidence.Facts{Form: evidence.Whole, ID: e.ID, Time: e.Time, Action: "a.b", Organization: "acme", Hash: sha256.Sum256(e.Raw)}}
}

// compare lists events, takes those of the export, lists once more, and reports as of
// minute 90 with a lateness of ten minutes.
func compare(o verify.ListingOptions, list, again []source.Listed, export []*verify.Claim) *verify.ListingReport {
	o.Organization, o.Lateness = "acme", 10*time.Minute
	l := verify.NewListing(o)
	l.Begin()
	for _, e := range list {
		l.Listed(e)
	}
	for _, c := range export {
		l.Claim(c)
	}
	if l.Doubts() {
		l.Begin()
		for _, e := range again {
			l.Listed(e)
		}
	}
	return l.Report(minute(90))
}

func ids(all []verify.Difference) string {
	var text []string
	for _, d := range all {
		text = append(text, d.ID)
	}
	return strings.Join(text, " ")
}

func TestListing(t *testing.T) {
	hundred := func() (list []source.Listed, export []*verify.Claim) {
		for n := range 100 {
			list = append(list, listedEvent(n))
			export = append(export, claimOf(listedEvent(n)))
		}
		return list, export
	}
	without := func(all []source.Listed, n int) []source.Listed {
		return append(append([]source.Listed{}, all[:n]...), all[n+1:]...)
	}
	altered := listedEvent(40)
	altered.Raw = []byte("other")
	type want struct{ undelivered, vanished, changed string }
	for name, tt := range map[string]struct {
		options verify.ListingOptions
		change  func(list *[]source.Listed, export *[]*verify.Claim) (again []source.Listed)
		want    want
	}{
		"all is there": {},
		"one was not delivered": {change: func(_ *[]source.Listed, export *[]*verify.Claim) []source.Listed {
			*export = append((*export)[:40], (*export)[41:]...)
			return nil
		}, want: want{undelivered: "e40"}},
		"one is not due yet": {change: func(_ *[]source.Listed, export *[]*verify.Claim) []source.Listed {
			*export = append((*export)[:80], (*export)[81:]...)
			return nil
		}},
		"the last that is due": {change: func(_ *[]source.Listed, export *[]*verify.Claim) []source.Listed {
			*export = append((*export)[:79], (*export)[80:]...)
			return nil
		}, want: want{undelivered: "e79"}},
		"the export begins later, with a late event": {change: func(_ *[]source.Listed, export *[]*verify.Claim) []source.Listed {
			*export = append([]*verify.Claim{(*export)[22]}, (*export)[31:]...)
			return nil
		}},
		"a replayed record does not begin the export": {change: func(_ *[]source.Listed, export *[]*verify.Claim) []source.Listed {
			(*export)[5].Replayed = true
			*export = append([]*verify.Claim{(*export)[5]}, (*export)[31:]...)
			return nil
		}},
		"the log has lost its oldest": {change: func(list *[]source.Listed, _ *[]*verify.Claim) []source.Listed {
			*list = (*list)[30:]
			return *list
		}},
		"the log loses its oldest meanwhile": {change: func(list *[]source.Listed, export *[]*verify.Claim) []source.Listed {
			*list = without(*list, 20)
			return (*list)[30:]
		}},
		"one is listed no longer": {change: func(list *[]source.Listed, _ *[]*verify.Claim) []source.Listed {
			*list = without(*list, 40)
			return *list
		}, want: want{vanished: "e40"}},
		"the newest is listed no longer": {change: func(list *[]source.Listed, _ *[]*verify.Claim) []source.Listed {
			*list = (*list)[:99]
			return *list
		}, want: want{vanished: "e99"}},
		"one as old as the oldest, which the log may have lost": {change: func(list *[]source.Listed, export *[]*verify.Claim) []source.Listed {
			*list = (*list)[30:]
			tied := listedEvent(30)
			tied.ID = "tied"
			*export = append(*export, claimOf(tied))
			return *list
		}},
		"one as old as the oldest that is left the second time": {change: func(list *[]source.Listed, export *[]*verify.Claim) []source.Listed {
			tied := listedEvent(30)
			tied.ID = "tied"
			*export = append(*export, claimOf(tied))
			return (*list)[30:]
		}},
		"one was not shown": {change: func(list *[]source.Listed, _ *[]*verify.Claim) []source.Listed {
			whole := *list
			*list = without(*list, 40)
			return whole
		}},
		"one has changed": {change: func(list *[]source.Listed, _ *[]*verify.Claim) []source.Listed {
			(*list)[40] = altered
			return *list
		}, want: want{changed: "e40"}},
		"one changed meanwhile, and was delivered as it is now": {change: func(list *[]source.Listed, export *[]*verify.Claim) []source.Listed {
			again := append([]source.Listed{}, *list...)
			again[40], (*export)[40] = altered, claimOf(altered)
			return again
		}},
		"redaction": {options: verify.ListingOptions{Redacted: true}, change: func(list *[]source.Listed, _ *[]*verify.Claim) []source.Listed {
			(*list)[40] = altered
			return *list
		}},
		"a record states no hash": {change: func(_ *[]source.Listed, export *[]*verify.Claim) []source.Listed {
			(*export)[40].Facts.Hash = [32]byte{}
			return nil
		}},
		"the sink does not want it": {options: verify.ListingOptions{Wanted: func(e source.Listed) bool { return e.ID != "e40" }}, change: func(_ *[]source.Listed, export *[]*verify.Claim) []source.Listed {
			*export = append((*export)[:40], (*export)[41:]...)
			return nil
		}},
		"it was rejected": {change: func(_ *[]source.Listed, export *[]*verify.Claim) []source.Listed {
			(*export)[40] = &verify.Claim{Note: noteOf("e40")}
			return nil
		}},
		"another organization's, and Sluice's own": {change: func(_ *[]source.Listed, export *[]*verify.Claim) []source.Listed {
			other, gap := claimOf(source.Listed{ID: "x", Time: minute(50)}), claimOf(source.Listed{ID: "gap", Time: minute(50)})
			other.Facts.Organization, gap.Facts.Action = "globex", "sluice.gap"
			*export = append(*export, other, gap)
			return nil
		}},
		"long ids, of which a record has a part": {change: func(list *[]source.Listed, export *[]*verify.Claim) []source.Listed {
			long := source.Listed{ID: "sha256:" + strings.Repeat("0a", 32), Time: minute(50)}
			*list = append(*list, long)
			short := claimOf(long)
			short.Facts.ID = long.ID[:40]
			*export = append(*export, short)
			return nil
		}},
	} {
		list, export := hundred()
		var again []source.Listed
		if tt.change != nil {
			again = tt.change(&list, &export)
		}
		r := compare(tt.options, list, again, export)
		got := want{ids(r.Undelivered), ids(r.Vanished), ids(r.Changed)}
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(want{})); diff != "" || r.Clean() != (tt.want == want{}) || r.Reason != "" {
			t.Errorf("%s (-want +got): %s\n%+v", name, diff, r)
		}
	}
}

// noteOf is a note that says that an event was rejected.
func noteOf(id string) string {
	n := evidence.Note{Origin: "sluice/acme/x", Kind: evidence.Seal, Time: began, Lane: "acme/x", Size: 1, Tags: []evidence.Tag{{}}, Rejected: []evidence.Rejected{{ID: id}}}
	return n.Text() + "\n— key base64\n"
}

func TestListingCounts(t *testing.T) {
	var list []source.Listed
	for n := range 100 {
		list = append(list, listedEvent(n))
	}
	list = append(list, source.Listed{ID: "undated"})
	var export []*verify.Claim
	for n := range 78 {
		if n != 50 && n != 51 {
			export = append(export, claimOf(listedEvent(n)))
		}
	}
	export = append(export, &verify.Claim{Note: noteOf("e50")})
	r := compare(verify.ListingOptions{Wanted: func(e source.Listed) bool { return e.ID != "e51" }, Most: 1}, list, nil, export)
	want := verify.ListingReport{
		Organization: "acme", From: minute(10), To: minute(80), Listed: 101, Compared: 70, Delivered: 66, Filtered: 1, Rejected: 1,
		NotYetDue: 20, Undated: 1, Bytes: true, UndeliveredTotal: 2,
		Undelivered: []verify.Difference{{ID: "e78", Time: minute(78)}}, Vanished: []verify.Difference{}, Changed: []verify.Difference{},
	}
	if diff := cmp.Diff(&want, r, cmp.AllowUnexported(verify.Difference{})); diff != "" {
		t.Errorf("(-want +got): %s", diff)
	}
}

// Without a bound nothing is said to be missing.
func TestListingWithoutABound(t *testing.T) {
	l := verify.NewListing(verify.ListingOptions{Organization: "acme"})
	l.Begin()
	if r := l.Report(minute(90)); r.Reason == "" || !r.Clean() {
		t.Errorf("nothing listed: got %+v", r)
	}
	l.Listed(listedEvent(1))
	if r := l.Report(minute(90)); r.Reason == "" || !r.Clean() {
		t.Errorf("nothing delivered: got %+v", r)
	}
	l.Claim(claimOf(listedEvent(0)))
	for n := range 30 {
		l.Listed(listedEvent(n))
	}
	if r := l.Report(minute(0)); r.Reason == "" || !r.Clean() {
		t.Errorf("a note that is as old as the first event: got %+v", r)
	}
	if r := l.Report(time.Time{}); r.Reason == "" || !r.Clean() {
		t.Errorf("no note: got %+v", r)
	}
}
