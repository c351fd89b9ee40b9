package objects_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/internal/objects"
)

// The objects of the lanes are read, of all organizations and deliveries, and nobody else's.
func TestReadBack(t *testing.T) {
	r := newRig(t)
	l := take(t, r.open(t), "")
	commit(t, l, batch(0, 3), "1")
	for i, organization := range []string{"acme-2", "", "../a b"} {
		records := batch(3+i, 4+i)
		records[0].Organization = organization
		commit(t, l, records, fmt.Sprint(2+i))
	}
	again := r.openEnv(t, sink.Env{Lane: lane, Source: "acme", Again: true, Log: zerolog.Nop()})
	if err := again.Publish(t.Context(), batch(6, 7)); err != nil {
		t.Fatal(err)
	}
	r.settings.Compression = "none"
	r.settings.Delivery = objects.AtLeastOnce
	if err := r.openEnv(t, sink.Env{Lane: "sluice/archive", Log: zerolog.Nop()}).Publish(t.Context(), batch(7, 8)); err != nil {
		t.Fatal(err)
	}
	for _, other := range []string{"acme/archived", "globex/archive"} {
		if err := r.openEnv(t, sink.Env{Lane: other, Log: zerolog.Nop()}).Publish(t.Context(), batch(90, 91)); err != nil {
			t.Fatal(err)
		}
	}
	// A damaged object, which somebody put there.
	broken := "organization=acme/date=2026-12-01/hour=00/acme.archive-000000000099-00000000.ndjson.gz"
	if err := r.store.Put(t.Context(), "audit/"+broken, objectstore.Object{Body: []byte("{}\n"), Type: "application/gzip"}); err != nil {
		t.Fatal(err)
	}

	var log bytes.Buffer
	var got []string
	lanes := []sink.Env{{Lane: lane, Log: zerolog.New(&log)}, {Lane: "sluice/archive", Log: zerolog.New(&log)}}
	err := r.settings.ReadBack(t.Context(), lanes, sink.Access{}, func(s sink.Stored) error {
		if !strings.Contains(s.Place, "organization=") || s.Line < 1 {
			t.Errorf("got the place %s:%d", s.Place, s.Line)
		}
		got = append(got, string(s.Body)+" "+s.Lane)
		return nil
	})
	slices.Sort(got)
	var want []string
	for n := range 7 {
		want = append(want, fmt.Sprintf(`{"n":%d} %s`, n, lane))
	}
	want = append(want, `{"n":7} sluice/archive`)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if !strings.Contains(log.String(), broken) {
		t.Errorf("the damaged object is not told of: %s", log.String())
	}
}

// More objects than a page has are read.
func TestReadBackBeyondAPage(t *testing.T) {
	r := newRig(t)
	for n := range objectstore.Page + 10 {
		key := fmt.Sprintf("audit/organization=acme/date=2026-12-01/hour=%02d/acme.archive-%012d-00000000.ndjson", n/100, n)
		if err := r.store.Put(t.Context(), key, objectstore.Object{Body: []byte("{}\n"), Type: "application/x-ndjson"}); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	err := r.settings.ReadBack(t.Context(), []sink.Env{{Lane: lane}}, sink.Access{}, func(sink.Stored) error { n++; return nil })
	if err != nil || n != objectstore.Page+10 {
		t.Errorf("got %d records, %v", n, err)
	}
	r.repair()
	if err := r.settings.ReadBack(t.Context(), nil, sink.Access{Token: "x"}, nil); err == nil {
		t.Error("a token that has no use is taken")
	}
}
