package splunkhec_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/splunkhec/hectest"
)

// One bad event among 10,000, wherever it is and however the server counts.
func TestOneBadEvent(t *testing.T) {
	tests := []struct {
		name       string
		config     hectest.Config
		requests   int // more than without it, at most
		duplicates int // at most
	}{
		{"numbered from zero", hectest.Config{}, 3, 1},
		{"numbered from one", hectest.Config{OneBased: true}, 3, 1},
		{"without a number", hectest.Config{Unnumbered: true}, 11, 0},
		{"numbered from zero, acknowledged", hectest.Config{Ack: true}, 4, 499},
		{"numbered from one, acknowledged", hectest.Config{Ack: true, OneBased: true}, 4, 499},
		{"without a number, acknowledged", hectest.Config{Ack: true, Unnumbered: true}, 11, 0},
	}
	for _, test := range tests {
		for at, n := range map[int]int{0: 1000, 1: 600, 499: 1000, 500: 1000, 777: 1000, 999: 1000, 5003: 10_000} {
			if testing.Short() && n == 10_000 {
				continue
			}
			t.Run(fmt.Sprintf("%s, event %d", test.name, at), func(t *testing.T) {
				test.config.Refuse = isBad
				bubble(t, test.config, func(t *testing.T, r *rig) {
					records := batch(n)
					spoil(records, at)
					err := r.publish(t, records)
					if diff := cmp.Diff(map[int]string{at: "refused"}, outcome(n, err)); diff != "" {
						t.Errorf("outcome (-want +got):\n%s", diff)
					}
					wantReason(t, err, "400 Bad Request: Invalid data format (code 6)")
					wantIndexed(t, r, records, at)
					duplicates := len(r.Events()) - (n - 1)
					// They are before the bad one in its request. The first request cannot know of
					// acknowledgement.
					most := min(test.duplicates, at%500)
					if duplicates > most {
						t.Errorf("%d duplicates, want at most %d", duplicates, most)
					}
					if got, want := len(r.posts()), (n+499)/500+test.requests; got > want {
						t.Errorf("%d requests, want at most %d", got, want)
					}
				})
			})
		}
	}
}

func wantReason(t *testing.T, err error, reason string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), reason) {
		t.Errorf("got %v, want a reason with %q", err, reason)
	}
}

// wantIndexed checks that every good record is indexed at least once, and no bad one.
func wantIndexed(t *testing.T, r *rig, records []sink.Record, bad ...int) {
	t.Helper()
	times := r.indexed()
	for _, i := range bad {
		if times[records[i].ID] > 0 {
			t.Errorf("record %d is bad and was indexed", i)
		}
		delete(times, records[i].ID)
	}
	if got, want := len(times), len(records)-len(bad); got != want {
		t.Errorf("%d of %d records are indexed", got, want)
	}
}

// An indexer dies with the events before a bad one in its memory. It took them, but
// without an acknowledgement that proves nothing, from the first request on.
func TestEventsBeforeABadOneAreLost(t *testing.T) {
	for _, ack := range []string{"auto", "required"} {
		t.Run(ack, func(t *testing.T) {
			bubble(t, hectest.Config{Ack: true, AckDelay: time.Second, Refuse: isBad, Script: only(hectest.Fault{Move: true}, 2)}, func(t *testing.T, r *rig) {
				r.settings.Ack = ack
				records := batch(100)
				spoil(records, 40)
				if _, err := settle(t.Context(), r.open(t), records); err != nil {
					t.Fatal(err)
				}
				wantIndexed(t, r, records, 40)
			})
		})
	}
}

// With any number of bad events, any way to count, and any trouble in between, every
// delivered event is indexed, and exactly the bad events are refused.
func TestBadEventsInTrouble(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := hectest.Config{
			Ack: rapid.Bool().Draw(rt, "ack"), OneBased: rapid.Bool().Draw(rt, "one-based"),
			Unnumbered: rapid.Bool().Draw(rt, "unnumbered"), Refuse: isBad,
		}
		troubles := rapid.SliceOfN(rapid.IntRange(0, 12), 0, 30).Draw(rt, "troubles")
		c.Script = func(q hectest.Request) hectest.Fault {
			if len(troubles) == 0 {
				return hectest.Fault{}
			}
			n := troubles[0]
			troubles = troubles[1:]
			return trouble(n, q)
		}
		n := rapid.IntRange(1, 40).Draw(rt, "records")
		bad := rapid.SliceOfNDistinct(rapid.IntRange(0, n-1), 0, min(n, 6), rapid.ID[int]).Draw(rt, "bad")
		perRequest := rapid.IntRange(1, 20).Draw(rt, "events a request")
		var refused []string
		var times map[string]int
		var settled error
		bubble(t, c, func(t *testing.T, r *rig) {
			r.settings.MaxRequestEvents = perRequest
			records := batch(n)
			spoil(records, bad...)
			refused, settled = settle(t.Context(), r.open(t), records)
			times = r.indexed()
		})
		if settled != nil {
			rt.Fatal(settled)
		}
		isBad := map[string]bool{}
		for _, i := range bad {
			isBad[batch(n)[i].ID] = true
		}
		for _, id := range refused {
			if !isBad[id] {
				rt.Errorf("%s was refused, and is not bad", id)
			}
			delete(isBad, id)
		}
		if len(isBad) > 0 {
			rt.Errorf("bad, and not refused: %v", isBad)
		}
		if got, want := len(times), n-len(bad); got != want {
			rt.Errorf("%d of %d records are indexed: %v", got, want, times)
		}
	})
}

// trouble is a fault of some kind that passes.
func trouble(n int, q hectest.Request) hectest.Fault {
	half := q.Events / 2
	switch n {
	case 0:
		return hectest.Fault{Reset: true}
	case 1:
		return hectest.Fault{Reset: true, Handled: true}
	case 2:
		return hectest.Fault{Hang: true}
	case 3:
		return hectest.Fault{Answer: &hectest.Answer{Status: 503, Code: 9}}
	case 4:
		return hectest.Fault{Answer: &hectest.Answer{Status: 503, Code: 9, Number: &half}, Taken: half}
	case 5:
		return hectest.Fault{Answer: &hectest.Answer{Status: 502, HTML: true}, Handled: true}
	case 6:
		return hectest.Fault{Answer: &hectest.Answer{Status: 403, Code: 4}}
	case 7:
		return hectest.Fault{Move: true}
	case 8:
		if q.Events < 2 {
			return hectest.Fault{} // an event that is too large alone would be refused for good
		}
		return hectest.Fault{Answer: &hectest.Answer{Status: 413, HTML: true}}
	case 9:
		return hectest.Fault{Answer: &hectest.Answer{Status: 200, Raw: "<html>"}, Handled: true}
	}
	return hectest.Fault{}
}

// A proxy refuses requests over a limit that the sink does not know.
func TestTooLargeTogether(t *testing.T) {
	bubble(t, hectest.Config{MaxBytes: 4000}, func(t *testing.T, r *rig) {
		r.settings.Compression = "none"
		records := batch(100)
		records[42].Body = fmt.Appendf(nil, `{"pad":%q}`, strings.Repeat("x", 5000))
		err := r.publish(t, records)
		if diff := cmp.Diff(map[int]string{42: "refused"}, outcome(100, err)); diff != "" {
			t.Errorf("outcome (-want +got):\n%s", diff)
		}
		wantReason(t, err, "413 Request Entity Too Large: HTML")
		wantIndexed(t, r, records, 42)
		if got, want := len(r.Events()), 99; got != want {
			t.Errorf("%d events are indexed, want %d: nothing was indexed twice", got, want)
		}
	})
}

// A busy server reports how many events it took.
func TestServerStopsInTheMiddle(t *testing.T) {
	const n = 100
	for _, test := range []struct {
		name        string
		number      int
		ack         bool
		again       int // of the records, the last
		wantIndexed int
	}{
		{"in the middle", 40, false, 61, 101},
		{"before the first", 0, false, 100, 100},
		{"behind the last", n, false, 1, 101},
		{"beyond what was sent", n + 1, false, 100, 200},
		{"before anything", -1, false, 100, 100},
		{"in the middle, where only an acknowledgement counts", 40, true, 100, 140},
	} {
		t.Run(test.name, func(t *testing.T) {
			taken := min(max(test.number, 0), n)
			busy := hectest.Fault{Taken: taken, Answer: &hectest.Answer{Status: 503, Code: 9, Number: &test.number}}
			bubble(t, hectest.Config{Ack: test.ack, Script: only(busy, 2)}, func(t *testing.T, r *rig) {
				snk := r.open(t)
				if err := snk.Publish(t.Context(), []sink.Record{record(1000, "{}")}); err != nil {
					t.Fatal(err)
				}
				records := batch(n)
				said := outcome(n, snk.Publish(t.Context(), records))
				if got := len(said); got != test.again {
					t.Errorf("%d records must be sent again, want %d", got, test.again)
				}
				for i := range records {
					if want := i >= n-test.again; (said[i] == "again") != want {
						t.Fatalf("record %d: %q", i, said[i])
					}
				}
				if _, err := settle(t.Context(), snk, records[n-test.again:]); err != nil {
					t.Fatal(err)
				}
				wantIndexed(t, r, append(records, record(1000, "{}")))
				if got := len(r.Events()) - 1; got != test.wantIndexed {
					t.Errorf("%d events are indexed, want %d", got, test.wantIndexed)
				}
			})
		})
	}
}

// A destination that refuses every event does not get a request for each of thousands
// of records. Records that were not sent are neither refused nor delivered.
func TestEveryEventIsRefused(t *testing.T) {
	n := 8000
	if testing.Short() {
		n = 1000
	}
	for _, unnumbered := range []bool{false, true} {
		t.Run(fmt.Sprintf("unnumbered %v", unnumbered), func(t *testing.T) {
			nothing := func(hectest.Event) (code int) { return 6 }
			bubble(t, hectest.Config{Unnumbered: unnumbered, Refuse: nothing}, func(t *testing.T, r *rig) {
				err := r.publish(t, batch(n))
				times := map[string]int{}
				said := outcome(n, err)
				for _, what := range said {
					times[what]++
				}
				if len(said) != n || times["refused"] < 100 || times["refused"] > 110 {
					t.Errorf("got %v, want some 100 refused and all others to be sent again", times)
				}
				if got := len(r.posts()); got > 1200 {
					t.Errorf("%d requests about %d records", got, n)
				}
				wantReason(t, err, "stopped after 100 refused records in a row")
			})
		})
	}
}

// Bad events between good ones do not stop a Publish.
func TestManyBadEvents(t *testing.T) {
	for _, ack := range []bool{false, true} {
		bubble(t, hectest.Config{Ack: ack, Refuse: isBad}, func(t *testing.T, r *rig) {
			records := batch(2000)
			var bad []int
			for i := 5; i < len(records); i += 10 {
				bad = append(bad, i)
			}
			spoil(records, bad...)
			if got := outcome(len(records), r.publish(t, records)); len(got) != len(bad) || got[5] != "refused" {
				t.Errorf("%d records were not delivered, want %d refused", len(got), len(bad))
			}
			wantIndexed(t, r, records, bad...)
		})
	}
}
