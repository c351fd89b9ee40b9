// Package prepare is what happens to an event on its way to one sink before it is
// encoded, in this order:
//
//  1. where decides whether the sink is sent the event, by what the source sent.
//  2. enrich adds where its address is, while that can still be read.
//  3. redact takes out what the sink must not have, of what was added too.
//
// Each is a package of its own beside this one; here they are put together, and
// their files kept current. Events are shared between lanes, so that an event
// which changes is copied. A sink with none of the three pays for none.
//
// What it does not do: change what a record is called or in which order it comes.
// The id, the time and the action of an event are never touched.
package prepare

import (
	"errors"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/enrich"
	"github.com/sluice-siem/sluice/pkg/transform/redact"
	"github.com/sluice-siem/sluice/pkg/transform/where"
)

// Settings are the options of a sink for its events. The zero value has none.
type Settings struct {
	Where  where.Expression `yaml:"where"`  // default all events
	Enrich enrich.Settings  `yaml:"enrich"` // default nothing
	Redact redact.Settings  `yaml:"redact"` // default nothing
}

// IsSet reports whether there is anything to do.
func (s *Settings) IsSet() bool {
	return s.Where.IsSet() || s.Enrich != (enrich.Settings{}) || len(s.Redact.Fields) > 0
}

// Preparer prepares the events of a lane. It is not safe for concurrent use.
type Preparer struct {
	filter   *where.Filter    // nil: all events
	enricher *enrich.Enricher // nil: nothing is added
	redactor *redact.Redactor // nil: nothing is taken out
	event    source.Event     // an enriched copy
}

// Prepare returns e as the sink is to get it: e itself, or a copy in memory that
// is used again at the next call; nil if the sink is not to get it. An error is
// of a condition that fails on e, or of a damaged database. It keeps nothing
// back: the event that comes with it is to be delivered.
func (p *Preparer) Prepare(e *source.Event) (*source.Event, error) {
	var failed error
	if p.filter != nil {
		keep, err := p.filter.Keeps(e)
		if !keep {
			return nil, nil
		}
		failed = err
	}
	if p.enricher != nil {
		origin, err := p.enricher.Origin(e)
		if origin != nil {
			p.event = *e
			p.event.Origin = origin
			e = &p.event
		}
		failed = errors.Join(failed, err)
	}
	if p.redactor != nil {
		e = p.redactor.Redact(e)
	}
	return e, failed
}

// New makes the preparer of a lane. The error is of a database or a key that
// cannot be read.
func (s *Stock) New(settings Settings, catalogue *transform.Catalogue) (*Preparer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &Preparer{}
	if settings.Where.IsSet() {
		p.filter = settings.Where.Filter(catalogue)
	}
	city, err := s.database(settings.Enrich.City, enrich.OpenCity)
	if err != nil {
		return nil, err
	}
	asn, err := s.database(settings.Enrich.ASN, enrich.OpenASN)
	if err != nil {
		return nil, err
	}
	if city != nil || asn != nil {
		p.enricher = enrich.New(city, asn)
	}
	if len(settings.Redact.Fields) > 0 {
		if p.redactor, err = redact.New(settings.Redact); err != nil {
			return nil, err
		}
		s.watched = append(s.watched, p.redactor)
	}
	return p, nil
}
