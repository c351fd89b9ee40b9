package enrich_test

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/maxmind/mmdbwriter"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform/enrich"
	"github.com/sluice-siem/sluice/pkg/transform/enrich/enrichtest"
)

// file writes a database and returns its path.
func file(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	enrichtest.Put(t, path, content, enrichtest.Built)
	return path
}

func city(t testing.TB, path string) *enrich.Database {
	t.Helper()
	d, err := enrich.OpenCity(path)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func asn(t testing.TB, path string) *enrich.Database {
	t.Helper()
	d, err := enrich.OpenASN(path)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

var (
	place = source.Origin{
		Continent: "EU", Country: "SE", CountryName: "Sweden", Region: "SE-E", RegionName: "Östergötland County",
		City: "Linköping", Postal: "582 22", Timezone: "Europe/Stockholm", Latitude: 58.4167, Longitude: 15.6167,
	}
	system = source.Origin{System: 64496, SystemHolder: "Example Networks AB"}
	both   = func() source.Origin {
		o := place
		o.System, o.SystemHolder = system.System, system.SystemHolder
		return o
	}()
)

func TestOrigin(t *testing.T) {
	cities := city(t, file(t, "city.mmdb", enrichtest.City(t, "Linköping", enrichtest.Built)))
	systems := asn(t, file(t, "asn.mmdb", enrichtest.ASN(t)))
	for _, tt := range []struct {
		words    string
		enricher *enrich.Enricher
		ip       string
		want     *source.Origin
	}{
		{"both databases", enrich.New(cities, systems), "203.0.113.77", &both},
		{"places only", enrich.New(cities, nil), "203.0.113.77", &place},
		{"systems only", enrich.New(nil, systems), "203.0.113.77", &system},
		{"none of them", enrich.New(nil, nil), "203.0.113.77", nil},
		{"known to one of them", enrich.New(cities, systems), "203.0.112.1", &system},
		{"little is known", enrich.New(cities, systems), "2001:db8::1", &source.Origin{Country: "JP", CountryName: "Japan"}},
		{"an IPv4 address within an IPv6 one", enrich.New(cities, nil), "::ffff:203.0.113.77", &place},
		{"an unknown address", enrich.New(cities, systems), "192.0.2.1", nil},
		{"a private address", enrich.New(cities, systems), "10.0.0.1", nil},
		{"no address", enrich.New(cities, systems), "localhost", nil},
		{"nothing", enrich.New(cities, systems), "", nil},
	} {
		t.Run(tt.words, func(t *testing.T) {
			for range 2 { // The second answer comes from memory.
				got, err := tt.enricher.Origin(&source.Event{RemoteIP: tt.ip})
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("want (-), got (+):\n%s", diff)
				}
			}
		})
	}
}

// TestADatabaseOfOneFamily uses a database without IPv6 addresses.
func TestADatabaseOfOneFamily(t *testing.T) {
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "DBIP-City-Lite", IPVersion: 4, IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	var content bytes.Buffer
	if _, err := tree.WriteTo(&content); err != nil {
		t.Fatal(err)
	}
	e := enrich.New(city(t, file(t, "city.mmdb", content.Bytes())), nil)
	for _, ip := range []string{"2001:db8::1", "203.0.113.1"} {
		if found, err := e.Origin(&source.Event{RemoteIP: ip}); found != nil || err != nil {
			t.Errorf("%s: got %v and error %v, want neither", ip, found, err)
		}
	}
}

func TestAFileThatChangesIsReadAgain(t *testing.T) {
	path := file(t, "city.mmdb", enrichtest.City(t, "Linköping", enrichtest.Built))
	d := city(t, path)
	e := enrich.New(d, nil)
	later := enrichtest.Built.AddDate(0, 1, 0)
	next := enrichtest.City(t, "Norrköping", later)
	broken := append([]byte("broken"), next[:len(next)/2]...)
	for i, step := range []struct {
		words   string
		file    []byte // nil: it stays as it is
		changed bool
		fails   bool
		city    string
	}{
		{"the same file", nil, false, false, "Linköping"},
		{"one that may still be written", next[:len(next)/2], false, false, "Linköping"},
		{"one that may still be written, some more", next, false, false, "Linköping"},
		{"it is whole", nil, true, false, "Norrköping"},
		{"and stays", nil, false, false, "Norrköping"},
		{"a broken one", broken, false, false, "Norrköping"},
		{"is refused", nil, false, true, "Norrköping"},
		{"and that is told again", nil, false, true, "Norrköping"},
		{"a database of another kind", enrichtest.ASN(t), false, false, "Norrköping"},
		{"is refused, too", nil, false, true, "Norrköping"},
		{"an older one", enrichtest.City(t, "Linköping", enrichtest.Built), false, false, "Norrköping"},
		{"is taken", nil, true, false, "Linköping"},
	} {
		if step.file != nil {
			enrichtest.Put(t, path, step.file, later.Add(time.Duration(i)*time.Second))
		}
		changed, err := d.Refresh()
		if changed != step.changed || (err != nil) != step.fails {
			t.Errorf("%s: got changed %t and error %v, want %t and an error: %t", step.words, changed, err, step.changed, step.fails)
		}
		if err != nil && !strings.Contains(err.Error(), "the database of 2026-04-01 stays in use: "+path) {
			t.Errorf("%s: got error %v", step.words, err)
		}
		origin, err := e.Origin(&source.Event{RemoteIP: "203.0.113.1"})
		if err != nil || origin.City != step.city {
			t.Errorf("%s: got %v and error %v, want %s", step.words, origin, err, step.city)
		}
	}
	t.Run("a file that is gone is an error", func(t *testing.T) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if changed, err := d.Refresh(); changed || !errors.Is(err, os.ErrNotExist) {
				t.Errorf("got %t and error %v", changed, err)
			}
		}
	})
}

func TestWhatCannotBeOpened(t *testing.T) {
	whole := enrichtest.City(t, "Linköping", enrichtest.Built)
	for _, tt := range []struct{ words, path, want, hint string }{
		{"no file", "/nowhere/city.mmdb", "enrich.city: stat /nowhere/city.mmdb: no such file", "download the database to that path"},
		{"no database", file(t, "x", []byte("<html>")), "enrich.city: ", "a database is a file in the format of MaxMind"},
		{"half a database", file(t, "x", whole[:len(whole)/2]), "enrich.city: ", "a database is a file in the format of MaxMind"},
		{"the other kind", file(t, "x", enrichtest.ASN(t)), `is a database of type "GeoLite2-ASN", which is not for city`, "a database is a file"},
	} {
		t.Run(tt.words, func(t *testing.T) {
			_, err := enrich.OpenCity(tt.path)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.path) {
				t.Fatalf("got error %v, want one with %s", err, tt.want)
			}
			if !strings.HasPrefix(failure.Hint(err), tt.hint) {
				t.Errorf("got %v, want the hint %s", err, tt.hint)
			}
		})
	}
	if _, err := enrich.OpenASN(file(t, "x", whole)); err == nil || !strings.Contains(err.Error(), "enrich.asn") {
		t.Errorf("got error %v, want one of enrich.asn", err)
	}
}

// TestDamageIsAnError changes bytes in the middle of a database. No check finds that
// before an address leads there.
func TestDamageIsAnError(t *testing.T) {
	content := enrichtest.City(t, "Linköping", enrichtest.Built)
	at := strings.Index(string(content), "Linköping")
	content[at-1] = 0xff
	e := enrich.New(city(t, file(t, "city.mmdb", content)), nil)
	for range 2 {
		origin, err := e.Origin(&source.Event{ID: "q7", RemoteIP: "203.0.113.1"})
		if origin != nil || err == nil || !strings.HasPrefix(err.Error(), `enrich: event "q7": `) {
			t.Errorf("got %v and error %v, want only an error", origin, err)
		}
	}
	if origin, err := e.Origin(&source.Event{RemoteIP: "2001:db8::1"}); err != nil || origin.Country != "JP" {
		t.Errorf("got %v and error %v of an address that is not damaged", origin, err)
	}
}

func TestADatabaseDescribesItself(t *testing.T) {
	path := file(t, "city.mmdb", enrichtest.City(t, "Linköping", enrichtest.Built))
	d := city(t, path)
	if got, want := d.String(), "GeoLite2-City of 2026-03-01 ("+path+")"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if info, err := os.Stat(path); err != nil || d.Bytes() != info.Size() || !d.Built().Equal(enrichtest.Built) {
		t.Errorf("got %d bytes of %v, and %v", d.Bytes(), d.Built(), err)
	}
}

func TestAddressesAreRememberedInBounds(t *testing.T) {
	e := enrich.New(city(t, file(t, "city.mmdb", enrichtest.City(t, "Linköping", enrichtest.Built))), nil)
	event := source.Event{RemoteIP: "203.0.113.1"}
	origin := func() {
		if found, err := e.Origin(&event); err != nil || found == nil {
			t.Fatal(found, err)
		}
	}
	origin()
	if got := testing.AllocsPerRun(100, origin); got != 0 {
		t.Errorf("%v allocations for an address that is known, want none", got)
	}
	for i := range 10_000 {
		other := source.Event{RemoteIP: netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)}).String()}
		if found, err := e.Origin(&other); found != nil || err != nil {
			t.Fatal(found, err)
		}
	}
	if got := e.Remembered(); got < 1 || got > 4096 {
		t.Errorf("%d addresses are remembered, want at most 4096", got)
	}
	origin()
	before := e.Remembered()
	if found, err := e.Origin(&source.Event{RemoteIP: strings.Repeat("x", 1<<20)}); found != nil || err != nil || e.Remembered() != before {
		t.Errorf("got %v and error %v for a text that is not an address, or it is remembered", found, err)
	}
}

func BenchmarkOrigin(b *testing.B) {
	e := enrich.New(city(b, file(b, "city.mmdb", enrichtest.City(b, "Linköping", enrichtest.Built))), asn(b, file(b, "asn.mmdb", enrichtest.ASN(b))))
	event := source.Event{RemoteIP: "203.0.113.1"}
	b.ReportAllocs()
	for b.Loop() {
		if found, err := e.Origin(&event); err != nil || found == nil {
			b.Fatal(found, err)
		}
	}
}
