//go:build integration

package app_test

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/kafkabroker"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// Three brokers, each record on two of them at least before it counts. Those that
// lead what the lane writes, or coordinate its transactions, are killed while it
// does, and the process is killed too: with the broker, when it has gone on with
// the two others, or when the broker is back. Brokers are restarted in turn, and
// partitions move to others, while it runs. Two readers that share no code with
// the writer see each event once, in order for each key, and no transaction stays
// open.
func TestExactlyOnceIntoThreeBrokers(t *testing.T) {
	events, rounds := 3_000, 3
	if *ordeal {
		events, rounds = 50_000, 30
	}
	c := startCluster(t)
	c.create(t, "audit")
	v := newVictim(t, simulator.Config{Seed: 20261129, Events: events / 4, Spacing: 50 * time.Millisecond, Latency: 2 * time.Millisecond})
	v.configure(t, "100ms", fmt.Sprintf(`  - name: siem
    type: kafka
    own_events: false
    format: ecs
    settings:
      brokers: [%s]
      topic: audit
`, strings.Join(c.Addresses(), ", ")))
	v.grown = func() bool { return c.grown("audit") }
	trial := &trial{victim: v, cluster: c, killed: map[string]int{}}
	began := time.Now()
	stop := grow(t, v.api)
	for i := range rounds {
		v.listLate()
		v.api.Append(events / 4 / rounds)
		trial.killEither(t, i)
		if i%10 == 1 {
			trial.maintain(t)
		}
	}
	stop()
	v.api.Append(max(0, events-len(places(v.api))))
	if cmd, stderr := v.command("--once"); cmd.Run() != nil {
		t.Fatalf("catching up: %v: %s", cmd.ProcessState, stderr)
	}
	t.Logf("%d kills of the process, %d of brokers (%v), %d restarts, %d reassignments in %s",
		trial.kills, rounds, trial.killed, trial.restarts, trial.moves, time.Since(began).Round(time.Second))
	v.judgeExactlyOnce(t, c.Addresses()[0])
}

// grow appends events to a log all the time, until it is stopped.
func grow(t *testing.T, api *simulator.Server) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var growing sync.WaitGroup
	growing.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				api.Append(2)
			}
		}
	})
	return func() {
		cancel()
		growing.Wait()
	}
}

// trial is what a victim goes through with its cluster, and how often.
type trial struct {
	*victim
	cluster  *cluster
	killed   map[string]int // brokers, by what they did for the lane
	kills    int            // of the process
	restarts int            // of brokers, by whoever runs them
	moves    int            // of partitions
}

// running is a process that runs.
type running struct {
	cmd    *exec.Cmd
	stderr *bytes.Buffer
	ended  chan error
}

// run starts the process, and returns when it has written something.
func (r *trial) run(t *testing.T) *running {
	t.Helper()
	cmd, stderr := r.command()
	r.grown()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &running{cmd, stderr, make(chan error, 1)}
	go func() { p.ended <- cmd.Wait() }()
	r.delivers(t, p)
	return p
}

// delivers waits until the process has written something more.
func (r *trial) delivers(t *testing.T, p *running) {
	t.Helper()
	r.grown()
	if !r.waitFor(r.grown, p.ended) {
		t.Fatalf("nothing was written within three minutes, or it ended: %s", p.stderr)
	}
}

func (r *trial) end(t *testing.T, p *running) {
	t.Helper()
	<-time.After(time.Duration(r.random.IntN(500)) * time.Millisecond)
	r.kill(t, p.cmd, p.ended, p.stderr)
	r.kills++
}

// killEither kills a broker while the process writes, and the process.
func (r *trial) killEither(t *testing.T, round int) {
	t.Helper()
	p := r.run(t)
	<-time.After(time.Duration(r.random.IntN(1000)) * time.Millisecond)
	b := r.chosen(t, round)
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	fate := (round + round/3) % 3
	switch fate {
	case 0: // it ends with the broker
		r.end(t, p)
	case 1: // it goes on with two brokers
		r.delivers(t, p)
		r.end(t, p)
	}
	if err := b.Start(); err != nil {
		t.Fatal(err)
	}
	if fate == 2 { // it outlives what the broker was away for
		r.delivers(t, p)
		r.end(t, p)
	}
}

// chosen is the broker that is to be killed in a round.
func (r *trial) chosen(t *testing.T, round int) *kafkabroker.Broker {
	t.Helper()
	kinds := []struct {
		does string
		of   place
	}{
		{"coordinated the transactions", coordination},
		{"led records", place{"audit", int32(r.random.IntN(partitions))}},
		{"led the positions", positions},
	}
	kind := kinds[round%len(kinds)]
	r.killed[kind.does]++
	return r.cluster.leader(t, kind.of)
}

// maintain is what is done to a cluster while a process runs.
func (r *trial) maintain(t *testing.T) {
	t.Helper()
	p := r.run(t)
	topics := []string{"audit", positions.topic, coordination.topic}
	r.cluster.inSync(t, topics...)
	moves := []place{coordination, positions, {"audit", int32(r.random.IntN(partitions))}}
	if !*ordeal {
		moves = moves[:1]
	}
	for _, moved := range moves {
		r.cluster.reassign(t, moved)
		r.moves++
		r.delivers(t, p)
	}
	r.cluster.roll(t, topics...)
	r.restarts += kafkabroker.Nodes
	r.delivers(t, p)
	r.end(t, p)
}
