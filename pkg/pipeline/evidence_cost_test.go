package pipeline_test

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/ecs"
)

// product is whose log an endless source is.
var product = source.Product{
	Vendor: "Acme", Name: "Acme Vault", Feature: "Audit Log", Version: "1", Dataset: "acme.audit", Objects: [2]string{"secret", "vault"},
	Keys: source.Keys{ID: "id", Time: "created_at", Action: "action"},
}

// costly is an endless source of ordinary events, and stores and a sink that count.
type costly struct {
	endless
	records, bytes, notes, noteBytes int
	positions                        []int // sizes
}

func newCostly(pages int) *costly {
	c := &costly{endless: *newEndless(pages)}
	for i := range c.page.Events {
		e := &c.page.Events[i]
		e.ID, e.Time, e.RemoteIP = fmt.Sprintf("q7x2mk9d%04d", i), time.Unix(1_700_000_000+int64(i), 0).UTC(), "203.0.113.7"
		e.Actor = source.Party{ID: "u4x8ab12cd34", Type: "user", Name: "Ann"}
		e.Objects = [2]source.Party{{ID: "d8s0k2lq91xz", Type: "secret", Name: "db"}, {ID: "p3k9d0a2m4", Type: "vault", Name: "main"}}
	}
	return c
}

func (c *costly) Publish(_ context.Context, batch []sink.Record) error {
	for i := range batch {
		if isNote(batch[i].Action) {
			c.notes++
			c.noteBytes += len(batch[i].Body)
			continue
		}
		c.records++
		c.bytes += len(batch[i].Body)
	}
	return nil
}
func (c *costly) Close() error                                          { return nil }
func (c *costly) Load(context.Context, string) (source.Position, error) { return position(0), nil }
func (c *costly) Put(context.Context, string, []sink.Reject) error      { return nil }
func (c *costly) Save(_ context.Context, _ string, pos source.Position) error {
	c.positions = append(c.positions, len(pos))
	return nil
}

// processorTime is what the process has used until now.
func processorTime(tb testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// spend runs a lane over pages of 100 events, and returns the processor time that it took.
func spend(tb testing.TB, pages int, w *evidence.Writer) (*costly, time.Duration) {
	c := newCostly(pages)
	format, err := ecs.Format.New(transform.Options{Product: product, Original: true, Host: "sluice-1", Version: "1.0.0"})
	if err != nil {
		tb.Fatal(err)
	}
	b := newRig(&eventLog{}, nil)
	b.Source, b.Positions, b.DeadLetters, b.Once, b.Transformer, b.Evidence = c, c, c, true, format, w
	b.Lane.Open = func(context.Context) (sink.Sink, error) { return c, nil }
	before := processorTime(tb)
	if err := b.Run(context.Background()); err != nil {
		tb.Fatal(err)
	}
	return c, processorTime(tb) - before
}

// BenchmarkEvidence compares lanes without and with evidence, in turns.
func BenchmarkEvidence(b *testing.B) {
	const pages = 200
	w := &evidence.Writer{Key: keys[0], Keys: product.Keys, Organization: "acme", Settings: "settings"}
	var without, with time.Duration
	var plain, sealed *costly
	events := 0
	for b.Loop() {
		var spent time.Duration
		plain, spent = spend(b, pages, nil)
		without += spent
		sealed, spent = spend(b, pages, w)
		with += spent
		events += pages * 100
	}
	perEvent := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / float64(events) }
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(perEvent(without), "ns-cpu/event-without")
	b.ReportMetric(perEvent(with), "ns-cpu/event-with")
	b.ReportMetric(perEvent(with-without), "ns-cpu/event-evidence")
	b.ReportMetric(100*float64(sealed.bytes-plain.bytes)/float64(plain.bytes), "%-bytes/record")
	b.ReportMetric(100*float64(sealed.bytes+sealed.noteBytes-plain.bytes)/float64(plain.bytes), "%-bytes-with-notes")
	b.ReportMetric(float64(sealed.noteBytes)/float64(max(sealed.notes, 1)), "bytes/note")
	slices.Sort(sealed.positions)
	b.ReportMetric(float64(sealed.positions[len(sealed.positions)/2]), "bytes/position-median")
	b.ReportMetric(float64(slices.Max(sealed.positions)), "bytes/position-most")
	b.ReportMetric(float64(slices.Max(plain.positions)), "bytes/position-without")
}
