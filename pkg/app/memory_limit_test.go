package app

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime/debug"
	"testing"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/internal/memory"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform/enrich/enrichtest"
)

// vast is a sink with large batches.
type vast struct{}

func (vast) Limits() sink.Limits                          { return sink.Limits{Bytes: 64 << 20} }
func (vast) Publish(context.Context, []sink.Record) error { return nil }
func (vast) Close() error                                 { return nil }

// The limits of a sink enlarge the queues of its lane, and the memory limit with them.
func TestMemoryFollowsTheSinks(t *testing.T) {
	with := kinds()
	with.Own = source.Type{}
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
	b := newBuilder(t.Context(), cfg, &files{}, zerolog.Nop())
	t.Cleanup(func() {
		if err := b.close(); err != nil {
			t.Error(err)
		}
	})
	for _, l := range cfg.Lanes() {
		if _, err := b.build(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	}
	const small, walks = 16 << 20, 2 * 44 << 20
	large := pipeline.QueueBytes(vast{}.Limits())
	databases := 2 * int64(len(enrichtest.ASN(t)))
	for budget, want := range map[int64]int64{1 << 30: small + large + walks + 2*idleMemory, 64 << 20: 64 << 20} {
		b.memory.budget, b.memory.set = memory.New(budget), 0
		b.memory.add(&pipeline.Lane{}, nil, databases/2) // The third lane holds nothing.
		want += heapMemory + databases
		if got := debug.SetMemoryLimit(-1); got != want {
			t.Errorf("with a budget of %d bytes the collector's limit is %d, want %d", budget, got, want)
		}
	}
}

// Each lane of thousands would otherwise wait until a collection ends.
func TestTheMemoryLimitIsSeldomSet(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "")
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	const lanes = 3000
	m := newMemoryLimit(defaultMemory, lanes)
	times := 0
	for i := range lanes {
		was := m.set
		m.add(&pipeline.Lane{Name: fmt.Sprint(i), QueueBytes: 16 << 20}, nil, 0)
		if m.set != was {
			times++
		}
		if got, want := debug.SetMemoryLimit(-1), m.bytes(); got < want*8/9 {
			t.Fatalf("with %d lanes the limit is %d, want %d or up to an eighth less", i+1, got, want)
		}
	}
	if times > 20 {
		t.Errorf("the limit was set %d times for %d lanes, want at most 20", times, lanes)
	}
}

// Lanes hold memory while they are idle, too. They take it from what makes bursts faster,
// and leave the turns without which no lane goes on.
func TestIdleLanesDrawOnTheBudget(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "")
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	const budget, fit, lanes = 4 << 20, 2 << 20 / idleMemory, 100
	m := newMemoryLimit(budget, lanes)
	m.add(&pipeline.Lane{Name: "acme/siem", QueueBytes: 16 << 20}, nil, 0)
	if got, want := m.bytes(), int64(heapMemory+budget+(lanes-fit)*idleMemory); got != want {
		t.Errorf("the collector's limit is %d, want %d", got, want)
	}
	first, second := m.budget.Share(), m.budget.Share()
	if first.Grow(1) || !first.TryEnter() || !second.TryEnter() {
		t.Error("idle lanes leave memory to grow by, or no turn")
	}
}

// A limit below what is in use would keep the collector running.
func TestTheMemoryLimitLeavesRoom(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "")
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	m := newMemoryLimit(defaultMemory, 1)
	m.add(&pipeline.Lane{Name: "acme/siem", QueueBytes: 16 << 20}, nil, 0)
	counted := debug.SetMemoryLimit(-1)
	for _, tt := range []struct {
		held, live, want int64
	}{
		{32 << 20, counted / 2, counted},
		{32 << 20, 4 * counted, 5 * counted},
		{32 << 20, 4 * counted * 17 / 16, 5 * counted}, // a change of less than an eighth
		{0, 4 * counted, 6 * counted},
		{0, counted / 2, counted},
	} {
		lane := m.budget.Share()
		if !lane.Grow(tt.held) {
			t.Fatalf("the budget has no room for %d bytes", tt.held)
		}
		m.leaveRoom(memoryUse{live: tt.live})
		lane.Shrink(tt.held)
		if got := debug.SetMemoryLimit(-1); got != tt.want {
			t.Errorf("with %d bytes live and %d held the limit is %d, want %d", tt.live, tt.held, got, tt.want)
		}
	}
}

// Each lane draws on the one budget.
func TestLanesShareTheMemory(t *testing.T) {
	s := newStage()
	b := newBuilder(t.Context(), s.config(t, "memory: 8MiB\n"+staged), newInMemory(), zerolog.Nop())
	t.Cleanup(func() {
		if err := b.close(); err != nil {
			t.Error(err)
		}
	})
	for _, l := range b.cfg.Lanes() {
		lane, err := b.build(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		held := b.memory.budget.Usage().Held
		if lane.Memory.Grow(1); b.memory.budget.Usage().Held != held+1 {
			t.Errorf("lane %s has memory of its own", l.Name)
		}
	}
	if got := b.memory.budget.Usage().Size; got != 8<<20 {
		t.Errorf("the budget is %d bytes, want the 8 MiB of the configuration", got)
	}
}
