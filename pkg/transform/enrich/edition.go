package enrich

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/sluice-siem/sluice/pkg/internal/regular"
	"github.com/sluice-siem/sluice/pkg/source"
)

// edition is the content of a database at one time. A nil edition is empty.
type edition struct {
	path   string
	reader *maxminddb.Reader
	stamp  stamp
}

// stamp shows whether a file changed, without reading it.
type stamp struct {
	modified time.Time
	size     int64
}

func stampOf(path string) (stamp, error) {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}, err
	}
	return stamp{info.ModTime(), info.Size()}, nil
}

// read reads a file into memory. It does not map it: if somebody overwrites a mapped file
// in place, reading it ends the process.
func read(path string, kind kind) (*edition, error) {
	now, err := stampOf(path)
	if err != nil {
		return nil, err // which names the file
	}
	content, err := regular.Read(path)
	if err != nil {
		return nil, err
	}
	reader, err := maxminddb.OpenBytes(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := kind.accepts(reader.Metadata.DatabaseType); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &edition{path: path, reader: reader, stamp: now}, nil
}

// kind is the kind of a database.
type kind string

const (
	cities  kind = "city"
	systems kind = "asn"
)

// accepts refuses a database of the other kind. Vendors other than MaxMind may name their
// types as they like.
func (k kind) accepts(databaseType string) error {
	isASN := strings.Contains(strings.ToUpper(databaseType), "ASN")
	isCity := strings.Contains(databaseType, "City") || strings.Contains(databaseType, "Country")
	if k == cities && isASN || k == systems && isCity {
		return fmt.Errorf("is a database of type %q, which is not for %s", databaseType, k)
	}
	return nil
}

// decode reads the entry of an address into found. Without an entry it leaves found
// unchanged.
func (d *edition) decode(addr netip.Addr, found any) error {
	if d == nil || d.reader.Metadata.IPVersion == 4 && addr.Is6() {
		return nil
	}
	if err := d.reader.Lookup(addr).Decode(found); err != nil {
		return fmt.Errorf("%s: %w", d.path, err)
	}
	return nil
}

// named is a name in English, which every database has.
type named struct {
	Names struct {
		English string `maxminddb:"en"`
	} `maxminddb:"names"`
}

// place is what we read from a database of cities (MaxMind, "GeoIP2 and GeoLite2
// City and Country Databases").
type place struct {
	Continent struct {
		Code string `maxminddb:"code"`
	} `maxminddb:"continent"`
	Country struct {
		named
		Code string `maxminddb:"iso_code"`
	} `maxminddb:"country"`
	Subdivisions []struct {
		named
		Code string `maxminddb:"iso_code"`
	} `maxminddb:"subdivisions"`
	City   named `maxminddb:"city"`
	Postal struct {
		Code string `maxminddb:"code"`
	} `maxminddb:"postal"`
	Location struct {
		Latitude  float64 `maxminddb:"latitude"`
		Longitude float64 `maxminddb:"longitude"`
		Timezone  string  `maxminddb:"time_zone"`
	} `maxminddb:"location"`
}

func (d *edition) place(addr netip.Addr, to *source.Origin) error {
	var found place
	if err := d.decode(addr, &found); err != nil {
		return err
	}
	to.Continent = found.Continent.Code
	to.Country, to.CountryName = found.Country.Code, found.Country.Names.English
	to.City, to.Postal = found.City.Names.English, found.Postal.Code
	to.Latitude, to.Longitude, to.Timezone = found.Location.Latitude, found.Location.Longitude, found.Location.Timezone
	if len(found.Subdivisions) > 0 { // The first is the largest.
		region := &found.Subdivisions[0]
		to.RegionName = region.Names.English
		if to.Country != "" && region.Code != "" {
			to.Region = to.Country + "-" + region.Code
		}
	}
	return nil
}

// system is what we read from a database of autonomous systems (MaxMind, "GeoLite2
// ASN Database").
func (d *edition) system(addr netip.Addr, to *source.Origin) error {
	var found struct {
		Number uint32 `maxminddb:"autonomous_system_number"`
		Holder string `maxminddb:"autonomous_system_organization"`
	}
	if err := d.decode(addr, &found); err != nil {
		return err
	}
	to.System, to.SystemHolder = found.Number, found.Holder
	return nil
}
