// Package enrichtest makes small databases in MaxMind's format for tests. So the
// repository needs no database of a vendor, which would bring its license.
package enrichtest

import (
	"bytes"
	"net"
	"os"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// Built is the default time at which a database says it was built.
var Built = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func names(english string) mmdbtype.Map {
	return mmdbtype.Map{"names": mmdbtype.Map{"en": mmdbtype.String(english), "de": mmdbtype.String(english + " (de)")}}
}

func with(m mmdbtype.Map, key string, value mmdbtype.DataType) mmdbtype.Map {
	m[mmdbtype.String(key)] = value
	return m
}

// City returns a database of cities. 203.0.113.0/24 is in the given city in Sweden, with
// all fields set. 2001:db8::/32 is in Japan, with no other field.
func City(tb testing.TB, city string, built time.Time) []byte {
	tb.Helper()
	return write(tb, "GeoLite2-City", built, map[string]mmdbtype.DataType{
		"203.0.113.0/24": mmdbtype.Map{
			"continent":    with(names("Europe"), "code", mmdbtype.String("EU")),
			"country":      with(names("Sweden"), "iso_code", mmdbtype.String("SE")),
			"subdivisions": mmdbtype.Slice{with(names("Östergötland County"), "iso_code", mmdbtype.String("E"))},
			"city":         names(city),
			"postal":       mmdbtype.Map{"code": mmdbtype.String("582 22")},
			"location": mmdbtype.Map{
				"latitude": mmdbtype.Float64(58.4167), "longitude": mmdbtype.Float64(15.6167),
				"time_zone": mmdbtype.String("Europe/Stockholm"),
			},
		},
		"2001:db8::/32": mmdbtype.Map{"country": with(names("Japan"), "iso_code", mmdbtype.String("JP"))},
	})
}

// ASN returns a database of autonomous systems: 203.0.112.0/22 belongs to one.
func ASN(tb testing.TB) []byte {
	tb.Helper()
	return write(tb, "GeoLite2-ASN", Built, map[string]mmdbtype.DataType{
		"203.0.112.0/22": mmdbtype.Map{
			"autonomous_system_number":       mmdbtype.Uint32(64496),
			"autonomous_system_organization": mmdbtype.String("Example Networks AB"),
		},
	})
}

func write(tb testing.TB, databaseType string, built time.Time, networks map[string]mmdbtype.DataType) []byte {
	tb.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{
		DatabaseType: databaseType, BuildEpoch: built.Unix(), IncludeReservedNetworks: true, RecordSize: 24,
	})
	if err != nil {
		tb.Fatal(err)
	}
	for text, value := range networks {
		_, network, err := net.ParseCIDR(text)
		if err != nil {
			tb.Fatal(err)
		}
		if err := tree.Insert(network, value); err != nil {
			tb.Fatal(err)
		}
	}
	var file bytes.Buffer
	if _, err := tree.WriteTo(&file); err != nil {
		tb.Fatal(err)
	}
	return file.Bytes()
}

// Put writes a file with the given time of modification. Two writes in a row may
// otherwise have the same time.
func Put(tb testing.TB, path string, content []byte, modified time.Time) {
	tb.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		tb.Fatal(err)
	}
	if err := os.Chtimes(path, modified, modified); err != nil {
		tb.Fatal(err)
	}
}
