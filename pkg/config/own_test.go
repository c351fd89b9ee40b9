package config_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform/prepare"
)

const withPager = `
sources: [{name: acme, type: planetscale, settings: {organization: acme, service_token: t}}]
sinks:
- {name: siem, type: stdout, start: now, where: severity >= 3, enrich: {city: /city.mmdb}}
- {name: plain, type: stdout, own_events: false}
- {name: pager, type: stdout, own_events: only}
`

// TestOwnEvents wants the lanes of the own log behind those of the sources. What a sink
// does with events of sources does not hold for them.
func TestOwnEvents(t *testing.T) {
	c := parse(t, withPager, nil)
	var names []string
	for _, l := range c.Lanes() {
		names = append(names, l.Name)
		if c.IsOwn(l) != strings.HasPrefix(l.Name, "sluice/") {
			t.Errorf("lane %s: IsOwn is %t", l.Name, c.IsOwn(l))
		}
		if !c.IsOwn(l) {
			continue
		}
		if l.Source.Type.Name != "sluice" || l.Source.Catalogue == nil {
			t.Errorf("lane %s: got the source %+v, want the own log with its catalogue", l.Name, l.Source)
		}
		want(t, prepare.Settings{}, l.Sink.Prepare)
		want(t, source.Start{}, l.Sink.Start)
	}
	want(t, []string{"acme/siem", "sluice/siem", "acme/plain", "sluice/pager"}, names)
}

func TestHeartbeat(t *testing.T) {
	for text, every := range map[string]time.Duration{"0": 0, "0s": 0, "1m": time.Minute, "24h": 24 * time.Hour} {
		if got := parse(t, least+"heartbeat: "+text, nil).Heartbeat; got != every {
			t.Errorf("heartbeat: %s: got %s, want %s", text, got, every)
		}
	}
}

// TestMistakesAboutTheOwnLog wants one problem each, with what to do about it.
func TestMistakesAboutTheOwnLog(t *testing.T) {
	const source = "{name: %s, type: planetscale, settings: {organization: acme, service_token: t}}"
	mistaken := func(source, sink, rest string) string {
		return fmt.Sprintf("sources: [%s]\nsinks: [{name: a, type: stdout}, {name: s, type: %s}]\n%s\n", source, sink, rest)
	}
	acme := fmt.Sprintf(source, "acme")
	for text, problem := range map[string]string{
		mistaken(acme, "stdout", "heartbeat: 59s"):                                                                            "heartbeat: is less than 1m0s; write a duration such as 15m, or 0 for no heartbeats",
		mistaken(acme, "stdout, own_events: yes please", ""):                                                                  "sinks[1].own_events: is unknown; write true, false or only",
		mistaken(acme, "stdout, sources: [acme, sluice]", ""):                                                                 "sinks[1].sources[1]: is Sluice's own log, which own_events decides about; remove the name",
		mistaken(acme, "stdout, own_events: only, sources: [acme]", ""):                                                       "sinks[1].sources: is about the events of sources",
		mistaken(acme, "stdout, own_events: only, where: severity > 3", ""):                                                   "sinks[1].where: is about the events of sources",
		mistaken(acme, "stdout, own_events: only, start: now", ""):                                                            "sinks[1].start: is about the events of sources",
		mistaken(fmt.Sprintf(source, "sluice"), "stdout", ""):                                                                 "sources[0].name: is the name of Sluice's own log; write another one",
		strings.Replace(mistaken(acme, "stdout", ""), "{name: a, type: stdout}, {name: s,", "{name: s, own_events: only,", 1): "sources[0]: no sink follows acme",
		mistaken(strings.ReplaceAll(acme, "acme,", "sluice.a,"), "stdout}, {name: a.s, type: stdout, own_events: only", ""):   "sinks[2].name: lanes sluice.a/s and sluice/a.s would both be named sluice.a.s in Kafka",
	} {
		_, err := config.Parse("sluice.yaml", []byte(text), kinds, env(nil))
		if err == nil || !strings.Contains(err.Error(), problem) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s\ngot %v, want only: %s", text, err, problem)
		}
	}
}

// TestAFileOfTheOwnLogIsNoOtherLanes wants that two sinks cannot share it.
func TestAFileOfTheOwnLogIsNoOtherLanes(t *testing.T) {
	const text = `
sources: [{name: acme, type: planetscale, settings: {organization: acme, service_token: t}}]
sinks:
- {name: a, type: file, settings: {path: /logs/audit}}
- {name: b, type: file, own_events: %s, settings: {path: /logs/audit.own}}
`
	_, err := config.Parse("sluice.yaml", fmt.Appendf(nil, text, "false"), kinds, env(nil))
	if err == nil || !strings.Contains(err.Error(), "lanes sluice/a and acme/b would write to the same place") {
		t.Errorf("got %v", err)
	}
}
