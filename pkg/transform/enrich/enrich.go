// Package enrich adds the location and the autonomous system of an event's IP address,
// from databases in MaxMind's format:
//
//	enrich:
//	  city: /var/lib/GeoIP/GeoLite2-City.mmdb
//	  asn: /var/lib/GeoIP/GeoLite2-ASN.mmdb
//
// The result is the Origin of a source.Event. A format writes it if its schema has a place
// for it. An address that is private, unknown or malformed has no Origin, which is not an
// error. The user downloads the databases and keeps them current, for example with
// geoipupdate. A file that changes is reloaded while Sluice runs (see Database). Sluice
// has no database of its own and sends no request.
package enrich

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// Settings are the paths of the databases. The zero value enriches nothing.
type Settings struct {
	City string `yaml:"city" default:"none" doc:"Path of a database of cities or countries. It is read again when it changes."`
	ASN  string `yaml:"asn" default:"none" doc:"Path of a database of autonomous systems. It is read again when it changes."`
}

// Enricher finds the origins of addresses for a lane. It is not safe for
// concurrent use.
type Enricher struct {
	city, asn *Database // nil where there is none

	// known are the origins that these editions of the databases have of addresses, nil
	// for an address without one: most events come from the same few addresses.
	known    map[string]*source.Origin
	editions [2]*edition
}

// maxKnown limits known. At the limit it is cleared.
const maxKnown = 4096

// New returns an enricher that reads these databases. Either may be nil.
func New(city, asn *Database) *Enricher {
	return &Enricher{city: city, asn: asn, known: map[string]*source.Origin{}}
}

// Origin returns the origin of the address of e, or nil if it is unknown. The error is
// that of a database that is damaged at this address. The event is then delivered without
// an origin.
func (r *Enricher) Origin(e *source.Event) (*source.Origin, error) {
	if now := [2]*edition{r.city.edition(), r.asn.edition()}; now != r.editions {
		clear(r.known)
		r.editions = now
	}
	if found, known := r.known[e.RemoteIP]; known {
		return found, nil
	}
	addr := transform.Address(e.RemoteIP)
	if !addr.IsValid() {
		return nil, nil
	}
	found, err := r.find(addr)
	if err != nil {
		return nil, fmt.Errorf("enrich: event %.80q: %w", e.ID, err)
	}
	if len(r.known) >= maxKnown {
		clear(r.known)
	}
	r.known[strings.Clone(e.RemoteIP)] = found // The address shares memory with the page it came in.
	return found, nil
}

func (r *Enricher) find(addr netip.Addr) (*source.Origin, error) {
	var found source.Origin
	if err := r.editions[0].place(addr, &found); err != nil {
		return nil, err
	}
	if err := r.editions[1].system(addr, &found); err != nil {
		return nil, err
	}
	if found == (source.Origin{}) {
		return nil, nil
	}
	return &found, nil
}
