package lease_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/internal/objectstore/objectstoretest"
)

// event is what happens to a fleet at a time.
type event struct {
	kind  string
	which int           // replica
	pause time.Duration // before the next one
}

var events = []string{"join", "join", "stop", "kill", "cut", "mend", "slow", "fast", "follow", "wait", "faults", "no faults"}

// TestModel lets replicas come, go, die, and lose the store, with requests that are slow,
// fail, or arrive late. No two of them ever run one source at once. Once that ends, each
// source is run, and evenly.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		list := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) event {
			return event{
				rapid.SampledFrom(events).Draw(rt, "kind"), rapid.IntRange(0, 4).Draw(rt, "which"),
				time.Duration(rapid.IntRange(0, 60_000).Draw(rt, "pause")) * time.Millisecond,
			}
		}), 1, 24).Draw(rt, "events")
		var problem string
		synctest.Test(t, func(*testing.T) { problem = play(list, rand.New(&dice{PCG: rand.NewPCG(seed, 0)})) })
		if problem != "" {
			rt.Fatal(problem)
		}
	})
}

// dice may be used by several replicas at once.
type dice struct {
	mu sync.Mutex
	*rand.PCG
}

func (d *dice) Uint64() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.PCG.Uint64()
}

func play(list []event, chance *rand.Rand) string {
	f := newFleet()
	defer func() {
		f.stopAll()
		time.Sleep(time.Hour)
	}()
	p := player{fleet: f, chance: chance, alive: []*replica{f.join("r0", six...)}}
	for _, e := range list {
		p.happen(e)
		time.Sleep(e.pause)
		if len(f.overlaps) > 0 {
			return strings.Join(f.overlaps, "\n")
		}
	}
	f.store.Interfere(nil)
	for _, r := range p.alive {
		r.line.mend()
		r.line.slow(nil)
		r.follow(six...)
	}
	time.Sleep(takeover)
	synctest.Wait()
	if n := len(f.running()); n != len(six) {
		return fmt.Sprintf("only %d sources are run: %v", n, f.running())
	}
	time.Sleep(12 * takeover) // A source that was kept from a replica may go to it now.
	synctest.Wait()
	share, least, most := f.share(), len(six), 0
	for _, r := range p.alive {
		least, most = min(least, share[r.name]), max(most, share[r.name])
	}
	if most-least > 1 || len(f.running()) != len(six) {
		return fmt.Sprintf("%d replicas share unevenly: %v", len(p.alive), share)
	}
	return strings.Join(f.overlaps, "\n")
}

type player struct {
	fleet  *fleet
	chance *rand.Rand
	alive  []*replica
	joined int
}

func (p *player) happen(e event) {
	if e.kind == "join" && len(p.alive) < 5 {
		p.joined++
		r := p.fleet.join(fmt.Sprint("r", p.joined), six...)
		r.slowly(time.Duration(p.chance.Int64N(int64(4 * time.Second)))) // of the 4 s that they have
		p.alive = append(p.alive, r)
		return
	}
	r := p.alive[e.which%len(p.alive)]
	switch e.kind {
	case "stop", "kill":
		if len(p.alive) == 1 {
			return
		}
		p.alive = slices.DeleteFunc(p.alive, func(other *replica) bool { return other == r })
		if e.kind == "kill" {
			r.kill()
			return
		}
		r.end()
	case "cut":
		r.line.cut()
	case "mend":
		r.line.mend()
	case "slow":
		most := p.chance.Int64N(int64(20 * time.Second))
		r.line.slow(func() (time.Duration, time.Duration) {
			return time.Duration(p.chance.Int64N(most + 1)), time.Duration(p.chance.Int64N(most + 1))
		})
	case "fast":
		r.line.slow(nil)
	case "follow":
		r.follow(six[:p.chance.IntN(len(six)+1)]...)
	case "faults":
		p.fleet.store.Interfere(func(objectstoretest.Op, string) objectstoretest.Fault {
			if p.chance.IntN(3) > 0 {
				return objectstoretest.None
			}
			return objectstoretest.Faults[p.chance.IntN(len(objectstoretest.Faults))]
		})
	case "no faults":
		p.fleet.store.Interfere(nil)
		for p.fleet.store.Late() > 0 { // They arrive at last, in any order.
			p.fleet.store.Arrive(p.chance.IntN(p.fleet.store.Late()))
		}
	}
}
