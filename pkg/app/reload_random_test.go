package app

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/splunkhec/hectest"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// A configuration of 20 lanes is changed at random while events arrive: four sources, and
// five sinks that follow all of them. A third of the changes is bad.
const (
	randomSources = 4
	randomSeed    = 14
)

var randomSinks = []string{"kafka-a", "kafka-b", "hec", "file-a", "file-b"}

// world is the counterparts, and how often each lane opened its sink and each source was
// opened and closed.
type world struct {
	*testing.T
	dir     string
	apis    []*simulator.Server
	urls    []string
	cluster *kfake.Cluster
	hec     *hectest.Server
	hecURL  string

	mu      sync.Mutex
	sinks   map[string]int
	sources map[string]int // opened
	closed  map[string]int // sources
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, dir: t.TempDir(), sinks: map[string]int{}, sources: map[string]int{}, closed: map[string]int{}}
	for i := range randomSources {
		api := simulator.New(simulator.Config{Seed: uint64(i), Events: 20, Tame: true, Organization: sourceName(i)})
		server := httptest.NewServer(api)
		t.Cleanup(server.Close)
		w.apis, w.urls = append(w.apis, api), append(w.urls, server.URL)
	}
	var err error
	if w.cluster, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "kafka-a", "kafka-b")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.cluster.Close)
	w.hec = hectest.NewServer(hectest.Config{Token: "11111111-2222-3333-4444-555555555555"})
	server := httptest.NewServer(w.hec)
	t.Cleanup(server.Close)
	w.hecURL = server.URL
	return w
}

func sourceName(i int) string { return fmt.Sprintf("s%d", i) }

// kinds counts what is opened and closed.
func (w *world) kinds() config.Kinds {
	k := kinds()
	k.Own = source.Type{}
	for i, kind := range k.Sinks {
		open := kind.Open
		k.Sinks[i].Open = func(ctx context.Context, env sink.Env, settings any) (sink.Sink, error) {
			w.count(w.sinks, env.Lane)
			return open(ctx, env, settings)
		}
	}
	for i, kind := range k.Sources {
		open := kind.Open
		k.Sources[i].Open = func(ctx context.Context, env source.OpenEnv, settings any) (source.Source, error) {
			w.count(w.sources, env.Source)
			src, err := open(ctx, env, settings)
			return closing{src, func() { w.count(w.closed, env.Source) }}, err
		}
	}
	return k
}

// closing tells when a source is closed.
type closing struct {
	source.Source
	closed func()
}

func (c closing) Close() error {
	c.closed()
	return c.Source.Close()
}

func (w *world) count(of map[string]int, name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	of[name]++
}

// shape is a configuration. Equal numbers mean equal keys.
type shape struct {
	sources   [randomSources]int // the version of each; below zero if it is not there
	sinks     map[string]int
	follows   map[string][]int // only these; all if there are none
	catalogue int
	turned    bool // in another order
}

func (s shape) clone() shape {
	s.sinks, s.follows = maps.Clone(s.sinks), maps.Clone(s.follows)
	return s
}

// lanes returns what each lane depends on.
func (s shape) lanes() map[string]string {
	lanes := map[string]string{}
	for name, version := range s.sinks {
		if version < 0 {
			continue
		}
		for i, of := range s.sources {
			if of >= 0 && (len(s.follows[name]) == 0 || slices.Contains(s.follows[name], i)) {
				lanes[sourceName(i)+"/"+name] = fmt.Sprint(of, version, s.catalogue)
			}
		}
	}
	return lanes
}

// valid reports whether each source has a sink, and each sink a source.
func (s shape) valid() bool {
	lanes := s.lanes()
	has := func(match func(lane string) bool) bool {
		for lane := range lanes {
			if match(lane) {
				return true
			}
		}
		return false
	}
	for i, version := range s.sources {
		if version >= 0 && !has(func(l string) bool { return strings.HasPrefix(l, sourceName(i)+"/") }) {
			return false
		}
	}
	for name, version := range s.sinks {
		for _, i := range s.follows[name] {
			if version >= 0 && s.sources[i] < 0 {
				return false
			}
		}
	}
	return len(lanes) > 0
}

// change makes one random change.
func (s shape) change(r *rand.Rand) shape {
	for {
		next := s.clone()
		i, name := r.IntN(randomSources), randomSinks[r.IntN(len(randomSinks))]
		switch r.IntN(8) {
		case 0, 1:
			if next.sources[i]++; s.sources[i] < 0 {
				next.sources[i] = 0
			}
		case 2, 3:
			next.sinks[name] = max(next.sinks[name], -1) + 1
		case 4:
			next.sources[i] = -1
		case 5:
			next.sinks[name] = -1
		case 6:
			next.follows[name] = r.Perm(randomSources)[:r.IntN(randomSources)]
		case 7:
			if next.turned = !s.turned; r.IntN(3) == 0 {
				next.catalogue++
			}
		}
		if next.valid() {
			return next
		}
	}
}

func (w *world) text(s shape) string {
	var sources, sinks []string
	for i, version := range s.sources {
		if version >= 0 {
			sources = append(sources, fmt.Sprintf("  - {name: %s, type: planetscale, settings: {organization: %[1]s, access_token: token, url: %q, poll_interval: 100ms, requests_per_minute: 0, retention: %dh}}\n",
				sourceName(i), w.urls[i], 360+version))
		}
	}
	for _, name := range randomSinks {
		version := s.sinks[name]
		if version < 0 {
			continue
		}
		settings := fmt.Sprintf("type: file, format: raw, settings: {path: %q}", filepath.Join(w.dir, name+".{source}"))
		switch name {
		case "kafka-a", "kafka-b":
			settings = fmt.Sprintf("type: kafka, settings: {brokers: [%q], topic: %s}", w.cluster.ListenAddrs()[0], name)
		case "hec":
			settings = fmt.Sprintf("type: splunk_hec, settings: {url: %q, token: 11111111-2222-3333-4444-555555555555}", w.hecURL)
		}
		follows := ""
		if list := s.follows[name]; len(list) > 0 {
			var names []string
			for _, i := range list {
				names = append(names, sourceName(i))
			}
			follows = ", sources: [" + strings.Join(names, ", ") + "]"
		}
		sinks = append(sinks, fmt.Sprintf("  - {name: %s, max_rejects: %d%s, %s}\n", name, 100+version, follows, settings))
	}
	if s.turned {
		slices.Reverse(sources)
		slices.Reverse(sinks)
	}
	catalogue := filepath.Join(w.dir, "catalogue.yaml")
	if err := os.WriteFile(catalogue, fmt.Appendf(nil, "actions: {branch.created: {title: Branch %d}}\n", s.catalogue), 0o600); err != nil {
		w.Fatal(err)
	}
	return fmt.Sprintf("catalogue: %q\nstate: {settings: {dir: %q}}\nsources:\n%ssinks:\n%s", catalogue, filepath.Join(w.dir, "state"),
		strings.Join(sources, ""), strings.Join(sinks, ""))
}

// spoil makes a configuration bad.
func spoil(text string, r *rand.Rand) string {
	return []string{
		text[:len(text)-3],
		text + "unknown: 1\n",
		strings.Replace(text, "max_rejects: ", "max_rejects: x", 1),
		strings.Replace(text, "type: planetscale", "type: planetscal", 1),
		strings.Replace(text, "access_token: token", `access_token: "${NOBODY_SETS_THIS}"`, 1),
		"memory: 64MiB\n" + text,
		strings.Replace(text, "state: {settings: {dir: ", "state: {settings: {dir: /elsewhere, no: ", 1),
		"",
	}[r.IntN(8)]
}

// Reload under load: no event is lost, none comes twice to Kafka, lanes that did not change
// never open another sink, and nothing is left behind.
func TestReloadUnderLoad(t *testing.T) {
	changes := 200
	if testing.Short() {
		changes = 15
	}
	w := newWorld(t)
	r := rand.New(rand.NewPCG(randomSeed, 0))
	before := resourcesNow()
	all := shape{sinks: map[string]int{}, follows: map[string][]int{}}
	for _, name := range randomSinks {
		all.sinks[name] = 0
	}
	file := filepath.Join(w.dir, "sluice.yaml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(w.text(all))
	kinds := w.kinds()
	load := func() (*config.Config, *config.Footprint, error) { return config.LoadTraced(file, kinds) }
	cfg, trace, err := load()
	if err != nil {
		t.Fatal(err)
	}
	store, err := openFiles(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	b := newBuilder(ctx, cfg, store, zerolog.Nop())
	reloads := newReloader(load, trace, newFleet(b))
	ended := make(chan error, 1)
	go func() { ended <- reloads.fleet.run(ctx) }()
	now, bad := all, 0
	begun, over := map[string]int{}, map[string]int{} // lanes that began, sources that ended, as the shapes say
	for lane := range all.lanes() {
		begun[lane]++
	}
	w.settle(-1, begun, over)
	for n := range changes {
		for _, api := range w.apis {
			api.Append(r.IntN(5))
		}
		next := now.change(r)
		spoilt := r.IntN(3) == 0
		held := len(reloads.fleet.set.Names())
		text := w.text(next)
		if spoilt {
			bad++
			text = spoil(text, r)
		}
		write(text)
		reloads.reload(ctx, "SIGHUP")
		if refused := reloads.configuration().Refused; (len(refused) > 0) != spoilt {
			t.Fatalf("change %d, bad %t: refused %q\n%s", n, spoilt, refused, text)
		}
		if spoilt {
			if got := len(reloads.fleet.set.Names()); got != held {
				t.Errorf("change %d was refused, and there are %d lanes, want %d", n, got, held)
			}
			next = now
		}
		was := now.lanes()
		for lane, version := range next.lanes() {
			if was[lane] != version {
				begun[lane]++
			}
		}
		for i, version := range now.sources {
			if version >= 0 && next.sources[i] != version {
				over[sourceName(i)]++
			}
		}
		w.settle(n, begun, over)
		now = next
	}
	write(w.text(all))
	reloads.reload(ctx, "SIGHUP")
	if refused := reloads.configuration().Refused; len(refused) > 0 {
		t.Fatal(refused)
	}
	for _, api := range w.apis {
		api.Append(5)
	}
	if err := patience(w.complete); err != nil {
		t.Error(err)
	}
	cancel()
	if err := errors.Join(<-ended, b.close(), store.close()); err != nil {
		t.Error(err)
	}
	w.once()
	t.Logf("%d changes, %d of them bad; lanes opened %d sinks", changes, bad, total(w.sinks))
	for name, n := range w.sources {
		if w.closed[name] != n {
			t.Errorf("source %s was opened %d times and closed %d times", name, n, w.closed[name])
		}
	}
	w.leavesNothing(before)
}

func total(of map[string]int) (n int) {
	for _, count := range of {
		n += count
	}
	return n
}

// settle waits until each lane has opened its sink as often as it was begun, and requires
// that none has opened it more often, and that no source was closed that did not change.
func (w *world) settle(n int, begun, ended map[string]int) {
	w.Helper()
	err := patience(func() error {
		w.mu.Lock()
		defer w.mu.Unlock()
		for lane, times := range begun {
			if w.sinks[lane] < times {
				return fmt.Errorf("change %d: lane %s opened its sink %d times, want %d", n, lane, w.sinks[lane], times)
			}
		}
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !maps.Equal(w.sinks, begun) {
		w.Fatalf("change %d: sinks were opened %v, want %v", n, w.sinks, begun)
	}
	if !maps.Equal(w.closed, ended) {
		w.Fatalf("change %d: sources were closed %v, want %v", n, w.closed, ended)
	}
}

// patience tries for minutes, since the machine may be busy.
func patience(attempt func() error) error {
	return backoff.Retry(attempt, backoff.WithMaxRetries(backoff.NewConstantBackOff(50*time.Millisecond), 2400))
}

// complete returns an error until each event of each source is in each destination.
func (w *world) complete() error {
	for name, found := range w.delivered() {
		for i, api := range w.apis {
			for e := range api.Ever() {
				if found[e.ID] == 0 {
					return fmt.Errorf("%s lacks event %s of %s", name, e.ID, sourceName(i))
				}
			}
		}
	}
	return nil
}

// once requires that no destination has an event that was not sent, and that Kafka has none
// twice.
func (w *world) once() {
	sent := map[string]bool{}
	for _, api := range w.apis {
		for e := range api.Ever() {
			sent[e.ID] = true
		}
	}
	for name, found := range w.delivered() {
		for id, copies := range found {
			if !sent[id] || copies > 1 && strings.HasPrefix(name, "kafka") {
				w.Errorf("%s has event %s %d times; sent: %t", name, id, copies, sent[id])
			}
		}
	}
}

// delivered counts the copies of each event by its id, for each sink.
func (w *world) delivered() map[string]map[string]int {
	all := map[string]map[string]int{"hec": {}}
	for _, e := range w.hec.Events() {
		all["hec"][fmt.Sprint(e.Fields["sluice_event_id"])]++
	}
	for _, name := range []string{"file-a", "file-b"} {
		all[name] = map[string]int{}
		for i := range w.apis {
			w.lines(filepath.Join(w.dir, name+"."+sourceName(i)), all[name])
		}
	}
	for _, topic := range []string{"kafka-a", "kafka-b"} {
		all[topic] = w.committed(topic)
	}
	return all
}

func (w *world) lines(path string, into map[string]int) {
	f, err := os.Open(path)
	if err != nil {
		return // It is not there yet.
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e struct{ ID string }
		if err := json.Unmarshal(lines.Bytes(), &e); err == nil { // The last line may be incomplete.
			into[e.ID]++
		}
	}
}

// committed reads a topic up to a record that it adds.
func (w *world) committed(topic string) map[string]int {
	ctx, cancel := context.WithTimeout(w.Context(), time.Minute)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(w.cluster.ListenAddrs()...), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		w.Fatal(err)
	}
	defer client.Close()
	last, err := client.ProduceSync(ctx, &kgo.Record{Topic: topic, Key: []byte("end")}).First()
	if err != nil {
		w.Fatal(err)
	}
	found := map[string]int{}
	for {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			w.Fatal(err)
		}
		for _, r := range fetches.Records() {
			if r.Offset == last.Offset {
				return found
			}
			var e struct{ Event struct{ ID string } }
			if err := json.Unmarshal(r.Value, &e); err == nil && len(r.Value) > 0 {
				found[e.Event.ID]++
			}
		}
	}
}

// resources are the goroutines and descriptors of the process.
type resources struct{ goroutines, descriptors int }

func resourcesNow() resources {
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return resources{runtime.NumGoroutine(), 0} // Only Linux has it.
	}
	return resources{runtime.NumGoroutine(), len(open)}
}

// leavesNothing requires that there are no more goroutines and descriptors than before.
func (w *world) leavesNothing(before resources) {
	w.Helper()
	var now resources
	err := patience(func() error {
		if now = resourcesNow(); now.goroutines > before.goroutines || now.descriptors > before.descriptors {
			return fmt.Errorf("%+v are left, want %+v", now, before)
		}
		return nil
	})
	if err != nil {
		stacks := make([]byte, 1<<20)
		w.Errorf("%v\n%s", err, stacks[:runtime.Stack(stacks, true)])
	}
}
