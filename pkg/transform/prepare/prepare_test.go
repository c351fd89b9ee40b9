package prepare_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform/enrich"
	"github.com/sluice-siem/sluice/pkg/transform/enrich/enrichtest"
	"github.com/sluice-siem/sluice/pkg/transform/internal/corpus"
	"github.com/sluice-siem/sluice/pkg/transform/prepare"
	"github.com/sluice-siem/sluice/pkg/transform/redact"
	"github.com/sluice-siem/sluice/pkg/transform/where"
)

func condition(tb testing.TB, text string) where.Expression {
	tb.Helper()
	x := where.For(&corpus.Product)
	if err := x.UnmarshalText([]byte(text)); err != nil {
		tb.Fatal(err)
	}
	return x
}

func open(tb testing.TB, stock *prepare.Stock, s prepare.Settings) *prepare.Preparer {
	tb.Helper()
	p, err := stock.New(s, &corpus.Product, corpus.Catalogue())
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// databases writes a database of each kind.
func databases(tb testing.TB) enrich.Settings {
	tb.Helper()
	dir := tb.TempDir()
	s := enrich.Settings{City: filepath.Join(dir, "city.mmdb"), ASN: filepath.Join(dir, "asn.mmdb")}
	enrichtest.Put(tb, s.City, enrichtest.City(tb, "Linköping", enrichtest.Built), enrichtest.Built)
	enrichtest.Put(tb, s.ASN, enrichtest.ASN(tb), enrichtest.Built)
	return s
}

func masked(fields ...string) redact.Settings {
	var s redact.Settings
	for _, f := range fields {
		s.Fields = append(s.Fields, redact.Field{Name: f, How: "mask"})
	}
	return s
}

func TestWithoutSettingsNothingHappens(t *testing.T) {
	var s prepare.Settings
	if s.IsSet() {
		t.Error("the zero settings say that they are set")
	}
	p := open(t, &prepare.Stock{}, s)
	e := corpus.Typical()
	if got, err := p.Prepare(&e); got != &e || err != nil {
		t.Errorf("got %v and error %v, want the event itself", got, err)
	}
}

func TestEachSettingIsSet(t *testing.T) {
	for words, s := range map[string]prepare.Settings{
		"where":       {Where: condition(t, "true")},
		"enrich.city": {Enrich: enrich.Settings{City: "x"}},
		"enrich.asn":  {Enrich: enrich.Settings{ASN: "x"}},
		"redact":      {Redact: masked("location")},
	} {
		if !s.IsSet() {
			t.Errorf("settings with only %s say that they are not set", words)
		}
	}
}

// TestOrder requires the order where, enrich, redact: the condition sees the address,
// enrichment finds its city, and the result has the address masked.
func TestOrder(t *testing.T) {
	p := open(t, &prepare.Stock{}, prepare.Settings{
		Where:  condition(t, `remote_ip == "203.0.113.77" and actor.name endsWith "@example.com"`),
		Enrich: databases(t),
		Redact: masked("remote_ip", "actor.name"),
	})
	e := corpus.Typical()
	before := e
	got, err := p.Prepare(&e)
	if err != nil || got == nil {
		t.Fatalf("got %v and error %v", got, err)
	}
	if got.RemoteIP != "[masked]" || got.Actor.Name != "[masked]" || bytes.Contains(got.Raw, []byte("203.0.113.77")) {
		t.Errorf("got %s and %s", got.RemoteIP, got.Raw)
	}
	want := &source.Origin{
		Continent: "EU", Country: "SE", CountryName: "Sweden", Region: "SE-E", RegionName: "Östergötland County",
		City: "Linköping", Postal: "582 22", Timezone: "Europe/Stockholm", Latitude: 58.4167, Longitude: 15.6167,
		System: 64496, SystemHolder: "Example Networks AB",
	}
	if diff := cmp.Diff(want, got.Origin); diff != "" {
		t.Errorf("want the origin (-), got (+):\n%s", diff)
	}
	if diff := cmp.Diff(before, e); diff != "" {
		t.Errorf("the event was changed:\n%s", diff)
	}
}

func TestEnrichmentAloneChangesNothingElse(t *testing.T) {
	p := open(t, &prepare.Stock{}, prepare.Settings{Enrich: databases(t)})
	for _, c := range corpus.Cases() {
		before := c.Event
		got, err := p.Prepare(&c.Event)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		want := c.Event
		want.Origin = got.Origin
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Errorf("%s: want (-), got (+):\n%s", c.Name, diff)
		}
		if diff := cmp.Diff(before, c.Event); diff != "" {
			t.Errorf("%s: the event was changed:\n%s", c.Name, diff)
		}
	}
}

func TestWhatIsFilteredIsNil(t *testing.T) {
	p := open(t, &prepare.Stock{}, prepare.Settings{Where: condition(t, "severity > 5"), Redact: masked("location")})
	for _, c := range corpus.Cases() {
		e := c.Event
		want := e.Gap || e.Problem != "" || corpus.Catalogue().Lookup(e.Action).Severity > 5
		if got, err := p.Prepare(&e); (got != nil) != want || err != nil {
			t.Errorf("%s: got %v and error %v, want it kept: %t", c.Name, got, err, want)
		}
	}
}

func TestWhatFailsIsDeliveredAndRedacted(t *testing.T) {
	s := prepare.Settings{Where: condition(t, "metadata.nobody > 5"), Enrich: databases(t), Redact: masked("actor.name")}
	damaged := enrichtest.City(t, "Linköping", enrichtest.Built)
	damaged[bytes.Index(damaged, []byte("Linköping"))-1] = 0xff
	enrichtest.Put(t, s.Enrich.City, damaged, enrichtest.Built)
	e := corpus.Typical()
	got, err := open(t, &prepare.Stock{}, s).Prepare(&e)
	if got == nil || got.Actor.Name != "[masked]" || got.Origin != nil {
		t.Errorf("got %+v", got)
	}
	for _, want := range []string{"where: ", "enrich: "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one of %s", err, want)
		}
	}
}

func TestWhatCannotBeOpened(t *testing.T) {
	for words, s := range map[string]prepare.Settings{
		"a city database": {Enrich: enrich.Settings{City: "/nowhere"}},
		"an ASN database": {Enrich: enrich.Settings{ASN: "/nowhere"}},
		"a key": {Redact: redact.Settings{
			Key: setting.SecretFile("/nowhere"), Fields: []redact.Field{{Name: "location", How: "hash"}},
		}},
	} {
		if _, err := new(prepare.Stock).New(s, &corpus.Product, nil); err == nil || !strings.Contains(err.Error(), "/nowhere") {
			t.Errorf("%s: got error %v", words, err)
		}
	}
}

func TestSinksShareDatabases(t *testing.T) {
	s := prepare.Settings{Enrich: databases(t)}
	var stock prepare.Stock
	one, two := open(t, &stock, s), open(t, &stock, s)
	if got := len(stock.Databases()); got != 2 {
		t.Errorf("%d databases are open, want 2", got)
	}
	runtime.KeepAlive(one)
	runtime.KeepAlive(two)
}

// A lane that ended leaves neither its databases in memory nor its key among the files that
// are watched.
func TestWhatNobodyUsesGoes(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(strings.Repeat("1", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	var stock prepare.Stock
	stays := open(t, &stock, prepare.Settings{Enrich: databases(t)})
	for range 3 {
		open(t, &stock, prepare.Settings{Enrich: databases(t), Redact: redact.Settings{
			Key: setting.SecretFile(key), Fields: []redact.Field{{Name: "actor.name", How: "hash"}},
		}})
	}
	runtime.GC()
	runtime.GC()
	if got := stock.Watched(); got != 2 {
		t.Errorf("%d files are watched, want those of the preparer that is in use", got)
	}
	runtime.KeepAlive(stays)
}

// TestWatch replaces, breaks and mends a database while events are prepared. It also
// removes the key and brings it back with another value.
func TestWatch(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	rewrite := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rewrite(key, strings.Repeat("1", 32))
	s := prepare.Settings{Enrich: databases(t), Redact: redact.Settings{
		Key: setting.SecretFile(key), Fields: []redact.Field{{Name: "actor.name", How: "hash"}},
	}}
	synctest.Test(t, func(t *testing.T) {
		var stock prepare.Stock
		p := open(t, &stock, s)
		ctx, stop := context.WithCancel(t.Context())
		var log lines
		ended := make(chan error)
		go func() { ended <- stock.Watch(ctx, zerolog.New(&log)) }()
		// pass lets time pass. It returns what was logged meanwhile, and an event that
		// was prepared afterwards.
		pass := func(d time.Duration) (string, *source.Event) {
			<-time.After(d)
			synctest.Wait()
			e := corpus.Typical()
			prepared, err := p.Prepare(&e)
			if err != nil {
				t.Fatal(err)
			}
			return log.take(), prepared
		}
		said, before := pass(time.Minute)
		if said != "" || before.Origin.City != "Linköping" {
			t.Errorf("got log %s and the city %s, want no log", said, before.Origin.City)
		}
		name := before.Actor.Name

		next := enrichtest.City(t, "Norrköping", enrichtest.Built.AddDate(0, 1, 0))
		enrichtest.Put(t, s.Enrich.City, next, enrichtest.Built.Add(time.Hour))
		rewrite(key, strings.Repeat("2", 32))
		said, after := pass(25 * time.Second)
		if strings.Count(said, `"level":"info"`) != 2 || !strings.Contains(said, "GeoLite2-City of 2026-04-01") || !strings.Contains(said, "redact.key") {
			t.Errorf("got %s, want both files to be read again", said)
		}
		if after.Origin.City != "Norrköping" || after.Actor.Name == name {
			t.Errorf("got the city %s and the name %s, want those of the new files", after.Origin.City, after.Actor.Name)
		}

		enrichtest.Put(t, s.Enrich.City, []byte("broken"), enrichtest.Built.Add(2*time.Hour))
		said, after = pass(4 * time.Minute)
		if strings.Count(said, `"level":"error"`) != 1 || !strings.Contains(said, "the database of 2026-04-01 stays in use") {
			t.Errorf("got %s, want one error", said)
		}
		if after.Origin.City != "Norrköping" {
			t.Errorf("got the city %s from a broken file", after.Origin.City)
		}
		if said, _ = pass(10 * time.Minute); strings.Count(said, `"level":"error"`) != 2 {
			t.Errorf("got %s, want the error again every five minutes", said)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// lines is a log that can be read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// take returns what was logged since the last call.
func (l *lines) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.buf.Reset()
	return l.buf.String()
}

// If the database of a sink cannot be read, the sink makes its preparer later. The watch
// must include that one.
func TestWhatIsAddedLaterIsWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "asn.mmdb")
		enrichtest.Put(t, path, enrichtest.ASN(t), enrichtest.Built)
		var stock prepare.Stock
		var log lines
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- stock.Watch(ctx, zerolog.New(&log)) }()
		time.Sleep(time.Minute)
		if _, err := stock.New(prepare.Settings{Enrich: enrich.Settings{ASN: path}}, &corpus.Product, corpus.Catalogue()); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("broken"), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if got := log.take(); !strings.Contains(got, "file could not be reloaded") {
			t.Errorf("logged %q, want a line that the database cannot be read", got)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func BenchmarkPrepare(b *testing.B) {
	p := open(b, &prepare.Stock{}, prepare.Settings{
		Where:  condition(b, `severity >= 3 and actor.type == "User"`),
		Enrich: databases(b),
		Redact: masked("actor.name", "remote_ip"),
	})
	e := corpus.Typical()
	b.ReportAllocs()
	for b.Loop() {
		if got, err := p.Prepare(&e); got == nil || err != nil {
			b.Fatal(got, err)
		}
	}
}
