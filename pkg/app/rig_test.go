package app_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/raw"
)

// newSource reads a simulated API by direct calls, which take no time on a bubble's
// clock.
func newSource(t *testing.T, api http.RoundTripper, poll time.Duration) source.Source {
	t.Helper()
	s := planetscale.Defaults
	s.Organization = "acme"
	s.AccessToken = setting.NewSecret("token")
	s.RequestsPerMinute = 0
	s.PollInterval = setting.Duration(poll)
	src, err := planetscale.New(s, planetscale.Options{Transport: api})
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// newLane joins a source to a sink as the command does, with stores in memory.
func newLane(t *testing.T, name string, src source.Source, snk sink.Sink, positions pipeline.Positions) *pipeline.Lane {
	t.Helper()
	format, err := raw.Format.New(transform.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &pipeline.Lane{
		Name: name, SourceName: "acme", Format: raw.Format.Name,
		Source: src, Transformer: format, Positions: positions, DeadLetters: noLetters{t},
		Open: func(context.Context) (sink.Sink, error) { return snk, nil },
	}
}

// delivery is a record that a sink took.
type delivery struct {
	ID, Action string
	Late       bool
	At         time.Time
}

// destination keeps records in memory.
type destination struct {
	mu    sync.Mutex
	down  error // what Publish returns; nil if it takes records
	taken []delivery
}

func (d *destination) Publish(_ context.Context, batch []sink.Record) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down != nil {
		return d.down
	}
	for i := range batch {
		d.taken = append(d.taken, delivery{batch[i].ID, batch[i].Action, batch[i].Late, time.Now()})
	}
	return nil
}

func (d *destination) Close() error { return nil }

func (d *destination) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.down = err
}

func (d *destination) deliveries() []delivery {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]delivery(nil), d.taken...)
}

// memory keeps positions for the duration of a test.
type memory struct {
	mu    sync.Mutex
	saved map[string]source.Position
}

func (m *memory) Load(_ context.Context, lane string) (source.Position, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.saved[lane], nil
}

func (m *memory) Save(_ context.Context, lane string, pos source.Position) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.saved == nil {
		m.saved = map[string]source.Position{}
	}
	m.saved[lane] = pos
	return nil
}

// noLetters is for tests in which nothing is refused.
type noLetters struct{ t *testing.T }

func (n noLetters) Put(_ context.Context, lane string, rejects []sink.Reject) error {
	n.t.Errorf("lane %s refused %d records, the first because of %s", lane, len(rejects), rejects[0].Reason)
	return nil
}

// places numbers the events of a log, oldest first, by their ids.
func places(api *simulator.Server) map[string]int {
	place := map[string]int{}
	for e := range api.Ever() {
		place[e.ID] = len(place)
	}
	return place
}
