package app_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/deadletter"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
	"github.com/sluice-siem/sluice/pkg/transform/prepare"
	"github.com/sluice-siem/sluice/pkg/transform/redact"
)

// letters counts the dead letters that a store gets.
type letters struct {
	*deadletter.Store
	mu  sync.Mutex
	all []sink.Reject
}

func (l *letters) Put(ctx context.Context, lane string, rejects []sink.Reject) error {
	l.mu.Lock()
	l.all = append(l.all, rejects...)
	l.mu.Unlock()
	return l.Store.Put(ctx, lane, rejects)
}

// An event of more than 16 MiB becomes one dead letter of each lane, in a store
// that holds far less than it. A lane that redacts keeps nothing of it.
func TestOversizedEventIsADeadLetterOfEachLane(t *testing.T) {
	dir := t.TempDir()
	var redacted prepare.Settings
	redacted.Redact = redact.Settings{Fields: []redact.Field{{Name: "actor.name", How: "mask"}}}
	var stock prepare.Stock
	product := planetscale.Type().Product
	preparer, err := stock.New(redacted, &product, nil)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		api := simulator.New(simulator.Config{Events: 150, Tame: true})
		large := api.Draft(time.Time{})
		large.Raw = []byte(simulator.Oversized(string(large.Raw)))
		api.Insert(large)
		api.Append(1)
		src := newSource(t, api.Transport(), time.Minute)
		defer src.Close()
		opened, err := deadletter.Open(dir, 256<<10)
		if err != nil {
			t.Fatal(err)
		}
		kept := &letters{Store: opened}
		ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
		defer cancel()
		var running sync.WaitGroup
		for _, name := range []string{"acme/plain", "acme/redacted"} {
			to := &destination{}
			lane := newLane(t, name, src, to, &memory{})
			lane.DeadLetters = kept
			if name == "acme/redacted" {
				lane.Prepare = preparer.Prepare
			}
			running.Go(func() {
				if err := lane.Run(ctx); err != nil {
					t.Error(err)
				}
				if n := len(to.deliveries()); n != 151 {
					t.Errorf("lane %s delivered %d events, want 151", name, n)
				}
			})
		}
		running.Wait()
		if len(kept.all) != 2 {
			t.Fatalf("got %d dead letters, want one of each lane", len(kept.all))
		}
		for lane, want := range map[string]string{"acme/plain": string(large.Raw[:100]), "acme/redacted": `"withheld"`} {
			for l, err := range deadletter.Letters(dir, lane) {
				if err != nil || l.Record.ID != large.ID || !strings.Contains(l.Reason, "exceeds 16 MiB") || !strings.Contains(string(l.Raw), want) {
					t.Errorf("letter of %s: %s, reason %q, raw %.200q, %v", lane, l.Record.ID, l.Reason, l.Raw, err)
				}
			}
			if n, err := opened.Count(lane); n != 1 || err != nil {
				t.Errorf("%d letters of %s, %v", n, lane, err)
			}
		}
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
	})
}
