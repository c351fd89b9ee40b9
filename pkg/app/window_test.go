package app

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
	"github.com/sluice-siem/sluice/pkg/transform/prepare"
)

// forgets is a sink whose destination takes no old events.
type forgets struct{ oldest time.Duration }

func (forgets) Publish(context.Context, []sink.Record) error { return nil }
func (forgets) Close() error                                 { return nil }
func (f forgets) Limits() sink.Limits                        { return sink.Limits{OldestEvent: f.oldest} }

func forgetsType(oldest time.Duration) sink.Type {
	return sink.NewType("forgets", struct{}{}, func(context.Context, sink.Env, struct{}) (sink.Sink, error) { return forgets{oldest}, nil })
}

// check says how old an event a destination takes, and what becomes of older ones. A choice
// that has no effect is a warning, of run, too.
func TestCheckSaysHowOldAnEventMayBe(t *testing.T) {
	api := httptest.NewServer(simulator.New(simulator.Config{Events: 1}))
	defer api.Close()
	for _, c := range []struct {
		oldest       time.Duration
		choice, want string
		warns        bool
	}{
		{18 * time.Hour, "send", "ok     lane acme/dd: the sink has nothing to check; events older than 18h are sent, and the destination may refuse them or give them another time (beyond_window: send)\n", false},
		{90 * time.Minute, "dead_letter", "events older than 1h30m are not sent, and become dead letters (beyond_window: dead_letter)\n", false},
		{0, "send", "the sink has nothing to check\n", false},
		{0, "dead_letter", "the sink has nothing to check\nwarn   lane acme/dd: beyond_window: dead_letter has no effect: the sink takes events of any age\n       hint: remove the key from sink dd\n", true},
	} {
		with := kinds()
		with.Sinks = append(with.Sinks, forgetsType(c.oldest))
		text := fmt.Sprintf(`
admin: {listen: "127.0.0.1:0"}
state: {settings: {dir: %q}}
sources:
  - {name: acme, type: planetscale, settings: {organization: acme, access_token: token, url: %q}}
sinks:
  - {name: dd, type: forgets, beyond_window: %s, own_events: false}
`, t.TempDir(), api.URL, c.choice)
		cfg, err := config.Parse("sluice.yaml", []byte(text), with, lookup(nil))
		if err != nil {
			t.Fatal(err)
		}
		var out, log bytes.Buffer
		if err := (&command{kinds: with, stdout: &out}).checkAll(t.Context(), cfg, false); err != nil || !strings.Contains(out.String(), c.want) {
			t.Errorf("%s with %s: got %v and\n%s\nwant\n%s", c.choice, c.oldest, err, &out, c.want)
		}
		lane, err := newLane(t.Context(), cfg.Lanes()[0], nil, nil, &prepare.Stock{}, zerolog.New(&log))
		if err != nil {
			t.Fatal(err)
		}
		if want := c.choice == "dead_letter"; lane.BuryOld != want {
			t.Errorf("%s: the lane buries old events %t, want %t", c.choice, lane.BuryOld, want)
		}
		if warns := strings.Contains(log.String(), "has no effect"); warns != c.warns {
			t.Errorf("%s with %s: run logs %s", c.choice, c.oldest, &log)
		}
	}
}

// replay says beforehand that a range is older than what the destination takes.
func TestReplayWarnsOfARangeThatIsTooOld(t *testing.T) {
	for _, c := range []struct {
		oldest       time.Duration
		choice, want string
	}{
		{time.Minute, "send", ": events older than 1m are sent, and the destination may refuse them or give them another time\n"},
		{time.Minute, "dead_letter", ": events older than 1m are not sent (beyond_window: dead_letter)\n"},
		{1000 * time.Hour, "send", ""},
		{0, "send", ""},
	} {
		r := newReplayed(t, simulator.Config{Events: 400, Spacing: time.Second}, "  - {name: dd, type: forgets, format: raw, own_events: false, beyond_window: "+c.choice+"}\n")
		code, said := r.run(t.Context(), r.command("dd", 10, 100), WithSink(forgetsType(c.oldest)))
		_, after, warned := strings.Cut(said, "warning: the range begins ")
		if warned != (c.want != "") || !strings.Contains(after, c.want) {
			t.Errorf("%s with %s: got %q, want %q", c.choice, c.oldest, said, c.want)
		}
		if refused := strings.Contains(said, "acme: 0 published, 0 filtered, 90 refused"); refused != (c.choice == "dead_letter") || (code != 0) != refused {
			t.Errorf("%s: got %d and %q", c.choice, code, said)
		}
	}
}
