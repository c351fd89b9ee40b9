package app

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/pause"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// strict is a state that owns no lane, and records which lanes ended.
type strict struct {
	*inMemory
	gone []string
}

var errNotOurs = errors.New("not ours")

func (*strict) confirm(lane string) func(context.Context) error {
	return func(context.Context) error { return errors.Join(errNotOurs, errors.New(lane)) }
}
func (*strict) patience(shutdown time.Duration) time.Duration               { return shutdown / 2 }
func (*strict) look(context.Context, string) (source.Position, error)       { return nil, nil }
func (*strict) paused(context.Context, string, bool) (*pause.Marker, error) { return nil, nil }
func (s *strict) ended(lane string)                                         { s.gone = append(s.gone, lane) }

const wired = `
sources:
  - {name: a, type: staged}
  - {name: b, type: staged}
sinks:
  - name: one
    type: staged
    format: ecs
    sources: [a]
    start: 2026-01-31T00:00:00Z
    original: false
    max_rejects: 7
    publish_timeout: 3m
    where: action != "branch.deleted"
    redact: {fields: [{field: actor.name, how: remove}]}
    settings: {name: one, most: 4000}
  - {name: two, type: staged, format: raw, sources: [b], start: now, settings: {name: two}}
shutdown_timeout: 20s
`

// Every key of a sink reaches its lane, and no other.
func TestALaneIsAsTheConfigurationSays(t *testing.T) {
	s := newStage()
	cfg := s.config(t, wired)
	cfg.Path = "sluice.yaml"
	kept := &strict{inMemory: newInMemory()}
	b := newBuilder(t.Context(), cfg, kept, zerolog.Nop())
	b.once = true
	var lanes []*pipeline.Lane
	for _, l := range cfg.Lanes() {
		lane, err := b.build(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		lanes = append(lanes, lane)
	}
	one, two := lanes[0], lanes[1]
	if one.Name != "a/one" || one.SourceName != "a" || one.SinkName != "one" || one.Format != "ecs" || two.Format != "raw" {
		t.Errorf("lane %s of source %s, sink %s, format %s; the other %s", one.Name, one.SourceName, one.SinkName, one.Format, two.Format)
	}
	if one.Source.(*stagedSource).name != "a" || two.Source.(*stagedSource).name != "b" {
		t.Error("a lane reads another's source")
	}
	if want := (source.Start{Since: time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)}); one.Start != want || two.Start != (source.Start{Now: true}) {
		t.Errorf("the lanes start at %+v and %+v", one.Start, two.Start)
	}
	if one.MaxRejects != 7 || one.PublishTimeout != 3*time.Minute || one.ShutdownTimeout != 10*time.Second || !one.Once {
		t.Errorf("max_rejects %d, publish_timeout %s, shutdown %s, once %t", one.MaxRejects, one.PublishTimeout, one.ShutdownTimeout, one.Once)
	}
	if two.MaxRejects != 100 || two.PublishTimeout != time.Minute {
		t.Errorf("the other lane: max_rejects %d, publish_timeout %s", two.MaxRejects, two.PublishTimeout)
	}
	if one.Config != "sluice.yaml" || two.Config != "sluice.yaml" {
		t.Errorf("hints of the lanes name the files %q and %q", one.Config, two.Config)
	}
	if one.Positions != pipeline.Positions(kept) || one.DeadLetters != pipeline.DeadLetters(kept) {
		t.Error("positions or dead letters are kept elsewhere")
	}
	if got, want := one.QueueBytes, pipeline.QueueBytes(sink.Limits{Bytes: 64 << 20}); got != want {
		t.Errorf("queue of %d bytes, want %d: what the sink's limits ask for", got, want)
	}
	wantEnv(t, s, "a/one", "a")
	wantEnv(t, s, "b/two", "b")
	wantPrepared(t, one, two)
	wantOpenedOnce(t, s, one)
}

func wantEnv(t *testing.T, s *stage, lane, src string) {
	t.Helper()
	env := s.env[lane]
	if env.Lane != lane || env.Source != src || env.Dataset != "acme.stage" {
		t.Errorf("the sink was told of lane %q, source %q and dataset %q, want %q, %q and acme.stage", env.Lane, env.Source, env.Dataset, lane, src)
	}
	if err := env.Confirm(t.Context()); !errors.Is(err, errNotOurs) || !strings.Contains(err.Error(), lane) {
		t.Errorf("the taking of %s is confirmed with %v", lane, err)
	}
}

// wantPrepared requires that one filters, redacts, leaves the original out and keeps to
// the largest record, and that two does nothing of it.
func wantPrepared(t *testing.T, one, two *pipeline.Lane) {
	t.Helper()
	raw := `{"id":"e1","audit_action":"branch.created","actor_display_name":"Ada Lovelace","metadata":{"text":"` + strings.Repeat("x", 5000) + `"}}`
	event := &source.Event{
		ID: "e1", Organization: "acme", Action: "branch.created", Verb: "created", Time: time.Now(),
		Actor: source.Party{ID: "u1", Type: "User", Name: "Ada Lovelace"}, Raw: []byte(raw), Metadata: []byte(`{"text":"` + strings.Repeat("x", 5000) + `"}`),
	}
	prepared, err := one.Prepare(event)
	if err != nil || prepared == nil {
		t.Fatalf("got %v, error %v", prepared, err)
	}
	record, err := one.Transformer.Transform(nil, prepared)
	if err != nil {
		t.Fatal(err)
	}
	if body := string(record.Body); strings.Contains(body, "Ada") || strings.Contains(body, `"original"`) || len(body) > 4000 {
		t.Errorf("a record of %d bytes: %s", len(body), body)
	}
	event.Action = "branch.deleted"
	if filtered, err := one.Prepare(event); filtered != nil || err != nil {
		t.Errorf("got %v, error %v for an event that is not to be sent", filtered, err)
	}
	if two.Prepare != nil {
		t.Error("events of the other sink are prepared, which nobody asked for")
	}
	if record, err := two.Transformer.Transform(nil, event); err != nil || string(record.Body) != raw {
		t.Errorf("the other sink gets %s, error %v", record.Body, err)
	}
}

// wantOpenedOnce requires that the lane first uses the sink that was opened for its
// limits, and then opens another.
func wantOpenedOnce(t *testing.T, s *stage, one *pipeline.Lane) {
	t.Helper()
	for _, want := range []int{1, 2, 3} {
		if _, err := one.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := s.opened["sink one"]; got != want {
			t.Errorf("the sink was opened %d times, want %d", got, want)
		}
	}
}

// The state hears of each lane that ended, so it can release it.
func TestAStateIsToldOfLanesThatEnded(t *testing.T) {
	s := newStage()
	kept := &strict{inMemory: newInMemory()}
	b := newBuilder(t.Context(), s.config(t, staged), kept, zerolog.Nop())
	lanes := b.lanes()
	for _, name := range lanes.Names() {
		lanes.Start(t.Context(), name)
		lanes.End(name)
	}
	if want := []string{"a/one", "b/two"}; !slices.Equal(kept.gone, want) {
		t.Errorf("the state was told of %q, want %q", kept.gone, want)
	}
	if err := b.close(); err != nil {
		t.Error(err)
	}
	s.wantClosed(t, 2)
}
