package lookout

import (
	"fmt"
	"slices"

	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
)

// lookAtRefusals says that credentials are refused, once until they work again. Lanes share
// them, so it is about a source or a sink.
func (l *Lookout) lookAtRefusals(here []pipeline.Status) {
	still := map[ownlog.Party]bool{}
	for i := range here {
		s := &here[i]
		if !s.Ready {
			still[ofSource(s)], still[ofSink(s)] = true, true
		}
	}
	for i := range here { // One lane for which they work is enough.
		if s := &here[i]; s.Ready {
			delete(still, ofSource(s))
			delete(still, ofSink(s))
		}
	}
	for i := range here { // The lane is ready, because the former ones still work.
		for _, t := range here[i].Refused {
			still[refuser(&here[i], t)] = true
		}
	}
	for party := range l.refused {
		if !still[party] {
			delete(l.refused, party)
		}
	}
	for i := range here {
		s := &here[i]
		for _, t := range slices.Concat(s.Troubles, s.Refused) {
			if party := refuser(s, t); t.Refused && !l.refused[party] && l.Say(refusal(s, t, party)) {
				l.refused[party] = true
			}
		}
	}
}

func ofSource(s *pipeline.Status) ownlog.Party { return ownlog.Party{Type: "source", Name: s.Source} }
func ofSink(s *pipeline.Status) ownlog.Party   { return ownlog.Party{Type: "sink", Name: s.Sink} }

// refuser is who refuses the credentials.
func refuser(s *pipeline.Status, t pipeline.Trouble) ownlog.Party {
	if t.Operation == "read" || t.Operation == "start" {
		return ofSource(s)
	}
	return ofSink(s)
}

func refusal(s *pipeline.Status, t pipeline.Trouble, by ownlog.Party) ownlog.Event {
	reason := cut(t.Err, longReason)
	e := ownlog.New(ownlog.CredentialRefused, by, fmt.Sprintf("The credentials of %s %s are refused: %s", by.Type, by.Name, reason))
	e.Details = map[string]any{"lane": s.Lane, "operation": t.Operation, "reason": reason, "since": stamp(t.Since)}
	if t.Hint != "" {
		e.Details["hint"] = cut(t.Hint, longReason)
	}
	return e
}
