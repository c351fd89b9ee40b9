package ownlog_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/source/ownlog"
)

// What is too large for a line is shortened, and says so.
func TestAnEventAlwaysFits(t *testing.T) {
	long := strings.Repeat("é\n", 100<<10)
	many := make([]string, 100_000)
	for i := range many {
		many[i] = "sinks.siem.settings.brokers"
	}
	deep := any("a problem of a sink")
	for range 12 {
		deep = []any{deep, deep}
	}
	keys := map[string]any{}
	for i := range 300 {
		keys[strings.Repeat("a", i+1)] = long[:2000]
	}
	for words, change := range map[string]func(e *ownlog.Event){
		"a long text":    func(e *ownlog.Event) { e.Text = long },
		"a long reason":  func(e *ownlog.Event) { e.Details = map[string]any{"reason": long} },
		"a long list":    func(e *ownlog.Event) { e.Details = map[string]any{"keys": many} },
		"many keys":      func(e *ownlog.Event) { e.Details = map[string]any{"of": keys} },
		"lists in lists": func(e *ownlog.Event) { e.Details = map[string]any{"problems": deep} },
		"all at once": func(e *ownlog.Event) {
			e.Text, e.Details = long, map[string]any{"reason": long, "keys": many, "of": keys}
		},
		"a long subject":  func(e *ownlog.Event) { e.Subject.Name = long },
		"an actor's name": func(e *ownlog.Event) { e.Actor = &ownlog.Party{Type: "user", Name: long} },
	} {
		t.Run(words, func(t *testing.T) {
			store := files(t, t.TempDir())
			e := ownlog.New(ownlog.ConfigurationRefused, ownlog.Party{Type: "configuration", Name: "sluice.yaml"}, "It was refused.")
			change(&e)
			if err := (&ownlog.Writer{Store: store}).Append(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			events := drain(t, ownlog.NewSource(store))
			if len(events) != 1 || events[0].ID != e.ID || !strings.Contains(string(events[0].Metadata), `"shortened":true`) {
				t.Fatalf("got %d events, want one that says that it was shortened", len(events))
			}
			var details struct{ Reason string }
			if err := json.Unmarshal(events[0].Metadata, &details); err != nil {
				t.Fatal(err)
			}
			if words == "a long reason" && (len(details.Reason) < 1000 || !strings.HasSuffix(details.Reason, " …")) {
				t.Errorf("of the reason are left %d bytes, want as many as fit", len(details.Reason))
			}
		})
	}
}

func TestAnEventThatCanNeverBeWritten(t *testing.T) {
	w := &ownlog.Writer{Store: files(t, t.TempDir())}
	e := ownlog.New(ownlog.Heartbeat, ownlog.Party{}, "")
	e.Details = map[string]any{"lag": math.NaN()}
	if err := w.Append(t.Context(), e); !errors.Is(err, ownlog.ErrUnfit) {
		t.Errorf("got %v, want ErrUnfit", err)
	}
}
