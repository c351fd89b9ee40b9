// Package prepare prepares an event for one sink before it is encoded, in this order:
//
//  1. where decides whether the sink gets the event, by what the source sent.
//  2. enrich adds the origin of its address, before redact can remove the address.
//  3. redact removes what the sink must not have, also from what enrich added.
//
// Each has a package of its own beside this one. This package puts them together and
// keeps their files current. Lanes share events, so it copies an event that it changes. A
// sink with none of the three has no cost.
//
// It never changes the id, the time or the action of an event, nor the order of events.
package prepare

import (
	"errors"
	"weak"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/enrich"
	"github.com/sluice-siem/sluice/pkg/transform/redact"
	"github.com/sluice-siem/sluice/pkg/transform/where"
)

// Settings are the options of a sink for its events. The zero value has none. Where uses
// the names of a product, so call For before it is decoded.
type Settings struct {
	Where  where.Expression `yaml:"-"` // default all events
	Enrich enrich.Settings  `yaml:"enrich" default:"nothing" doc:"Add the place and the network of the event's IP address, from databases in MaxMind's format."`
	Redact redact.Settings  `yaml:"redact" default:"nothing" doc:"What the sink must not have."`
}

// For lets Where use the names of a product.
func (s *Settings) For(p *source.Product) { s.Where = where.For(p) }

// Unknown reports the fields to redact that the events of a product do not have, or that
// cannot be redacted in them.
func (s *Settings) Unknown(p *source.Product) []error {
	errs := s.Redact.Unknown(p)
	for i, err := range errs {
		errs[i] = setting.Invalid("redact", err)
	}
	return errs
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

// Prepare returns e as the sink gets it: e itself, or a copy that is valid until the next
// call; nil if the sink does not get it. An error means that the condition fails on e, or
// that a database is damaged. The event that is returned with an error must be delivered.
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

// New returns the preparer of a lane for the events of a product. The error means that a
// database or a key cannot be read, or that the settings name fields that the events do
// not have.
func (s *Stock) New(settings Settings, product *source.Product, catalogue *transform.Catalogue) (*Preparer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &Preparer{}
	var err error
	if settings.Where.IsSet() {
		if p.filter, err = settings.Where.Filter(product, catalogue); err != nil {
			return nil, err
		}
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
		if p.redactor, err = redact.New(settings.Redact, product); err != nil {
			return nil, err
		}
		s.redactors = append(s.redactors, weak.Make(p.redactor))
	}
	return p, nil
}
