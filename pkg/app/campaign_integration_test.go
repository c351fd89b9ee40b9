//go:build integration

package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink/splunkhec/hectest"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

var campaignSeed = flag.Uint64("campaign.seed", 0, "seed of TestCampaign; 0: a new one, which is printed")

// TestCampaign kills a process with three lanes, and stops it with SIGSTOP. Meanwhile
// its log grows, and the API, Splunk and the connections to Kafka misbehave as a seed
// decides. Then the test counts the events at each receiver. -ordeal is the long form.
func TestCampaign(t *testing.T) {
	blows := 15
	switch {
	case *ordeal:
		blows = 300
	case testing.Short():
		blows = 8
	}
	seed := *campaignSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-campaign.seed=%d", seed)
	c := newCampaign(t, seed)
	stop, stopGrowing := cutAtRandom(t, c.broker.proxy), c.grow(t)
	began := time.Now()
	for range blows {
		c.strike(t)
	}
	c.end(t)
	stopGrowing()
	cuts := stop()
	c.calm.Store(true)
	c.catchUp(t)
	t.Logf("%d kills and %d stops in %s, %d cuts of connections to Kafka, faults %v",
		c.kills, c.stops, time.Since(began).Round(time.Second), cuts, c.faults)
	c.judge(t)
}

// campaign is a process that is killed or held, with its counterparts.
type campaign struct {
	*victim
	broker       *broker
	calm         atomic.Bool
	running      *exec.Cmd // nil: none
	ended        chan error
	stderr       *bytes.Buffer
	kills, stops int

	dice    *rand.Rand // guarded by mu, like the following
	faults  map[string]int
	indexed map[string]int
}

func newCampaign(t *testing.T, seed uint64) *campaign {
	t.Helper()
	c := &campaign{
		victim: newVictim(t, simulator.Config{Seed: seed, Events: 2000, Spacing: 50 * time.Millisecond, Latency: time.Millisecond}),
		broker: startBroker(t), dice: rand.New(rand.NewPCG(seed, 2)), faults: map[string]int{}, indexed: map[string]int{},
	}
	c.random = rand.New(rand.NewPCG(seed, 1))
	createTopic(t, c.broker, "audit")
	const token = "11111111-2222-3333-4444-555555555555"
	hec := hectest.NewServer(hectest.Config{
		Token: token, Ack: true, AckDelay: 50 * time.Millisecond, Sticky: true, Renew: true, Strict: true,
		Script: c.troubleSplunk, Indexed: c.index,
	})
	server := httptest.NewServer(hec)
	t.Cleanup(server.Close)
	c.api.Script(c.troubleAPI)
	c.configure(t, "100ms", fmt.Sprintf(`  - name: archive
    type: file
    own_events: false
    settings: {path: %s}
  - name: splunk
    type: splunk_hec
    own_events: false
    settings: {url: %s, token: %s, ack: required}
  - name: stream
    type: kafka
    own_events: false
    settings: {brokers: [%q], topic: audit, delivery: exactly_once}
`, c.path("audit.ndjson"), server.URL, token, c.broker.far))
	return c
}

// grow appends an event every 10 ms, until it is stopped.
func (c *campaign) grow(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var growing sync.WaitGroup
	growing.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				c.api.Append(1)
			}
		}
	})
	return func() {
		cancel()
		growing.Wait()
	}
}

// apiFaults lists ways in which one answer of the API is wrong.
var apiFaults = []struct {
	name  string
	fault simulator.Fault
}{
	{"api: internal error", simulator.Fault{Status: 500, Body: "{}"}},
	{"api: page of a gateway", simulator.Fault{Status: 502, Body: "<html>"}},
	{"api: too many requests", simulator.Fault{Status: 429, Header: http.Header{"Retry-After": {"1"}}}},
	{"api: connection closed", simulator.Fault{Abort: true}},
	{"api: answer cut", simulator.Fault{Cut: true}},
	{"api: slow", simulator.Fault{Delay: 200 * time.Millisecond}},
	{"api: slow body", simulator.Fault{Stall: 200 * time.Millisecond}},
	{"api: empty page with more", simulator.Fault{Alter: func(l *simulator.Listing) { l.Data, l.HasNext = nil, true }}},
	{"api: ends early", simulator.Fault{Alter: func(l *simulator.Listing) { l.HasNext = false }}},
	{"api: no cursor", simulator.Fault{Alter: func(l *simulator.Listing) { l.End = "" }}},
}

func (c *campaign) troubleAPI(simulator.Request) simulator.Fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	select {
	case c.request <- struct{}{}:
	default:
	}
	if c.calm.Load() || c.dice.IntN(8) > 0 {
		return simulator.Fault{}
	}
	f := apiFaults[c.dice.IntN(len(apiFaults))]
	c.faults[f.name]++
	return f.fault
}

// troubleSplunk draws faults that a client survives within a moment.
func (c *campaign) troubleSplunk(q hectest.Request) hectest.Fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calm.Load() || c.dice.IntN(8) > 0 {
		return hectest.Fault{}
	}
	card := cards[c.dice.IntN(len(cards))]
	if card.lasting || q.Events < card.events {
		return hectest.Fault{}
	}
	c.faults["splunk: "+card.name]++
	return halfWay(card.fault, q.Events)
}

func (c *campaign) index(e hectest.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.indexed[idOf(e)]++
}

// strike waits for a random moment in the life of the process, and kills or holds it.
func (c *campaign) strike(t *testing.T) {
	t.Helper()
	c.listLate()
	c.begin(t)
	happened := func() bool { return true }
	switch c.random.IntN(4) {
	case 0:
		c.mu.Lock()
		c.asked = 0
		c.mu.Unlock()
		pages := 1 + c.random.IntN(5)
		happened = func() bool { return c.requests() >= pages }
	case 1:
		c.changed("audit.ndjson")
		happened = func() bool { return c.changed("audit.ndjson") }
	case 2:
		c.broker.grown("audit")
		happened = func() bool { return c.broker.grown("audit") }
	}
	if !c.waitFor(happened, c.ended) {
		t.Fatalf("the process did nothing within three minutes, or ended: %s", c.stderr)
	}
	<-time.After(time.Duration(c.random.IntN(400)) * time.Millisecond)
	if c.random.IntN(3) > 0 {
		c.end(t)
		return
	}
	c.stops++
	c.signal(t, c.running, syscall.SIGSTOP)
	<-time.After(time.Duration(c.random.IntN(800)) * time.Millisecond)
	c.signal(t, c.running, syscall.SIGCONT)
}

func (c *campaign) begin(t *testing.T) {
	t.Helper()
	if c.running != nil {
		return
	}
	c.running, c.stderr = c.command()
	if err := c.running.Start(); err != nil {
		t.Fatal(err)
	}
	c.ended = make(chan error, 1)
	go func(cmd *exec.Cmd, ended chan<- error) { ended <- cmd.Wait() }(c.running, c.ended)
}

func (c *campaign) end(t *testing.T) {
	t.Helper()
	if c.running == nil {
		return
	}
	c.kill(t, c.running, c.ended, c.stderr)
	c.running = nil
	c.kills++
}

func (c *campaign) catchUp(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.binary, "run", "-c", c.path("sluice.yaml"), "--once")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("catching up: %v: %s", err, out)
	}
}

// judge counts the events at each receiver.
func (c *campaign) judge(t *testing.T) {
	t.Helper()
	data, err := os.ReadFile(c.path("audit.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	archive := map[string]int{}
	for line := range bytes.Lines(data) {
		var record struct{ Event struct{ ID, Action string } }
		if err := json.Unmarshal(line, &record); err != nil {
			t.Fatalf("line %.200q of the file: %v", line, err)
		}
		archive[record.Event.ID]++
	}
	stream := map[string]int{}
	records, open := readCommitted(t, c.broker.address, "audit")
	for _, r := range records {
		stream[header(r, "sluice-event-id")]++
	}
	other := map[string]int{}
	for _, s := range console(t, c.broker.address, "audit") {
		other[s.id]++
	}
	if len(open) > 0 {
		t.Errorf("transactions are open: %+v", open)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count(t, "file", archive, false)
	c.count(t, "splunk", c.indexed, false)
	c.count(t, "kafka, read by kafka-go", stream, true)
	c.count(t, "kafka, read by the console consumer", other, true)
}

// count compares what a receiver has with the log. Any other record is a gap event, and
// there must be none.
func (c *campaign) count(t *testing.T, receiver string, times map[string]int, once bool) {
	t.Helper()
	place := map[string]bool{}
	for e := range c.api.Ever() {
		place[e.ID] = true
	}
	lost, repeated, gaps := 0, 0, 0
	for id := range place {
		if times[id] == 0 {
			lost++
		}
		repeated += max(0, times[id]-1)
	}
	for id := range times {
		if !place[id] {
			gaps++
		}
	}
	t.Logf("%s: %d events, %d lost, %d repeated, %d gaps told", receiver, len(place), lost, repeated, gaps)
	if lost > 0 || gaps > 0 || once && repeated > 0 {
		t.Errorf("%s: of %d events %d are lost and %d repeated; %d false gaps", receiver, len(place), lost, repeated, gaps)
	}
}
