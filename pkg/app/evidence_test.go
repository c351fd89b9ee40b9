package app

import (
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
)

// The own log says that a lane's log begins, and that its key changed, and nothing of other
// notes. A note that is told again is the same event.
func TestTheOwnLogTellsOfLogs(t *testing.T) {
	var said []ownlog.Event
	b := newBuilder(t.Context(), newStage().config(t, "sources:\n  - {name: a, type: staged}\nsinks:\n  - {name: x, type: staged, settings: {name: x}}\n"), newInMemory(), zerolog.Nop())
	b.say = func(e ownlog.Event) bool { said = append(said, e); return true }
	l := config.Lane{Name: "a/x"}
	at := time.Unix(0, 0).UTC()
	began := &evidence.Note{Kind: evidence.Open, Origin: "sluice/acme/a/x/00", Time: at, Key: "acme+00+AA", Reason: "started"}
	for _, n := range []*evidence.Note{
		began, began,
		{Kind: evidence.Seal, Number: 1, Time: at}, {Kind: evidence.Open, Number: 2, Time: at, Reason: "started"},
		{Kind: evidence.Open, Number: 3, Time: at, Key: "acme+01+AA"},
	} {
		b.sayOfLog(l, n)
	}
	if len(said) != 3 || said[0].ID != said[1].ID || said[0].Action != ownlog.EvidenceBegan || said[2].Action != ownlog.EvidenceKeyChanged {
		t.Fatalf("the own log has %+v", said)
	}
	if d := said[0].Details; d["log"] != began.Origin || d["key"] != began.Key || said[0].Subject.Name != "a/x" {
		t.Errorf("the event is %+v", said[0])
	}
}

// The hash of the settings changes with what decides which events and values a sink gets,
// and with nothing else.
func TestTheHashOfSettings(t *testing.T) {
	hash := func(more string) string {
		t.Helper()
		cfg := newStage().config(t, "sources:\n  - {name: a, type: staged}\nsinks:\n  - {name: x, type: staged, settings: {name: x}"+more+"}\n")
		h, err := hashOfSettings(cfg.Sinks[0])
		if err != nil || len(h) != 64 {
			t.Fatalf("got %q, %v", h, err)
		}
		return h
	}
	same := hash("")
	for more, differs := range map[string]bool{
		", max_rejects: 7": false, ", publish_timeout: 3s": false, ", where: severity > 3": true, ", original: false": true,
		", format: raw": true, ", redact: {fields: [{field: actor.name, how: mask}]}": true,
		", redact: {key: 0123456789abcdef0123456789abcdef, fields: [{field: actor.name, how: hash}]}": true,
	} {
		if got := hash(more) != same; got != differs {
			t.Errorf("%s: the hash differs: %t, want %t", more, got, differs)
		}
	}
	one := hash(", redact: {key: 0123456789abcdef0123456789abcdef, fields: [{field: actor.name, how: hash}]}")
	if other := hash(", redact: {key: 0123456789abcdef0123456789abcdeX, fields: [{field: actor.name, how: hash}]}"); one != other {
		t.Error("the hash depends on a secret")
	}
}
