package checkpoint_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/checkpoint"
	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
	"github.com/sluice-siem/sluice/pkg/internal/ledger"
	"github.com/sluice-siem/sluice/pkg/internal/statedir"
	"github.com/sluice-siem/sluice/pkg/source"
)

type forgetter interface {
	Holds(ctx context.Context, lane string) (bool, error)
	Forget(ctx context.Context, lane string) error
}

func wantHeld(t *testing.T, positions forgetter, lane string, want bool) {
	t.Helper()
	if held, err := positions.Holds(within(t), lane); held != want || err != nil {
		t.Errorf("lane %s is held: %t, error %v, want %t", lane, held, err, want)
	}
}

func TestForgetAFile(t *testing.T) {
	path := t.TempDir()
	d := open(t, path)
	save(t, d, lane, "1")
	save(t, d, "acme/other", "2")
	wantHeld(t, d, lane, true)
	for range 2 {
		if err := d.Forget(t.Context(), lane); err != nil {
			t.Fatal(err)
		}
		wantHeld(t, d, lane, false)
	}
	if got := load(t, d, lane) + load(t, d, "acme/other"); got != "2" {
		t.Errorf("got positions %q, want that of the other lane", got)
	}
	t.Run("that cannot be used", func(t *testing.T) {
		if err := os.WriteFile(filepath.Join(path, statedir.FileName(lane)+".json"), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		wantHeld(t, d, lane, true)
		if err := d.Forget(t.Context(), lane); err != nil {
			t.Fatal(err)
		}
		wantHeld(t, d, lane, false)
	})
	t.Run("in a directory that another process may hold", func(t *testing.T) {
		save(t, d, lane, "1")
		if err := os.Remove(filepath.Join(path, "lock")); err != nil {
			t.Fatal(err)
		}
		if err := d.Forget(t.Context(), lane); !errors.Is(err, statedir.ErrLost) {
			t.Errorf("got %v, want a lock that was lost", err)
		}
		wantHeld(t, d, lane, true)
	})
}

// The power fails at each step. Then the position is there or gone; once Forget has
// returned nil, it is gone.
func TestForgetAFileWhileThePowerFails(t *testing.T) {
	for _, fails := range []string{"remove", "sync dir", ""} {
		disk := &forgetfulDisk{names: map[string]*inode{}}
		disk.step = func(string) error { return nil }
		path := t.TempDir()
		d, err := checkpoint.OpenOn(path, disk)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Save(t.Context(), lane, source.Position("1")); err != nil {
			t.Fatal(err)
		}
		disk.step = func(op string) error {
			if op == fails {
				return errPower
			}
			return nil
		}
		err = d.Forget(t.Context(), lane)
		if fails == "" && (err != nil || len(disk.names) != 0) || fails != "" && (!errors.Is(err, errPower) || len(disk.names) != 1) {
			t.Errorf("the power failed at %q: error %v, %d files survive", fails, err, len(disk.names))
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

// The state's position is removed. A position that a sink stores in the same topic, with
// the same key, stays.
func TestForgetInATopic(t *testing.T) {
	brokers := startCluster(t)
	topic := newTopic(t, brokers, nil)
	wantHeld(t, topic, kept, false)
	wantLoaded(t, topic, "")
	if err := topic.Save(within(t), kept, []byte("1")); err != nil {
		t.Fatal(err)
	}
	wantHeld(t, topic, kept, true)
	for range 2 {
		if err := topic.Forget(within(t), kept); err != nil {
			t.Fatal(err)
		}
		wantHeld(t, topic, kept, false)
	}
	wantLoaded(t, newTopic(t, brokers, nil), "")
	cluster := kafkaclient.Settings{Brokers: brokers, ClientID: kafkaclient.DefaultClientID}
	s := checkpoint.DefaultTopic
	beside := ledger.New(kept, ledger.Settings{
		Cluster: &cluster, Namespace: s.Namespace, Positions: s.Positions, DeadLetters: s.DeadLetters, Topic: "audit", Log: zerolog.Nop(),
	})
	defer beside.Close()
	if _, err := beside.Take(within(t)); err != nil {
		t.Fatal(err)
	}
	if err := beside.Commit(within(t), nil, nil, []byte("3")); err != nil {
		t.Fatal(err)
	}
	wantHeld(t, topic, kept, false)
	if err := topic.Forget(within(t), kept); err != nil {
		t.Fatal(err)
	}
	if e, err := beside.Look(within(t)); err != nil || string(e.Position) != "3" {
		t.Errorf("the sink has position %s, error %v, want 3", e.Position, err)
	}
	if err := beside.Commit(within(t), nil, nil, []byte("4")); err != nil {
		t.Errorf("the sink cannot commit any more: %v", err)
	}
}
