package transform_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

func TestNewRecord(t *testing.T) {
	at := time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)
	e := source.Event{ID: "e1", Organization: "acme", Action: "database.created", Time: at, Late: true,
		Auditable: source.Party{ID: "a1"}, Target: source.Party{ID: "t1"}}
	want := sink.Record{ID: "e1", Organization: "acme", Action: "database.created", Key: "acme/a1", Format: "f",
		MediaType: "m", Time: at, Severity: 4, Late: true, Unmapped: true, Body: []byte("b")}
	if diff := cmp.Diff(want, transform.NewRecord(&e, "f", "m", &transform.Action{Severity: 4}, []byte("b"))); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
}

func TestKey(t *testing.T) {
	for want, e := range map[string]source.Event{
		"acme/a1": {ID: "e1", Organization: "acme", Auditable: source.Party{ID: "a1"}, Target: source.Party{ID: "t1"}},
		"acme/t1": {ID: "e1", Organization: "acme", Target: source.Party{ID: "t1"}},
		"acme/e1": {ID: "e1", Organization: "acme"},
	} {
		if got := transform.NewRecord(&e, "", "", &transform.Action{}, nil).Key; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestTime(t *testing.T) {
	good := time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)
	read := good.Add(time.Second)
	for _, tt := range []struct {
		words            string
		at, seen, expect time.Time
	}{
		{"its own", good, read, good},
		{"in UTC", good.In(time.FixedZone("", 3600)), read, good},
		{"of reading where its own is missing", time.Time{}, read, read},
		{"of reading where its own is before 1970", time.Unix(-1, 0), read, read},
		{"of reading where its own is after 9999", time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), read, read},
		{"1970 where both are missing", time.Time{}, time.Time{}, time.Unix(0, 0).UTC()},
	} {
		t.Run(tt.words, func(t *testing.T) {
			if got := transform.Time(&source.Event{Time: tt.at, Read: tt.seen}); got != tt.expect {
				t.Errorf("got %v, want %v", got, tt.expect)
			}
		})
	}
}

func TestLimit(t *testing.T) {
	for in, want := range map[int]int{0: 1 << 20, 5: 5} {
		if got, err := (transform.Options{MaxBytes: in}).Limit(); got != want || err != nil {
			t.Errorf("%d: got %d and %v, want %d", in, got, err, want)
		}
	}
	if _, err := (transform.Options{MaxBytes: -1}).Limit(); err == nil || err.Error() != "largest record: -1 bytes is negative" {
		t.Errorf("got %v, want that the limit is negative", err)
	}
	if err := transform.TooLarge(9, 8); !errors.Is(err, transform.ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
}
