package transform_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// record returns the record of an event in a format that writes the body "b". The
// catalogue differs from the common one in the severity of creating.
func record(t *testing.T, e *source.Event) sink.Record {
	t.Helper()
	c, err := transform.ParseCatalogue([]byte(`{"verbs":{"created":{"severity":4,"reason":"it is new"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	tr, err := transform.NewTransformer("f", "m", transform.Options{Catalogue: c},
		func(dst []byte, _ *source.Event, _ *transform.Action, _ int) ([]byte, bool, error) {
			return append(dst, 'b'), true, nil
		})
	if err != nil {
		t.Fatal(err)
	}
	r, err := tr.Transform(nil, e)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRecord(t *testing.T) {
	at := time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)
	e := source.Event{ID: "e1", Organization: "acme", Action: "database.created", Time: at, Late: true,
		Objects: [2]source.Party{{ID: "a1"}, {ID: "t1"}}}
	want := sink.Record{ID: "e1", Organization: "acme", Action: "database.created", Key: "acme/a1", Format: "f",
		MediaType: "m", Time: at, Severity: 4, Late: true, Unmapped: true, Body: []byte("b")}
	if diff := cmp.Diff(want, record(t, &e)); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
}

func TestKey(t *testing.T) {
	for want, e := range map[string]source.Event{
		"acme/a1": {ID: "e1", Organization: "acme", Objects: [2]source.Party{{ID: "a1"}, {ID: "t1"}}},
		"acme/t1": {ID: "e1", Organization: "acme", Objects: [2]source.Party{1: {ID: "t1"}}},
		"acme/e1": {ID: "e1", Organization: "acme"},
	} {
		if got := record(t, &e).Key; got != want {
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
		t.Errorf("got %v, want an error that the limit is negative", err)
	}
	if err := transform.TooLarge(9, 8); !errors.Is(err, transform.ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
}

// A format that promises JSON objects writes the names of the product into each as they
// are. Without them its records would be no JSON, and nobody would look.
func TestAnObjectNeedsAProduct(t *testing.T) {
	if _, err := transform.NewObjectTransformer("f", "m", transform.Options{}, nil); err == nil || !strings.Contains(err.Error(), "f: the field Product.Vendor is empty") {
		t.Errorf("got %v, want an error that names what the product lacks", err)
	}
}
