// Package enrich adds to events where their address is: its place on earth and
// its autonomous system, from databases in the format of MaxMind:
//
//	enrich:
//	  city: /var/lib/GeoIP/GeoLite2-City.mmdb
//	  asn: /var/lib/GeoIP/GeoLite2-ASN.mmdb
//
// What is found is source.Event's Origin, for formats to write where their schema
// has a place for it. An address that is private, unknown or none at all has no
// Origin; that is no error. The databases are the user's to download and to keep
// current, as with geoipupdate; a file that changes is read again while events go
// on (see Database). Sluice has no database of its own and asks nobody on the
// network.
package enrich

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// Settings say where the databases are. The zero value enriches nothing.
type Settings struct {
	City string `yaml:"city"` // path of a database of cities or countries; default none
	ASN  string `yaml:"asn"`  // path of a database of autonomous systems; default none
}

// Enricher finds the origins of addresses for a lane. It is not safe for
// concurrent use.
type Enricher struct {
	city, asn *Database // nil where there is none

	// known are the origins of addresses seen with these editions of the databases,
	// nil for those that have none: the same few addresses make most events.
	known    map[string]*source.Origin
	editions [2]*edition
}

// maxKnown bounds what is remembered: beyond it all is forgotten.
const maxKnown = 4096

// New returns an enricher that asks databases; either may be nil.
func New(city, asn *Database) *Enricher {
	return &Enricher{city: city, asn: asn, known: map[string]*source.Origin{}}
}

// Origin finds where the address of e is, nil if that is not known. The error is
// of a database that is damaged in the part that was asked for; the event then
// goes on without.
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
