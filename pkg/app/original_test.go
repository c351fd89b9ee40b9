package app

import (
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/source"
)

// The original is in a record only if the sink's configuration asks for it.
func TestOriginalIsAsTheSinkSays(t *testing.T) {
	const text = `
sources:
  - {name: a, type: staged}
sinks:
  - {name: with, type: staged, format: ecs, original: true, settings: {name: with}}
  - {name: without, type: staged, format: ecs, original: false, settings: {name: without}}
`
	cfg := newStage().config(t, text)
	b := newBuilder(t.Context(), cfg, newInMemory(), zerolog.Nop())
	t.Cleanup(func() {
		if err := b.close(); err != nil {
			t.Error(err)
		}
	})
	event := &source.Event{ID: "e1", Organization: "acme", Action: "branch.created", Time: time.Now(), Raw: []byte(`{"id":"e1"}`)}
	for i, want := range []bool{true, false} {
		lane, err := b.build(t.Context(), cfg.Lanes()[i])
		if err != nil {
			t.Fatal(err)
		}
		record, err := lane.Transformer.Transform(nil, event)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(record.Body), `"original":`); got != want {
			t.Errorf("lane %s: the original is in the record: %t, want %t: %s", lane.Name, got, want, record.Body)
		}
	}
}
