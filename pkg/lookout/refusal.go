package lookout

import (
	"fmt"
	"slices"

	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
)

// lookAtRefusals says that credentials are refused, once until they work again. Lanes share
// them, so it is about a source or a sink. They work once no lane reports a refusal and one
// of that source or sink is ready. A lane that is ready beside one that is refused proves
// nothing: it may have had nothing to publish.
func (l *Lookout) lookAtRefusals(here []pipeline.Status) {
	still := map[ownlog.Party]bool{}
	for i := range here { // Not ready: nobody knows. A party without a lane is forgotten.
		s := &here[i]
		still[ofSource(s)], still[ofSink(s)] = true, true
	}
	for i := range here {
		if s := &here[i]; s.Ready {
			delete(still, ofSource(s))
			delete(still, ofSink(s))
		}
	}
	for i := range here {
		for _, t := range refusals(&here[i]) {
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
		for _, t := range refusals(s) {
			if party := refuser(s, t); !l.refused[party] && l.Say(refusal(s, t, party)) {
				l.refused[party] = true
			}
		}
	}
}

// refusals are the troubles of a lane because of credentials: also those of new ones, while
// the lane is ready since the former ones still work.
func refusals(s *pipeline.Status) (list []pipeline.Trouble) {
	for _, t := range slices.Concat(s.Troubles, s.Refused) {
		if t.Refused {
			list = append(list, t)
		}
	}
	return list
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
	reason := ownlog.Cut(t.Err, longReason)
	e := ownlog.New(ownlog.CredentialRefused, by, fmt.Sprintf("The credentials of %s %s are refused: %s", by.Type, by.Name, reason))
	e.Details = map[string]any{"lane": s.Lane, "operation": t.Operation, "reason": reason, "since": stamp(t.Since)}
	if t.Hint != "" {
		e.Details["hint"] = ownlog.Cut(t.Hint, longReason)
	}
	return e
}
