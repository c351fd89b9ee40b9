//go:build integration

package app_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// kills is how often each of the tests below kills the process, and fewest how often it does
// so in the short form, unless it needs more kills to meet each moment.
const kills, fewest = 200, 50

// The process is killed at random moments while the log grows, and started again. Nothing
// is lost, the order is kept, and no false gap is reported.
func TestKilledProcessLosesNothingInAFile(t *testing.T) {
	v := newVictim(t, growing)
	v.fileSink(t, "100ms")
	v.grown = func() bool { return v.changed("audit.ndjson") }
	v.killAll(t)
	v.judge(t, func() [][][]byte {
		data, err := os.ReadFile(v.path("audit.ndjson"))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasSuffix(data, []byte("\n")) {
			t.Errorf("the file ends in a torn line: %.200q", data[max(0, len(data)-200):])
		}
		return [][][]byte{bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))}
	})
}

func TestKilledProcessLosesNothingInKafkaAtLeastOnce(t *testing.T) {
	broker := startBroker(t)
	createTopic(t, broker, "audit")
	v := newVictim(t, growing)
	v.kafkaSink(t, "100ms", broker.address, "at_least_once")
	v.grown = func() bool { return broker.grown("audit") }
	v.killAll(t)
	v.judge(t, func() [][][]byte {
		var all [][][]byte
		for p := range partitions {
			all = append(all, readPartition(t, broker.address, "audit", p))
		}
		return all
	})
}

// victim is a sluice that is killed again and again.
type victim struct {
	*site
	random  *rand.Rand
	grown   func() bool          // reports whether something was delivered since its last call
	saved   func() bool          // reports whether a checkpoint was saved since its last call
	life    time.Duration        // the longest that it lives after something has happened
	files   map[string]time.Time // modification times of files at the last call of changed
	late    map[string]bool      // ids of events that were listed late
	hits    map[string]int       // number of kills by what the process had done before
	mu      sync.Mutex           // guards what follows
	asked   int                  // number of requests since the process started
	request chan struct{}        // receives when a request was made
}

// growing is a log to which events are appended all the time.
var growing = simulator.Config{Seed: 20260301, Events: 3000, Spacing: 50 * time.Millisecond, Rate: 100, Latency: 2 * time.Millisecond}

func newVictim(t *testing.T, log simulator.Config) *victim {
	v := &victim{
		site:   newSite(t, log),
		random: rand.New(rand.NewPCG(log.Seed, 1)), request: make(chan struct{}, 1), life: 300 * time.Millisecond,
		files: map[string]time.Time{}, late: map[string]bool{}, hits: map[string]int{},
	}
	v.saved = v.checkpointed
	v.api.Script(func(simulator.Request) simulator.Fault {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.asked++
		select {
		case v.request <- struct{}{}:
		default:
		}
		return simulator.Fault{}
	})
	return v
}

func (v *victim) requests() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.asked
}

// changed reports whether a file was replaced since the last call.
func (v *victim) changed(name string) bool {
	info, err := os.Stat(v.path(name))
	if err != nil || info.ModTime().Equal(v.files[name]) {
		return false
	}
	v.files[name] = info.ModTime()
	return true
}

// checkpointed is the saved function if positions are in files.
func (v *victim) checkpointed() bool {
	names, err := filepath.Glob(v.path("state/*.json"))
	return err == nil && len(names) == 1 && v.changed("state/"+filepath.Base(names[0]))
}

// missed lists the moments that no kill has met.
func (v *victim) missed() (moments []string) {
	for _, moment := range []string{"before it published", "between publish and save", "after it saved"} {
		if v.hits[moment] == 0 {
			moments = append(moments, moment)
		}
	}
	return moments
}

func (v *victim) killAll(t *testing.T) {
	t.Helper()
	began := time.Now()
	n := 0
	for ; n < kills && (n < fewest || !testing.Short() || len(v.missed()) > 0); n++ {
		v.listLate()
		v.killOnce(t)
	}
	t.Logf("%d kills in %s: %v", n, time.Since(began).Round(time.Second), v.hits)
	for _, moment := range v.missed() {
		t.Errorf("no kill came %s, so the test did not cover that", moment)
	}
}

// listLate makes a few events visible after others with a later time.
func (v *victim) listLate() {
	for range v.random.IntN(3) {
		late := time.Duration(v.random.IntN(2000)) * time.Millisecond
		v.late[v.api.Insert(simulator.Draft{Created: time.Now().Add(-late)})] = true
	}
}

// killOnce runs the process until something has happened, and a moment longer.
func (v *victim) killOnce(t *testing.T) {
	t.Helper()
	v.mu.Lock()
	v.asked = 0
	v.mu.Unlock()
	v.grown()
	v.saved()
	cmd, stderr := v.command()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	grown, saved := false, false
	happened := func() bool { return true }
	pages := 1 + v.random.IntN(5)
	moment := time.Duration(v.random.Int64N(int64(v.life)))
	switch v.random.IntN(4) {
	case 0: // after a while, whatever it does
	case 1:
		happened = func() bool { return v.requests() >= pages }
		moment /= 30
	case 2:
		happened = func() bool { grown = v.grown(); return grown }
		moment /= 60
	case 3:
		happened = func() bool { saved = v.saved(); return saved }
		moment /= 10
	}
	if !v.waitFor(happened, ended) {
		t.Fatalf("the process did nothing within three minutes, or ended: %s", stderr)
	}
	<-time.After(moment)
	v.kill(t, cmd, ended, stderr)
	v.note(grown || v.grown(), saved || v.saved())
}

// waitFor checks after each request, and every millisecond.
func (v *victim) waitFor(happened func() bool, ended <-chan error) bool {
	deadline := time.After(3 * time.Minute)
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for !happened() {
		select {
		case <-v.request:
		case <-look.C:
		case <-ended:
			return false
		case <-deadline:
			return false
		}
	}
	return true
}

func (v *victim) kill(t *testing.T, cmd *exec.Cmd, ended <-chan error, stderr *bytes.Buffer) {
	t.Helper()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatalf("killing: %v: %s", err, stderr)
	}
	<-ended
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("it ended by itself: %v: %s", cmd.ProcessState, stderr)
	}
}

// note counts what the process had done in its life. The first save of a lane comes
// before its first publish.
func (v *victim) note(grown, saved bool) {
	switch {
	case saved:
		v.hits["after it saved"]++
	case grown:
		v.hits["between publish and save"]++
	default:
		v.hits["before it published"]++
		if v.requests() > 0 {
			v.hits["of these in a walk"]++
		}
	}
}

// judge lets the process catch up and compares what it delivered with the log, each
// partition by itself.
func (v *victim) judge(t *testing.T, delivered func() [][][]byte) {
	t.Helper()
	place := map[string]int{}
	for e := range v.api.Ever() {
		place[e.ID] = len(place)
	}
	cmd, stderr := v.command("--once")
	if err := cmd.Run(); err != nil {
		t.Fatalf("catching up: %v: %s", err, stderr)
	}
	seen := map[string]int{}
	for _, bodies := range delivered() {
		newest, before := -1, ""
		for _, body := range bodies {
			id, late := v.read(t, body)
			seen[id]++
			at, known := place[id]
			if late || seen[id] > 1 || !known {
				continue
			}
			if at < newest {
				t.Errorf("event %s, number %d, came after %s, number %d", id, at, before, newest)
			}
			newest, before = at, id
		}
	}
	lost, repeated := 0, 0
	for id := range place {
		if seen[id] == 0 {
			lost++
		}
		repeated += max(0, seen[id]-1)
	}
	t.Logf("%d events, %d of them listed late, %d delivered again", len(place), len(v.late), repeated)
	if lost > 0 {
		t.Errorf("%d of %d events are lost", lost, len(place))
	}
	if repeated == 0 {
		t.Error("nothing was delivered again, so no kill came between publish and save")
	}
}

// read returns the id of a record, and whether it has a place in the order. It has none
// if it was marked late. It also has none if it was listed late while the events listed
// before it had been delivered but not saved.
func (v *victim) read(t *testing.T, body []byte) (id string, late bool) {
	t.Helper()
	var record struct {
		Event       struct{ ID, Action string }
		Planetscale struct{ Audit struct{ Late bool } }
	}
	if err := json.Unmarshal(body, &record); err != nil {
		t.Fatalf("record %.200q: %v", body, err)
	}
	if record.Event.Action == "sluice.gap" {
		t.Errorf("a false gap: %s", body)
	}
	return record.Event.ID, record.Planetscale.Audit.Late || v.late[record.Event.ID]
}
