package config

import (
	"errors"
	"slices"
	"time"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform/prepare"
)

// OwnEvents says whether a sink gets the events of Sluice's own log. The zero value is
// that of a sink which is not in a configuration: it gets none.
type OwnEvents string

// The values of own_events.
const (
	WithOwnEvents    OwnEvents = "true"  // besides those of its sources
	WithoutOwnEvents OwnEvents = "false" // those of its sources only
	OnlyOwnEvents    OwnEvents = "only"  // nothing else
)

var ownEvents = []string{string(WithOwnEvents), string(WithoutOwnEvents), string(OnlyOwnEvents)}

// Form implements setting.Formed.
func (OwnEvents) Form() setting.Form { return setting.Form{Values: ownEvents} }

// UnmarshalText accepts the values of own_events.
func (o *OwnEvents) UnmarshalText(text []byte) error {
	if !slices.Contains(ownEvents, string(text)) {
		return errors.New("is unknown; write true, false or only")
	}
	*o = OwnEvents(text)
	return nil
}

// MarshalText is the inverse of UnmarshalText.
func (o OwnEvents) MarshalText() ([]byte, error) { return []byte(o), nil }

// leastHeartbeat keeps heartbeats from being most of what a SIEM stores.
const leastHeartbeat = time.Minute

func (r *resolver) heartbeat(every time.Duration) time.Duration {
	r.report.check(every == 0 || every >= leastHeartbeat, "heartbeat", "is less than %s; write a duration such as 15m, or 0 for no heartbeats", leastHeartbeat)
	return every
}

// own is Sluice's own log as a source.
func own(t source.Type) Source { return Source{Name: t.Name, Type: t} }

// onlyOwn refuses what has no meaning in a sink that gets no event of a source.
func (r *resolver) onlyOwn(path string, o OwnEvents) {
	for _, key := range []string{"sources", "start", "where", "enrich", "redact"} {
		at := join(path, key)
		r.report.check(o != OnlyOwnEvents || !r.report.given(at), at, "is about the events of sources, and with own_events: only this sink gets none of them; remove one of the two keys")
	}
}

// hasOwnLane reports whether the sink gets the events of the own log.
func (s *Sink) hasOwnLane() bool {
	return s.OwnEvents == WithOwnEvents || s.OwnEvents == OnlyOwnEvents
}

// forOwnEvents returns the sink as its own lane has it. Conditions, databases and redaction
// are for the events of sources. The own log is read from its beginning.
func (s Sink) forOwnEvents() Sink {
	s.Sources, s.Start, s.Prepare, s.EnrichAt = nil, source.Start{}, prepare.Settings{}, ""
	return s
}

// sourcesOf returns the names of the sources of all lanes of a sink.
func (r *resolver) sourcesOf(s Sink) []string {
	if r.kinds.Own.Name != "" && s.hasOwnLane() {
		return append(slices.Clone(s.Sources), r.kinds.Own.Name)
	}
	return s.Sources
}
