package elasticsearch_test

import (
	"context"
	"encoding/json"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/elasticsearch"
	"github.com/sluice-siem/sluice/pkg/sink/elasticsearch/estest"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/ecs"
)

// stores keeps a lane's position and dead letters in memory.
type stores struct {
	mu      sync.Mutex
	saved   source.Position
	letters map[string]string // reason by id
}

func (s *stores) Load(context.Context, string) (source.Position, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.saved, nil
}

func (s *stores) Save(_ context.Context, _ string, pos source.Position) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saved = pos
	return nil
}

func (s *stores) Put(_ context.Context, _ string, rejects []sink.Reject) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range rejects {
		s.letters[r.Record.ID] = r.Reason
	}
	return nil
}

// lane connects a simulated log with a sink of the rig, as the command does.
func (r *rig) lane(t *testing.T, log *simulator.Server) (*pipeline.Lane, *stores) {
	t.Helper()
	s := planetscale.Defaults
	s.Organization, s.AccessToken, s.RequestsPerMinute = "acme", setting.NewSecret("token"), 0
	src, err := planetscale.New(s, planetscale.Options{Transport: log.Transport()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := src.Close(); err != nil {
			t.Error(err)
		}
	})
	limits := r.open(t).(sink.Limiter).Limits()
	format, err := ecs.Format.New(transform.Options{Product: planetscale.Type().Product, MaxBytes: limits.RecordBytes})
	if err != nil {
		t.Fatal(err)
	}
	kept := &stores{letters: map[string]string{}}
	return &pipeline.Lane{
		Name: "acme/es", SourceName: "acme", SinkName: "es", Format: ecs.Format.Name,
		Source: src, Transformer: format, Positions: kept, DeadLetters: kept, Once: true,
		Open:       func(context.Context) (sink.Sink, error) { return r.open(t), nil },
		QueueBytes: pipeline.QueueBytes(limits),
	}, kept
}

// unlucky refuses one document in 300, always the same ones.
func unlucky(d estest.Document) (kind, reason string) {
	h := fnv.New32a()
	h.Write([]byte(d.ID))
	if h.Sum32()%300 == 0 {
		return "document_parsing_exception", "[1:1] failed to parse"
	}
	return "", ""
}

// A log is delivered through every fault of the server, also with the failure store: each
// event is stored once, and each bad one is a dead letter.
func TestEveryFault(t *testing.T) {
	events := 1500
	if testing.Short() {
		events = 1000
	}
	for name, c := range map[string]estest.Config{
		"Elasticsearch": {}, "failure store": {FailureStore: true}, "OpenSearch": {Flavor: estest.OpenSearch},
	} {
		t.Run(name, func(t *testing.T) {
			random, faults, dealt := rand.New(rand.NewPCG(1, 2)), map[string]int{}, 0
			c.Refuse = unlucky
			c.Script = func(q estest.Request) estest.Fault {
				if !q.Bulk() || random.IntN(3) > 0 {
					return estest.Fault{}
				}
				f := nextFault(random, dealt, q.Actions)
				dealt++
				faults[f.name]++
				return f.fault
			}
			bubble(t, c, func(t *testing.T, r *rig) {
				r.settings.MaxRequestEvents = 8
				r.settings.URL = append(r.settings.URL, "http://"+hosts[1])
				log := simulator.New(simulator.Config{Events: events})
				lane, kept := r.lane(t, log)
				if err := lane.Run(t.Context()); err != nil {
					t.Fatal(err)
				}
				times, bad := r.stored(), 0
				for e := range log.Ever() {
					id := elasticsearch.DocumentID(sink.Record{Organization: "acme", ID: e.ID})
					kind, _ := unlucky(estest.Document{ID: id})
					reason, buried := kept.letters[e.ID]
					want := 1
					if kind != "" {
						want = 0
						bad++
					}
					if times[id] != want || buried != (kind != "") {
						t.Errorf("event %s: stored %d times, want %d; dead letter %q", e.ID, times[id], want, reason)
					}
				}
				t.Logf("%d bad events, %v", bad, faults)
				if bad == 0 || len(faults) < 12 {
					t.Error("there was too little trouble for this to show anything")
				}
			})
		})
	}
}

type namedFault struct {
	name  string
	fault estest.Fault
}

// nextFault deals all faults in turn, for a request with so many documents.
func nextFault(random *rand.Rand, dealt, actions int) namedFault {
	page := func(status int) *estest.Answer { return &estest.Answer{Status: status, HTML: true} }
	some := func(f estest.ItemFault) func(int) estest.ItemFault {
		return func(i int) estest.ItemFault {
			if i%3 == 0 {
				return f
			}
			return estest.ItemFault{}
		}
	}
	denied := estest.Unavailable
	denied.Taken = true
	faults := []namedFault{
		{"slow", estest.Fault{Delay: time.Duration(random.IntN(3000)) * time.Millisecond}},
		{"too slow", estest.Fault{Delay: time.Minute}},
		{"reset", estest.Fault{Reset: true}},
		{"reset after", estest.Fault{Reset: true, Handled: true}},
		{"hang", estest.Fault{Hang: true}},
		{"hang after", estest.Fault{Hang: true, Handled: true}},
		{"cut", estest.Fault{Cut: true}},
		{"busy", estest.Fault{Answer: &estest.Answer{Status: 429, Type: "es_rejected_execution_exception", RetryAfter: random.IntN(3)}}},
		{"busy items", estest.Fault{Item: some(estest.Busy)}},
		{"unavailable items", estest.Fault{Item: some(estest.Unavailable)}},
		{"items that were taken and denied", estest.Fault{Item: some(denied)}},
		{"items that may not be written", estest.Fault{Item: some(estest.ItemFault{Status: 403, Type: "security_exception", Reason: "x"})}},
		{"a full disk", estest.Fault{Item: some(estest.ItemFault{Status: 429, Type: "cluster_block_exception", Reason: "x"})}},
		{"bad gateway after", estest.Fault{Answer: page(502), Handled: true}},
		{"gateway time-out after", estest.Fault{Answer: page(504), Handled: true}},
		{"a page with 200", estest.Fault{Answer: page(200)}},
		{"a page with 200 after", estest.Fault{Answer: page(200), Handled: true}},
		{"unauthorized", estest.Fault{Answer: &estest.Answer{Status: 401, Type: "security_exception"}}},
		{"no index", estest.Fault{Answer: &estest.Answer{Status: 404, Type: "index_not_found_exception"}}},
		{"another order", estest.Fault{Twist: func(items []json.RawMessage) []json.RawMessage {
			items[0], items[len(items)-1] = items[len(items)-1], items[0]
			return items
		}}},
		{"items missing", estest.Fault{Twist: func(items []json.RawMessage) []json.RawMessage { return items[1:] }}},
	}
	if actions > 1 {
		faults = append(faults, namedFault{"too large", estest.Fault{Answer: page(413)}})
	}
	return faults[dealt%len(faults)]
}
