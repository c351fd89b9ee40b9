//go:build integration

package app_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/rsyslogd"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// Over RELP everything reaches rsyslog's file, although the process and rsyslog are
// killed in turns in the middle of their work.
func TestKilledAtBothEndsNothingIsLostOverRELP(t *testing.T) {
	t.Parallel() // It mostly waits, like the other parallel tests.
	c := newChain(t, 20260302, 100_000)
	c.configure(t, "100ms", fmt.Sprintf(`  - name: siem
    type: syslog
    own_events: false
    format: ecs
    settings:
      address: relp://%s
`, c.hop.RELP))
	turns := 20
	if testing.Short() {
		turns = 8
	}
	c.endInTurns(t, turns, (*rsyslogd.Daemon).Kill)
}

// chain is a process that delivers to the next hop.
type chain struct {
	*site
	hop   *rsyslogd.Daemon
	moves *rand.Rand

	process *exec.Cmd
	stderr  *bytes.Buffer
	ended   chan error
}

func newChain(t *testing.T, seed uint64, events int) *chain {
	t.Helper()
	return &chain{
		site:  newSite(t, simulator.Config{Seed: seed, Events: events}),
		hop:   rsyslogd.Start(t, rsyslogd.Config{Direct: true}),
		moves: rand.New(rand.NewPCG(seed, 1)),
	}
}

// endInTurns kills the process and ends the next hop in turns, so many times each. Then
// the process catches up. All events must have arrived, and some of them again.
func (c *chain) endInTurns(t *testing.T, cycles int, end func(*rsyslogd.Daemon) error) {
	t.Helper()
	began := time.Now()
	c.start(t)
	for range cycles {
		c.await(t)
		c.kill(t)
		c.start(t)
		c.await(t)
		if err := end(c.hop); err != nil {
			t.Fatal(err)
		}
		if err := c.hop.Start(); err != nil {
			t.Fatal(err)
		}
	}
	c.kill(t)
	if cmd, stderr := c.command("--once"); cmd.Run() != nil {
		t.Fatalf("catching up: %v: %s", cmd.ProcessState, stderr)
	}
	lost, again := c.compare(t)
	t.Logf("%d kills of the process and as many ends of the next hop in %s: %d events lost, %d delivered again",
		cycles, time.Since(began).Round(time.Second), lost, again)
	if lost > 0 {
		t.Errorf("%d events are lost", lost)
	}
	if again == 0 {
		t.Error("nothing was delivered again, so no end interrupted a delivery")
	}
}

func (c *chain) start(t *testing.T) {
	t.Helper()
	c.process, c.stderr = c.command()
	if err := c.process.Start(); err != nil {
		t.Fatal(err)
	}
	ended, process := make(chan error, 1), c.process
	c.ended = ended
	go func() { ended <- process.Wait() }()
	t.Cleanup(func() { _ = process.Process.Kill() }) // Unless the test failed, it has ended already.
}

func (c *chain) kill(t *testing.T) {
	t.Helper()
	if err := c.process.Process.Kill(); err != nil {
		t.Fatalf("killing: %v: %s", err, c.stderr)
	}
	<-c.ended
	if status, ok := c.process.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("it ended by itself: %v: %s", c.process.ProcessState, c.stderr)
	}
}

// await waits until more events have arrived: up to a fortieth of all, so the kills are
// over before all events have arrived.
func (c *chain) await(t *testing.T) {
	t.Helper()
	const most = 4 << 20
	size := func() int64 {
		n, err := c.hop.Size()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	enough := size() + 1 + c.moves.Int64N(most)
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	deadline := time.After(time.Minute)
	for size() < enough {
		select {
		case <-look.C:
		case <-c.ended:
			t.Fatalf("the process ended by itself: %s", c.stderr)
		case <-deadline:
			t.Fatalf("nothing arrived within a minute: %s", c.stderr)
		}
	}
}

var eventID = regexp.MustCompile(` id="([^"]+)"`)

// compare counts the events that did not arrive, and those that arrived again.
func (c *chain) compare(t *testing.T) (lost, again int) {
	t.Helper()
	if err := c.hop.Stop(); err != nil {
		t.Fatal(err)
	}
	messages, err := c.hop.Messages()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, m := range messages {
		id := eventID.FindStringSubmatch(m.Structured)
		if id == nil {
			t.Fatalf("message without an id: %.300q", m.Raw)
		}
		seen[id[1]]++
	}
	for e := range c.api.Ever() {
		if seen[e.ID] == 0 {
			lost++
		}
		again += max(0, seen[e.ID]-1)
	}
	return lost, again
}
