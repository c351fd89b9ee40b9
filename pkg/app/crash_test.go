package app_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// The power fails at every step of a lane: around each request, within and around each
// Publish, and around each save. It fails several times. Each life is as many steps long
// as the first. Then the lane catches up.
func TestPowerFailsAtEveryStep(t *testing.T) {
	const upTo = 400
	for steps := 1; ; steps++ {
		var died int
		synctest.Test(t, func(t *testing.T) { died = lives(t, steps) })
		if t.Failed() {
			t.Fatalf("with the power failing after %d steps", steps)
		}
		if died == 0 {
			t.Logf("a life is %d steps long", steps-1)
			return
		}
		if steps == upTo {
			t.Fatalf("a life has more than %d steps, so the test did not reach its end", upTo)
		}
	}
}

// lives runs a lane that dies three times, and returns how often the power failed before
// the lane was done.
func lives(t *testing.T, steps int) (died int) {
	api := simulator.New(simulator.Config{Seed: 3, Events: 250, Spacing: 10 * time.Second, Rate: 3, Latency: 20 * time.Millisecond})
	late := map[string]bool{}
	api.Script(func(r simulator.Request) simulator.Fault {
		if r.N%3 == 0 { // Some events become visible after later ones.
			late[api.Insert(simulator.Draft{Created: time.Now().Add(-5 * time.Second)})] = true
		}
		return simulator.Fault{}
	})
	to, saved := &destination{}, &memory{}
	for range 3 {
		p := &power{left: steps}
		live(t, api, p, to, saved)
		if p.failed() {
			died++
		}
	}
	place := places(api)
	live(t, api, &power{forever: true}, to, saved)
	judge(t, place, late, to.deliveries())
	return died
}

// live runs a lane for some polls, until the power fails, or, if the power lasts for
// ever, until it has caught up.
func live(t *testing.T, api *simulator.Server, p *power, to *destination, saved *memory) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	if p.forever {
		ctx, cancel = context.WithCancel(t.Context())
	}
	defer cancel()
	p.off = cancel
	src := newSource(t, powered{api.Transport(), p}, time.Second)
	lane := newLane(t, "acme/siem", src, poweredSink{to, p}, poweredPositions{saved, p})
	lane.Once = p.forever
	if err := errors.Join(lane.Run(ctx), src.Close()); err != nil {
		t.Error(err)
	}
}

// judge compares what was delivered with the log.
func judge(t *testing.T, place map[string]int, late map[string]bool, delivered []delivery) {
	seen := map[string]bool{}
	newest := -1
	for _, d := range delivered {
		if d.Action == "sluice.gap" {
			t.Errorf("a false gap")
		}
		at, known := place[d.ID]
		if seen[d.ID] || !known || d.Late || late[d.ID] {
			seen[d.ID] = true
			continue
		}
		seen[d.ID] = true
		if at < newest {
			t.Errorf("event number %d came after number %d", at, newest)
		}
		newest = at
	}
	for id, at := range place {
		if !seen[id] {
			t.Errorf("event %s, number %d of %d, is lost", id, at, len(place))
		}
	}
}

// power fails after a number of steps. From then on nothing has an effect.
type power struct {
	forever bool // it never fails
	off     func()
	mu      sync.Mutex
	left    int
}

var errPower = errors.New("no power")

// step fails at the last step, and at each one after it.
func (p *power) step() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.forever {
		return nil
	}
	if p.left--; p.left > 0 {
		return nil
	}
	p.off()
	return errPower
}

func (p *power) failed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.left <= 0
}

type powered struct {
	api   http.RoundTripper
	power *power
}

func (p powered) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := p.power.step(); err != nil {
		return nil, err
	}
	return p.api.RoundTrip(r)
}

// poweredSink takes a batch in two halves.
type poweredSink struct {
	*destination
	power *power
}

// Limits make the lane publish and save each page by itself.
func (s poweredSink) Limits() sink.Limits { return sink.Limits{Records: 100} }

func (s poweredSink) Publish(ctx context.Context, batch []sink.Record) error {
	half := len(batch) / 2
	for _, part := range [][]sink.Record{batch[:half], batch[half:]} {
		if err := s.power.step(); err != nil {
			return err
		}
		if err := s.destination.Publish(ctx, part); err != nil {
			return err
		}
	}
	return s.power.step()
}

type poweredPositions struct {
	*memory
	power *power
}

func (p poweredPositions) Save(ctx context.Context, lane string, pos source.Position) error {
	if err := p.power.step(); err != nil {
		return err
	}
	return errors.Join(p.memory.Save(ctx, lane, pos), p.power.step())
}
