package splunkhec_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/splunkhec/hectest"
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
	return r.laneOver(t, log.Transport(), setting.NewSecret("token"))
}

func (r *rig) laneOver(t *testing.T, api http.RoundTripper, token setting.Secret) (*pipeline.Lane, *stores) {
	t.Helper()
	s := planetscale.Defaults
	s.Organization, s.AccessToken, s.RequestsPerMinute = "acme", token, 0
	s.PollInterval = setting.Duration(time.Minute) // so that an hour needs few polls
	src, err := planetscale.New(s, planetscale.Options{Transport: api})
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
		Name: "acme/splunk", SourceName: "acme", SinkName: "splunk", Format: ecs.Format.Name,
		Source: src, Transformer: format, Positions: kept, DeadLetters: kept, Once: true,
		Open:       func(context.Context) (sink.Sink, error) { return r.open(t), nil },
		QueueBytes: pipeline.QueueBytes(limits),
	}, kept
}

// Even if acknowledgements take ten seconds, a lane delivers over a thousand events a
// second, since it has many requests in flight.
func TestThroughputWhereAcknowledgementsTakeTenSeconds(t *testing.T) {
	events, least := 100_000, 1000.0
	if testing.Short() { // too few for a rate, enough for several batches
		events, least = 5000, 0
	}
	indexed := 0
	bubble(t, hectest.Config{Ack: true, AckDelay: 10 * time.Second, Indexed: func(hectest.Event) { indexed++ }}, func(t *testing.T, r *rig) {
		lane, _ := r.lane(t, simulator.New(simulator.Config{Events: events, Tame: true}))
		began := time.Now()
		if err := lane.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		rate := float64(events) / time.Since(began).Seconds()
		t.Logf("%d events in %s: %.0f a second", events, time.Since(began), rate)
		if rate < least {
			t.Errorf("%.0f events a second, want %.0f or more", rate, least)
		}
		if indexed != events {
			t.Errorf("%d events are indexed, want %d", indexed, events)
		}
	})
}

// A token is revoked, or an index deleted: no event is lost or rejected, the lane
// reports the reason, and resumes by itself.
func TestDestinationIsInTrouble(t *testing.T) {
	tests := []struct {
		name           string
		harm, mend     func(*rig)
		reason, advice string
	}{
		{"a revoked token", func(r *rig) { r.SetToken("other") }, func(r *rig) { r.SetToken(token) },
			"403 Forbidden: Invalid token (code 4)", "hint: make sure that token belongs to"},
		{"a disabled token", func(r *rig) { r.SetDisabled(true) }, func(r *rig) { r.SetDisabled(false) },
			"403 Forbidden: Token disabled (code 1)", "hint: enable the token"},
		{"an index that is gone", func(r *rig) { r.SetIndexes("main") }, func(r *rig) { r.SetIndexes("main", "security") },
			"400 Bad Request: Incorrect index (code 7)", "hint: index security does not exist, or the token may not write to it"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, hectest.Config{Ack: true, AckDelay: time.Second}, func(t *testing.T, r *rig) {
				r.settings.Index = "security"
				log := simulator.New(simulator.Config{Events: 100})
				lane, kept := r.lane(t, log)
				lane.Once = false
				ctx, stop := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- lane.Run(ctx) }()
				time.Sleep(time.Minute)
				test.harm(r)
				log.Append(200)
				time.Sleep(10 * time.Minute)
				status := lane.Status()
				if status.Ready || !strings.Contains(status.Reason, test.reason) || !strings.Contains(status.Reason, test.advice) {
					t.Errorf("ready %v because %q, want %q and %q", status.Ready, status.Reason, test.reason, test.advice)
				}
				test.mend(r)
				time.Sleep(3 * time.Minute)
				if status := lane.Status(); !status.Ready {
					t.Errorf("not ready after the repair: %s", status.Reason)
				}
				if got := len(r.indexed()); got != 300 {
					t.Errorf("%d of 300 events are indexed", got)
				}
				if len(kept.letters) > 0 {
					t.Errorf("dead letters: %v", kept.letters)
				}
				stop()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// judge counts the events that a server indexes.
type judge struct {
	times     map[string]int
	confirmed map[string]bool
	needless  int // events that were indexed again although the client had proof
}

func newJudge() *judge { return &judge{times: map[string]int{}, confirmed: map[string]bool{}} }

func idOf(e hectest.Event) string { return fmt.Sprint(e.Fields["sluice_event_id"]) }

func (j *judge) indexed(e hectest.Event) {
	if j.confirmed[idOf(e)] {
		j.needless++
	}
	j.times[idOf(e)]++
}

func (j *judge) confirm(e hectest.Event) { j.confirmed[idOf(e)] = true }

// unlucky refuses one event in 300, always the same ones.
func unlucky(e hectest.Event) (code int) {
	h := fnv.New32a()
	h.Write([]byte(idOf(e)))
	if n := h.Sum32(); n%300 == 0 {
		return []int{6, 12, 13, 15}[n/300%4]
	}
	return 0
}

// A log is delivered through every kind of fault: no event is lost, each bad one is a
// dead letter with Splunk's reason, and no event is indexed again after the sink got
// proof.
func TestEveryFault(t *testing.T) {
	events := 4000
	if testing.Short() {
		events = 1000
	}
	for _, c := range []hectest.Config{
		{}, {Ack: true, Sticky: true, AckDelay: time.Second}, {Ack: true, OneBased: true, AckDelay: 10 * time.Second}, {Unnumbered: true},
		{Ack: true, Sticky: true, Scatter: 3, Renew: true, Firewall: true, Strict: true, AckDelay: time.Second},
		{Ack: true, Scatter: 2, AckDelay: time.Second},
	} {
		t.Run(fmt.Sprintf("acknowledgement %v, one-based %v, numbered %v, sticky %v, indexers %d", c.Ack, c.OneBased, !c.Unnumbered, c.Sticky, c.Scatter), func(t *testing.T) {
			j, random, faults := newJudge(), rand.New(rand.NewPCG(1, 2)), map[string]int{}
			c.Refuse, c.Indexed, c.Confirmed = unlucky, j.indexed, j.confirm
			c.Script = func(q hectest.Request) hectest.Fault {
				if random.IntN(5) > 0 {
					return hectest.Fault{}
				}
				name, fault := anyFault(random, q, c.Ack)
				faults[name]++
				return fault
			}
			bubble(t, c, func(t *testing.T, r *rig) {
				r.settings.MaxRequestEvents = 50
				log := simulator.New(simulator.Config{Events: events})
				lane, kept := r.lane(t, log)
				if err := lane.Run(t.Context()); err != nil {
					t.Fatal(err)
				}
				r.Events() // indexes the events in memory
				lost := 0
				for e := range log.Ever() {
					reason, buried := kept.letters[e.ID]
					bad := unlucky(hectest.Event{Fields: map[string]any{"sluice_event_id": e.ID}})
					if bad > 0 && !strings.Contains(reason, fmt.Sprintf("(code %d)", bad)) || bad == 0 && buried {
						t.Errorf("event %s, refused with code %d: dead letter %q", e.ID, bad, reason)
					}
					if !buried && j.times[e.ID] == 0 {
						lost++
					}
				}
				duplicates := 0
				for _, n := range j.times {
					duplicates += n - 1
				}
				t.Logf("%d dead letters, %d duplicates, %v", len(kept.letters), duplicates, faults)
				if lost > 0 || j.needless > 0 {
					t.Errorf("%d events are lost, %d were indexed again for nothing", lost, j.needless)
				}
				if len(kept.letters) == 0 || duplicates == 0 && c.Ack {
					t.Error("there was too little trouble for this to show anything")
				}
			})
		})
	}
}

// anyFault draws one of all faults.
func anyFault(random *rand.Rand, q hectest.Request, ack bool) (string, hectest.Fault) {
	half := random.IntN(q.Events + 1)
	page := func(status int) *hectest.Answer { return &hectest.Answer{Status: status, HTML: true} }
	busy := &hectest.Answer{Status: 503, Code: 9, RetryAfter: random.IntN(3)}
	faults := []struct {
		name  string
		fault hectest.Fault
	}{
		{"slow", hectest.Fault{Delay: time.Duration(random.IntN(3000)) * time.Millisecond}},
		{"too slow", hectest.Fault{Delay: time.Minute}},
		{"reset", hectest.Fault{Reset: true}},
		{"reset after", hectest.Fault{Reset: true, Handled: true}},
		{"hang", hectest.Fault{Hang: true}},
		{"hang after", hectest.Fault{Hang: true, Handled: true}},
		{"busy", hectest.Fault{Answer: busy}},
		{"busy half way", hectest.Fault{Answer: &hectest.Answer{Status: 503, Code: 9, Number: &half}, Taken: half}},
		{"capacity", hectest.Fault{Answer: &hectest.Answer{Status: 429, Code: 26}}},
		{"shutting down", hectest.Fault{Answer: &hectest.Answer{Status: 503, Code: 23}}},
		{"internal error", hectest.Fault{Answer: &hectest.Answer{Status: 500, Code: 8}}},
		{"bad gateway after", hectest.Fault{Answer: page(502), Handled: true}},
		{"gateway time-out after", hectest.Fault{Answer: page(504), Handled: true}},
		{"a page with 200", hectest.Fault{Answer: page(200)}},
		{"unsupported", hectest.Fault{Answer: page(415)}},
		{"token revoked", hectest.Fault{Answer: &hectest.Answer{Status: 403, Code: 4}}},
		{"index gone", hectest.Fault{Answer: &hectest.Answer{Status: 400, Code: 7}}},
		{"channel refused", hectest.Fault{Answer: &hectest.Answer{Status: 400, Code: 11}}},
	}
	if q.Events > 1 {
		faults = append(faults, struct {
			name  string
			fault hectest.Fault
		}{"too large", hectest.Fault{Answer: page(413)}})
	}
	if ack {
		faults = append(faults, []struct {
			name  string
			fault hectest.Fault
		}{{"forget", hectest.Fault{Forget: true}}, {"move", hectest.Fault{Move: true}}}...)
	}
	f := faults[random.IntN(len(faults))]
	return f.name, f.fault
}
