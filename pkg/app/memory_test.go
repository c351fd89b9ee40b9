package app

import (
	"context"
	"path/filepath"
	"runtime/debug"
	"testing"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/transform/enrich/enrichtest"
)

// vast is a sink that wants to be handed much at once.
type vast struct{}

func (vast) Limits() sink.Limits                          { return sink.Limits{Bytes: 64 << 20} }
func (vast) Publish(context.Context, []sink.Record) error { return nil }
func (vast) Close() error                                 { return nil }

// What a sink declares makes the queues of its lane larger, and the collector is
// told of it.
func TestMemoryFollowsTheSinks(t *testing.T) {
	with := kinds()
	with.Sinks = append(with.Sinks, sink.NewType("vast", struct{}{},
		func(context.Context, sink.Env, struct{}) (sink.Sink, error) { return vast{}, nil }))
	const text = `
sources:
  - {name: acme, type: planetscale, settings: {organization: acme, access_token: token}}
sinks:
  - {name: small, type: file, settings: {path: audit.ndjson}}
  - {name: large, type: vast, enrich: {asn: "${ASN}"}}
`
	asn := filepath.Join(t.TempDir(), "asn.mmdb")
	enrichtest.Put(t, asn, enrichtest.ASN(t), enrichtest.Built)
	cfg, err := config.Parse("sluice.yaml", []byte(text), with, lookup(map[string]string{"ASN": asn}))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOMEMLIMIT", "")
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	w := newWorks(t.Context(), cfg, &files{}, zerolog.Nop())
	t.Cleanup(func() {
		if err := w.close(); err != nil {
			t.Error(err)
		}
	})
	for _, l := range cfg.Lanes() {
		if _, err := w.build(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	}
	lanes := w.built
	small, large := lanes[0].QueueBytes, lanes[1].QueueBytes
	if small != 16<<20 || large != pipeline.QueueBytes(vast{}.Limits()) {
		t.Errorf("queues of %d and %d bytes, want 16 MiB, and what QueueBytes says", small, large)
	}
	const walks = 2 * 48 << 20
	databases := 2 * int64(len(enrichtest.ASN(t)))
	if got, want := memoryFor(cfg, lanes, &w.stock), baseMemory+2*laneMemory+small+large+walks+databases; got != want {
		t.Errorf("memory of %d bytes, want %d", got, want)
	} else if limit := debug.SetMemoryLimit(-1); limit != want {
		t.Errorf("the collector's limit is %d bytes, want %d", limit, want)
	}
}
