package baseline

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/cef"
	"github.com/sluice-siem/sluice/pkg/transform/ecs"
	"github.com/sluice-siem/sluice/pkg/transform/leef"
	"github.com/sluice-siem/sluice/pkg/transform/ocsf"
)

// pages are answers of the simulator with a hundred events each. There are so many that
// neither caches nor branch predictors remember one until it is used again. The log is
// tame, since the first number beyond a float64 would end the script.
func pages(t testing.TB, n int) [][]byte {
	server := simulator.New(simulator.Config{Seed: 1, Events: n * 100, Organization: "acme", Tame: true})
	script := &Script{URL: "http://simulator", Organization: "acme", Client: &http.Client{Transport: server.Transport()}}
	var all [][]byte
	for cursor, more := "", true; more; {
		body, err := script.fetch(t.Context(), cursor)
		if err != nil {
			t.Fatal(err)
		}
		if cursor, more, err = nextCursor(body); err != nil {
			t.Fatal(err)
		}
		all = append(all, body)
	}
	return all
}

// formats are the ones that are measured. The script always makes ECS.
var formats = []transform.Format{ecs.Format, cef.Format, leef.Format, ocsf.Format}

func newEncoder(t testing.TB, f transform.Format) transform.Transformer {
	encoder, err := f.New(transform.Options{Original: true, Product: planetscale.Type().Product, Catalogue: catalogue()})
	if err != nil {
		t.Fatal(err)
	}
	return encoder
}

func TestDocumentsAreThoseOfSluice(t *testing.T) {
	body := pages(t, 1)[0]
	var got bytes.Buffer
	out := bufio.NewWriter(&got)
	script := &Script{Organization: "acme"}
	if _, err := script.write(out, body); err != nil {
		t.Fatal(err)
	}
	if err := out.Flush(); err != nil {
		t.Fatal(err)
	}
	events, err := planetscale.Parse(body, "acme")
	if err != nil {
		t.Fatal(err)
	}
	encoder := newEncoder(t, ecs.Format)
	for i := range events {
		want, err := encoder.Transform(nil, &events[i])
		if err != nil {
			t.Fatal(err)
		}
		line, err := got.ReadBytes('\n')
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(document(t, want.Body), document(t, line)); diff != "" {
			t.Errorf("event %d (-Sluice +script):\n%s", i, diff)
		}
	}
}

// document decodes a document, and the JSON within it, without the time at which
// the event was read.
func document(t *testing.T, text []byte) object {
	var o object
	if err := json.Unmarshal(text, &o); err != nil {
		t.Fatal(err)
	}
	delete(o["event"].(object), "created")
	audit := o["planetscale"].(object)["audit"].(object)
	if text, ok := audit["metadata"].(string); ok {
		var metadata any
		if err := json.Unmarshal([]byte(text), &metadata); err != nil {
			t.Fatal(err)
		}
		audit["metadata"] = metadata
	}
	return o
}

// turn is the number of pages that the script and Sluice each process before the other
// continues.
const turn = 10

// BenchmarkDecodeAndEncode turns pages of a hundred events into records in each format.
// Each iteration processes ten pages with the script and the same ten with Sluice. The
// figures are medians.
func BenchmarkDecodeAndEncode(b *testing.B) {
	all := pages(b, 20*turn)
	for _, f := range formats {
		b.Run(f.Name, func(b *testing.B) {
			shown := figures{}
			for i := 0; b.Loop(); i = (i + turn) % len(all) {
				decodeAndEncode(b, shown, f, all[i:i+turn])
			}
			shown.report(b)
		})
	}
}

// decodeAndEncode adds the figures of some pages, by the script and by Sluice.
func decodeAndEncode(t testing.TB, to figures, f transform.Format, bodies [][]byte) {
	theirs := perEvent(t, to, "script", bodies, scriptWork())
	ours := perEvent(t, to, "sluice", bodies, sluiceWork(t, f))
	to.add("times-faster", theirs/ours)
}

func scriptWork() func(body []byte) error {
	script, out := &Script{Organization: "acme"}, bufio.NewWriter(io.Discard)
	return func(body []byte) error {
		_, err := script.write(out, body)
		return err
	}
}

func sluiceWork(t testing.TB, f transform.Format) func(body []byte) error {
	encoder, room := newEncoder(t, f), make([]byte, 0, 64<<10)
	return func(body []byte) error {
		events, err := planetscale.Parse(body, "acme")
		if err != nil {
			return err
		}
		for i := range events {
			if _, err := encoder.Transform(room, &events[i]); err != nil {
				return err
			}
		}
		return nil
	}
}

// perEvent adds what pages of a hundred events cost, and returns nanoseconds.
func perEvent(t testing.TB, to figures, name string, bodies [][]byte, work func([]byte) error) float64 {
	events := 100 * float64(len(bodies))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	for _, body := range bodies {
		if err := work(body); err != nil {
			t.Fatal(err)
		}
	}
	took := float64(time.Since(began).Nanoseconds()) / events
	runtime.ReadMemStats(&after)
	to.add(name+"-ns/event", took)
	to.add(name+"-allocs/event", float64(after.Mallocs-before.Mallocs)/events)
	return took
}
