//go:build integration

package app_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/kafkabroker"
	"github.com/sluice-siem/sluice/pkg/sink/splunkhec/hectest"
	"github.com/sluice-siem/sluice/pkg/sink/syslog/relp/relptest"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// fleet is several replicas with their state in Kafka, and their counterparts: a log for
// each source, and for each source the sinks siem (Kafka, exactly once), splunk and hop
// (RELP).
type fleet struct {
	*site
	broker   *broker
	apis     map[string]*simulator.Server // by source
	hop      *relptest.Server
	replicas []*member
	empty    string // the replicas' directory, which they cannot write

	mu      sync.Mutex
	indexed map[string]int // number of copies of an event in Splunk, by id
}

// member is one of the replicas.
type member struct {
	name, admin, stderr string
	process             *exec.Cmd
	ended               chan error
	asleep              bool
}

var sinksOfFleet = []string{"siem", "splunk", "hop"}

// newFleet starts so many replicas with one configuration.
func newFleet(t *testing.T, sources, replicas int) *fleet {
	t.Helper()
	f := &fleet{
		site: newSite(t, simulator.Config{}), broker: startBroker(t), apis: map[string]*simulator.Server{},
		hop: relptest.New(t), indexed: map[string]int{},
	}
	createTopic(t, f.broker, "audit")
	f.open(t)
	var names []string
	for i := range sources {
		name := fmt.Sprintf("s%02d", i)
		names = append(names, name)
		f.apis[name] = simulator.New(simulator.Config{Seed: uint64(i + 1), Events: 100, Spacing: 50 * time.Millisecond, Tame: true, Organization: name, Latency: 2 * time.Millisecond})
	}
	f.configure(t, names)
	for i := range replicas {
		m := &member{name: fmt.Sprintf("replica %d", i), admin: kafkabroker.Loopback(kafkabroker.FreePorts(t, 1)[0]), stderr: f.path(fmt.Sprintf("stderr-%d", i))}
		f.replicas = append(f.replicas, m)
		f.start(t, m)
	}
	return f
}

// open lets the replicas run as a user who may write nowhere, if the test may choose the
// user.
func (f *fleet) open(t *testing.T) {
	t.Helper()
	f.empty = f.path("empty")
	if err := errors.Join(os.Mkdir(f.empty, 0o555), os.Chmod(filepath.Dir(f.dir), 0o711), os.Chmod(f.dir, 0o711), os.Chmod(f.binary, 0o755)); err != nil {
		t.Fatal(err)
	}
}

func (f *fleet) configure(t *testing.T, names []string) {
	t.Helper()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v1/organizations/"), "/")
		f.apis[name].ServeHTTP(w, r)
	}))
	t.Cleanup(api.Close)
	const token = "11111111-2222-3333-4444-555555555555"
	hec := httptest.NewServer(hectest.NewServer(hectest.Config{Token: token, Ack: true, AckDelay: 50 * time.Millisecond, Sticky: true, Indexed: f.index}))
	t.Cleanup(hec.Close)
	var b strings.Builder
	b.WriteString("sources:\n")
	for i, name := range names {
		// Two sources have more to request than they may.
		poll := "1s"
		if i < 2 {
			poll = "100ms"
		}
		fmt.Fprintf(&b, "  - {name: %s, type: planetscale, settings: {organization: %s, access_token: token-%s, url: %q, poll_interval: %s, overlap: 10s}}\n", name, name, name, api.URL, poll)
	}
	fmt.Fprintf(&b, `state: {type: kafka, settings: {brokers: [%q]}}
admin: {listen: "${ADMIN}"}
sinks:
  - {name: siem, type: kafka, own_events: false, format: ecs, settings: {brokers: [%q], topic: audit, delivery: exactly_once}}
  - {name: splunk, type: splunk_hec, own_events: false, format: ecs, settings: {url: %q, token: %s, ack: required}}
  - {name: hop, type: syslog, own_events: false, format: ecs, settings: {address: "relp://%s"}}
`, f.broker.address, f.broker.address, hec.URL, token, f.hop.Listen())
	f.write(t, "sluice.yaml", b.String())
	if err := os.Chmod(f.path("sluice.yaml"), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (f *fleet) index(e hectest.Event) {
	var record struct{ Event struct{ ID string } }
	err := json.Unmarshal(e.Event, &record)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		record.Event.ID = err.Error() // an id that was never in a log
	}
	f.indexed[record.Event.ID]++
}

// sluice returns a command with the configuration of the fleet and the environment of a
// replica.
func (f *fleet) sluice(admin string, args ...string) *exec.Cmd {
	cmd := exec.Command(f.binary, append(args, "-c", f.path("sluice.yaml"))...)
	cmd.Dir = f.empty
	cmd.Env = []string{"ADMIN=" + admin, "HOME=" + f.empty, "TMPDIR=" + f.empty, "PATH=" + os.Getenv("PATH")}
	if os.Getuid() == 0 { // root may write whatever the mode of a directory is
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	return cmd
}

func (f *fleet) start(t *testing.T, m *member) {
	t.Helper()
	stderr, err := os.OpenFile(m.stderr, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	m.process = f.sluice(m.admin, "run")
	m.process.Stderr = stderr
	if err := errors.Join(m.process.Start(), stderr.Close()); err != nil {
		t.Fatal(err)
	}
	process, ended := m.process, make(chan error, 1)
	m.ended = ended
	go func() { ended <- process.Wait() }()
	t.Cleanup(func() { _ = process.Process.Kill() }) // It has ended unless the test failed.
}

func (f *fleet) signal(t *testing.T, m *member, s syscall.Signal) {
	t.Helper()
	if err := m.process.Process.Signal(s); err != nil {
		t.Fatalf("%s: %s: %v", m.name, s, err)
	}
	switch s {
	case syscall.SIGSTOP, syscall.SIGCONT:
		m.asleep = s == syscall.SIGSTOP
		return
	}
	select {
	case err := <-m.ended:
		if s == syscall.SIGTERM && err != nil {
			t.Errorf("%s after SIGTERM: %v: %s", m.name, err, f.said(t, m))
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("%s did not end after %s: %s", m.name, s, f.said(t, m))
	}
}

// said returns the end of a replica's log.
func (f *fleet) said(t *testing.T, m *member) string {
	t.Helper()
	data, err := os.ReadFile(m.stderr)
	if err != nil {
		t.Fatal(err)
	}
	return string(data[max(0, len(data)-8000):])
}

// append adds events to all logs until it is stopped. Now and then one is late.
func (f *fleet) append(t *testing.T, every time.Duration) (stop func()) {
	quit := make(chan struct{})
	var appending sync.WaitGroup
	appending.Go(func() {
		random := rand.New(rand.NewPCG(3, 6))
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
			}
			for _, name := range f.names() {
				f.apis[name].Append(random.IntN(3))
				if random.IntN(10) == 0 {
					f.apis[name].Insert(simulator.Draft{Created: time.Now().Add(-time.Duration(random.IntN(3000)) * time.Millisecond)})
				}
			}
		}
	})
	var once sync.Once
	stop = func() { once.Do(func() { close(quit); appending.Wait() }) }
	t.Cleanup(stop)
	return stop
}

func (f *fleet) names() []string {
	var names []string
	for name := range f.apis {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (f *fleet) lanes() []string {
	var lanes []string
	for _, name := range f.names() {
		for _, s := range sinksOfFleet {
			lanes = append(lanes, name+"/"+s)
		}
	}
	return lanes
}

// ids returns the ids of all events that were ever in a source's log.
func (f *fleet) ids(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for e := range f.apis[name].Ever() {
			if !yield(e.ID) {
				return
			}
		}
	}
}

// times returns how often each event was delivered, by sink.
func (f *fleet) times(t *testing.T) map[string]map[string]int {
	t.Helper()
	all := map[string]map[string]int{"siem": {}, "splunk": {}, "hop": {}}
	records, _ := readCommitted(t, f.broker.address, "audit")
	for _, r := range records {
		all["siem"][header(r, "sluice-event-id")]++
	}
	for _, message := range f.hop.Messages() {
		id := eventID.FindStringSubmatch(message)
		if id == nil {
			t.Fatalf("message without an id: %.300q", message)
		}
		all["hop"][id[1]]++
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, n := range f.indexed {
		all["splunk"][id] = n
	}
	return all
}

// missing returns the events that sinks lack, by lane.
func (f *fleet) missing(t *testing.T) map[string][]simulator.Event {
	t.Helper()
	missing, times := map[string][]simulator.Event{}, f.times(t)
	for name, api := range f.apis {
		for e := range api.Ever() {
			for _, s := range sinksOfFleet {
				if times[s][e.ID] == 0 {
					missing[name+"/"+s] = append(missing[name+"/"+s], e)
				}
			}
		}
	}
	return missing
}

// until calls done at intervals until done returns true.
func until(t *testing.T, every, within time.Duration, what string, done func() bool) {
	t.Helper()
	deadline := time.After(within)
	look := time.NewTicker(every)
	defer look.Stop()
	for !done() {
		select {
		case <-look.C:
		case <-deadline:
			t.Fatalf("not within %s: %s", within, what)
		}
	}
}
