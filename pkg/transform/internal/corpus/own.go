package corpus

import (
	"encoding/json"
	"sync"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// OwnOptions returns o with the product and the catalogue of the own log.
func OwnOptions(o transform.Options) transform.Options {
	o.Product, o.Catalogue = ownlog.Type().Product, OwnCatalogue()
	return o
}

// OwnCatalogue returns the catalogue of the own log.
var OwnCatalogue = sync.OnceValue(func() *transform.Catalogue {
	c, err := transform.ParseCatalogue(ownlog.Type().Catalogue)
	must(err)
	return c
})

// OwnCases returns events of the own log, one for each kind of subject, and a gap of it.
func OwnCases() []Case {
	lane := ownlog.Party{Type: "lane", Name: "acme/siem"}
	ada := &ownlog.Party{ID: "ada@forwarder-1", Type: "user", Name: "Ada Lovelace"}
	return []Case{
		own("own-process", ownlog.Started, nil, ownlog.Party{ID: "forwarder-1:4711", Type: "process", Name: "forwarder-1"},
			"Sluice 1.2.3 started with 3 lanes.", map[string]any{"lanes": 3}),
		own("own-heartbeat", ownlog.Heartbeat, nil, ownlog.Party{ID: "forwarder-1:4711", Type: "process", Name: "forwarder-1"},
			"2 of 2 lanes are ready.", map[string]any{"lanes": []any{map[string]any{"lane": "acme/siem", "published": 120, "lag_seconds": 1.5}}}),
		own("own-configuration", ownlog.ConfigurationLoaded, ada, ownlog.Party{Type: "configuration", Name: "sluice.yaml"},
			"sluice.yaml was loaded: sinks.siem.where changed.", map[string]any{"changed": []string{"sinks.siem.where"}}),
		own("own-lane", ownlog.LanePaused, ada, lane, "Ada Lovelace paused the lane acme/siem: \"maintenance\" | a=b\nc",
			map[string]any{"reason": "\"maintenance\" | a=b\nc"}),
		own("own-source", ownlog.CredentialRefused, nil, ownlog.Party{Type: "source", Name: "acme"}, "acme refused the token.", nil),
		own("own-sink", ownlog.DeadLetters, nil, ownlog.Party{Type: "sink", Name: "siem"}, "siem refused 2 records.", map[string]any{"records": 2}),
		ownGap(),
	}
}

// own returns an event of the own log as its source decodes it.
func own(name string, action ownlog.Action, actor *ownlog.Party, subject ownlog.Party, text string, details map[string]any) Case {
	o := ownlog.Event{
		ID: "own:" + name, Time: neighbour, Action: action, Actor: actor, Subject: subject,
		Instance: ownlog.Instance{Host: "forwarder-1", PID: 4711, Version: "1.2.3"}, Text: text, Details: details,
	}
	raw, err := json.Marshal(o)
	must(err)
	events, err := ownlog.Parse(raw, ownlog.Organization)
	must(err)
	events[0].Read = neighbour.Add(2 * time.Second)
	return Case{name, events[0]}
}

// ownGap returns the event that reports a gap in the own log.
func ownGap() Case {
	e, err := source.NewGap(ownlog.Type().Product.Keys, ownlog.Organization, "sluice/siem", source.Interval{From: neighbour.Add(-time.Hour), To: neighbour})
	must(err)
	e.Read = neighbour
	return Case{"own-gap", e}
}
