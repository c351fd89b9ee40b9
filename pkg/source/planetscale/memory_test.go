package planetscale_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/memory"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// TestALaneHoldsMemoryWhileItReturnsEvents lets two lanes share one turn. A lane has it
// from its first page until all events were taken, and not while it polls.
func TestALaneHoldsMemoryWhileItReturnsEvents(t *testing.T) {
	eachOrder(t, "", simulator.Config{Events: 2500}, func(t *testing.T, f *follower) {
		budget := memory.New(memory.Turn)
		f.memory = budget.Share()
		other := follow(t, simulator.New(simulator.Config{Events: 2500}), defaults)
		other.memory = budget.Share()
		defer other.close()
		f.save(f.events())
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if p, ok := other.page(ctx); ok {
			t.Fatalf("a lane without a turn returned %d events", len(p.Events))
		}
		f.catchUp()
		f.run(time.Minute)
		other.catchUp()
		other.run(time.Minute)
		for _, lane := range []*follower{f, other} {
			lane.wantAll(1)
			lane.run(time.Minute)
			lane.server.Append(30)
			lane.run(time.Minute)
			lane.wantAll(1)
		}
		if got := budget.Usage().Held; got != 0 {
			t.Errorf("idle lanes hold %d bytes", got)
		}
	})
}

// TestAPollThatFindsEventsWaitsForMemory lets a lane that polled wait for its turn. It
// polls again when its turn comes, so it delivers what came meanwhile, too.
func TestAPollThatFindsEventsWaitsForMemory(t *testing.T) {
	eachOrder(t, "", simulator.Config{Events: 50}, func(t *testing.T, f *follower) {
		budget := memory.New(memory.Turn)
		f.memory = budget.Share()
		other := budget.Share()
		f.run(time.Minute)
		if err := other.Enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		ids := f.server.Append(10)
		f.run(time.Minute)
		if f.seen[ids[0]] > 0 {
			t.Error("a lane without a turn returned events")
		}
		f.server.Append(5)
		other.Leave()
		f.run(time.Minute)
		f.wantAll(1)
	})
}

// TestALaneGetsItsTurn lets two other lanes use the only turn all the time. A lane with
// events waits for its turn and keeps it until it returned them.
func TestALaneGetsItsTurn(t *testing.T) {
	eachOrder(t, "", simulator.Config{Events: 50}, func(t *testing.T, f *follower) {
		budget := memory.New(memory.Turn)
		f.memory = budget.Share()
		f.run(time.Minute)
		ctx, stop := context.WithCancel(t.Context())
		var others sync.WaitGroup
		for range 2 {
			other := budget.Share()
			others.Go(func() {
				for ctx.Err() == nil && other.Enter(ctx) == nil {
					time.Sleep(10 * time.Second)
					other.Leave()
				}
			})
		}
		time.Sleep(time.Second)
		f.server.Append(10)
		f.run(time.Minute)
		f.wantAll(1)
		stop()
		others.Wait()
	})
}
