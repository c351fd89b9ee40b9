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
	"github.com/sluice-siem/sluice/pkg/transform/ecs"
)

// pages are answers of the simulator with a hundred events each, enough of them
// that neither caches nor branch predictors know one when it comes again. A tame
// log has nothing in it that the API is not known to send.
func pages(t testing.TB, n int, tame bool) [][]byte {
	server := simulator.New(simulator.Config{Seed: 1, Events: n * 100, Organization: "acme", Tame: tame})
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

func newECS(t testing.TB) transform.Transformer {
	encoder, err := ecs.Format.New(transform.Options{Original: true})
	if err != nil {
		t.Fatal(err)
	}
	return encoder
}

func TestDocumentsAreThoseOfSluice(t *testing.T) {
	body := pages(t, 1, true)[0]
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
	encoder := newECS(t)
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

// document decodes a document without the time at which the event was read.
func document(t *testing.T, text []byte) object {
	var o object
	if err := json.Unmarshal(text, &o); err != nil {
		t.Fatal(err)
	}
	delete(o["event"].(object), "created")
	return o
}

// BenchmarkDecodeAndEncode turns pages of a hundred events into their ECS
// documents: an iteration is one page with the script and the same one with
// Sluice. The figures are medians.
func BenchmarkDecodeAndEncode(b *testing.B) {
	for name, tame := range map[string]bool{"tame": true, "hostile": false} {
		b.Run(name, func(b *testing.B) {
			all, shown := pages(b, 200, tame), figures{}
			for i := 0; b.Loop(); i++ {
				decodeAndEncode(b, shown, all[i%len(all)])
			}
			shown.report(b)
		})
	}
}

// decodeAndEncode adds the figures of a page, by the script and by Sluice.
func decodeAndEncode(t testing.TB, to figures, body []byte) {
	theirs := perEvent(t, to, "script", scriptWork(body))
	ours := perEvent(t, to, "sluice", sluiceWork(t, body))
	to.add("times-faster", theirs/ours)
}

func scriptWork(body []byte) func() error {
	script, out := &Script{Organization: "acme"}, bufio.NewWriter(io.Discard)
	return func() error {
		_, err := script.write(out, body)
		return err
	}
}

func sluiceWork(t testing.TB, body []byte) func() error {
	encoder, room := newECS(t), make([]byte, 0, 64<<10)
	return func() error {
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

// perEvent adds what a page of a hundred events cost, and returns nanoseconds.
func perEvent(t testing.TB, to figures, name string, work func() error) float64 {
	const events = 100
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	if err := work(); err != nil {
		t.Fatal(err)
	}
	took := float64(time.Since(began).Nanoseconds()) / events
	runtime.ReadMemStats(&after)
	to.add(name+"-ns/event", took)
	to.add(name+"-allocs/event", float64(after.Mallocs-before.Mallocs)/events)
	return took
}
