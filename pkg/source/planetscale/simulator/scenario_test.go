package simulator_test

import (
	"bytes"
	"context"
	"net/http"
	"regexp"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

func TestScenariosAreDescribed(t *testing.T) {
	name, doc := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`), regexp.MustCompile(`^[A-Z0-9].*\.$`)
	var seen []string
	for _, sc := range simulator.Scenarios() {
		if !name.MatchString(sc.Name) || !doc.MatchString(sc.Doc) || slices.Contains(seen, sc.Name) {
			t.Errorf("scenario %q, %q: want a new name in hyphenated words and a sentence", sc.Name, sc.Doc)
		}
		seen = append(seen, sc.Name)
	}
}

// stubborn is the simplest reader that gets through: it walks the whole log
// again and again, and believes a walk in which nothing was odd.
type stubborn struct {
	s      *simulator.Server
	odd    int    // walks that were discarded
	listed []byte // data of the last walk, "]" and what follows it included
	sane   bool   // the last walk can be believed
}

func (b *stubborn) walk(t *testing.T) {
	b.listed, b.sane = nil, false
	seen := map[string]bool{"": true}
	cursor := ""
	for {
		page, ok := skimIfPage(b.ask(t, cursor))
		if !ok || page.hasNext && seen[page.end] {
			b.odd++
			return
		}
		b.listed = append(b.listed, page.data...)
		if !page.hasNext {
			// An empty page where more was promised is no end.
			b.sane = cursor == "" || page.end != ""
			return
		}
		cursor = page.end
		seen[cursor] = true
	}
}

// ask is one request, by a client that gives up after half a minute.
func (b *stubborn) ask(t *testing.T, cursor string) reply {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	target := "http://api.test" + path + "?" + limited(cursor, 25).Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "id:token")
	got := send(b.s.Client(), r)
	date, err := http.ParseTime(got.header.Get("Date"))
	if got.err == nil && (err != nil || time.Since(date).Abs() > time.Second) {
		b.odd++ // the server's clock is the bubble's
	}
	return got
}

// tells reports whether the last walk listed exactly the events of the log.
func (b *stubborn) tells(s *simulator.Server, o simulator.Order) bool {
	want := slices.Collect(s.Visible())
	if o == simulator.NewestFirst {
		slices.Reverse(want)
	}
	rest := b.listed
	for _, e := range want {
		i := bytes.Index(rest, e.Raw)
		if i < 0 || bytes.Contains(rest[:i], []byte(`{"id"`)) {
			return false
		}
		rest = rest[i+len(e.Raw):]
	}
	return !bytes.Contains(rest, []byte(`{"id"`))
}

// walks is after how many attempts a scenario must be over.
const walks = 14

// large scenarios take seconds, depend on no switch and have no faults: one
// configuration and two walks are enough for them.
var large = []string{"huge-events", "overlap-flood"}

func TestScenariosEnd(t *testing.T) {
	for i, c := range []simulator.Config{
		{Purged: simulator.NotFound404},
		{Purged: simulator.BadRequest400},
		{Purged: simulator.Unprocessable422},
		{Purged: simulator.EmptyPage},
		{Purged: simulator.FirstPage},
		{Order: simulator.OldestFirst},
		{Order: simulator.OldestFirst, Purged: simulator.FirstPage, SortKey: simulator.ByInsertion},
	} {
		for _, sc := range simulator.Scenarios() {
			if slices.Contains(large, sc.Name) && i > 0 {
				continue
			}
			if testing.Short() && (i%3 != 0 || slices.Contains(large, sc.Name) || sc.Name == "oversized-events") {
				continue // The race detector checks each copied byte, which takes too long.
			}
			t.Run(c.Order.String()+", "+c.Purged.String()+", "+sc.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { checkScenario(t, c, sc) })
			})
		}
	}
}

// checkScenario lets a stubborn reader through a scenario: something must have
// been wrong, and all must be well in the end.
func checkScenario(t *testing.T, c simulator.Config, sc simulator.Scenario) {
	c.Events = 110
	s := simulator.New(c)
	calm := slices.Collect(s.Visible())
	sc.Apply(s)
	reader := stubborn{s: s}
	attempts := walks
	if slices.Contains(large, sc.Name) {
		attempts = 2
	}
	for range attempts {
		reader.walk(t)
		if reader.sane && !reader.tells(s, c.Order) {
			reader.odd++
		}
		<-time.After(10 * time.Second)
	}
	if !reader.sane || !reader.tells(s, c.Order) {
		t.Errorf("the last of %d walks does not list the log", attempts)
	}
	same := slices.EqualFunc(calm, slices.Collect(s.Ever()), func(a, b simulator.Event) bool {
		return a.ID == b.ID && bytes.Equal(a.Raw, b.Raw) && b.Gone.IsZero()
	})
	if reader.odd == 0 && same {
		t.Error("nothing was out of the ordinary")
	}
}

// effect runs a scenario over all walks and returns its server.
func effect(t *testing.T, name string, c simulator.Config) *simulator.Server {
	t.Helper()
	s := begin(t, name, c)
	reader := stubborn{s: s}
	for range walks {
		reader.walk(t)
		<-time.After(10 * time.Second)
	}
	return s
}

// begin is a server at the beginning of a scenario.
func begin(t *testing.T, name string, c simulator.Config) *simulator.Server {
	t.Helper()
	all := simulator.Scenarios()
	i := slices.IndexFunc(all, func(sc simulator.Scenario) bool { return sc.Name == name })
	if i < 0 {
		t.Fatalf("no scenario %q", name)
	}
	s := simulator.New(c)
	all[i].Apply(s)
	return s
}

func TestEffects(t *testing.T) {
	statuses := func(want int) func(*testing.T, *simulator.Server) {
		return func(t *testing.T, s *simulator.Server) {
			var got []int
			for _, r := range s.Requests() {
				got = append(got, r.Status)
			}
			if !slices.Contains(got, want) {
				t.Errorf("got statuses %v, want %d among them", got, want)
			}
		}
	}
	gone := func(least, most int) func(*testing.T, *simulator.Server) {
		return func(t *testing.T, s *simulator.Server) {
			n := 0
			for e := range s.Ever() {
				if !e.Gone.IsZero() {
					n++
				}
			}
			if n < least || n > most {
				t.Errorf("%d events are gone, want %d to %d", n, least, most)
			}
		}
	}
	tests := map[string]func(*testing.T, *simulator.Server){
		"throttled-with-retry-after":  statuses(429),
		"throttled-until-a-date":      statuses(429),
		"unavailable-with-html":       statuses(503),
		"internal-error":              statuses(500),
		"token-rotated":               statuses(401),
		"permission-withdrawn":        statuses(403),
		"cursor-deleted":              gone(2, 2),
		"newest-deleted":              gone(3, 3),
		"vanishes-between-reads":      gone(5, 5),
		"retention-in-mid-walk":       gone(50, 60),
		"retention-passes-the-cursor": gone(55, 65),
		"vanishing-tail":              gone(30, 60),
		"purged-beyond-retention":     gone(108, 110),
		"late-events":                 checkLate,
		"changed-event":               checkChanged,
		"redirect":                    checkRedirect,
		"ties":                        checkTies,
		"odd-times":                   checkFuture,
	}
	for name, check := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				check(t, effect(t, name, simulator.Config{Events: 110}))
			})
		})
	}
}

func checkLate(t *testing.T, s *simulator.Server) {
	late := 0
	for e := range s.Ever() {
		behind := e.Listed.Sub(e.Created)
		if behind > time.Second {
			late++
		}
		if behind > simulator.Lateness+time.Millisecond {
			t.Errorf("event of %v was listed %v later", e.Created, behind)
		}
	}
	if late < 20 {
		t.Errorf("%d events were late, want 20", late)
	}
}

func checkChanged(t *testing.T, s *simulator.Server) {
	changed := regexp.MustCompile(`"updated_at":"([^"]*)"`)
	for e := range s.Visible() {
		if len(e.Former) == 0 {
			continue
		}
		if bytes.Equal(changed.FindSubmatch(e.Former[0])[1], changed.FindSubmatch(e.Raw)[1]) {
			t.Errorf("updated_at of %s stayed the same", e.ID)
		}
		return
	}
	t.Error("no event changed")
}

func checkRedirect(t *testing.T, s *simulator.Server) {
	hosts := make(map[string]int)
	for _, r := range s.Requests() {
		hosts[r.Host]++
		if r.Host == "elsewhere.example" && r.Status == http.StatusOK {
			t.Error("the token was sent to another host")
		}
	}
	if hosts["elsewhere.example"] == 0 || hosts["api.test"] == 0 {
		t.Errorf("got requests to hosts %v, want both", hosts)
	}
}

func checkTies(t *testing.T, s *simulator.Server) {
	times := make(map[time.Time]int)
	for e := range s.Visible() {
		times[e.Created]++
	}
	large := 0
	for _, n := range times {
		if n >= 130 {
			large++
		}
	}
	if large < 2 {
		t.Errorf("%d times have more than a page of events, want several", large)
	}
}

func checkFuture(t *testing.T, s *simulator.Server) {
	s.Append(5)
	var last simulator.Event
	for e := range s.Visible() {
		last = e
	}
	if last.Created.Year() != 2099 {
		t.Errorf("the top of the log is of %v, want the far future", last.Created)
	}
}

func TestHugeEventsFitInSmallPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := begin(t, "huge-events", simulator.Config{Events: 10})
		const bound = 16 << 20
		if got := len(ask(t, s, path+"?limit=100").body); got <= bound {
			t.Errorf("a page of 100 has %d bytes, want more than %d", got, bound)
		}
		if got := len(ask(t, s, path+"?limit=50").body); got > bound {
			t.Errorf("a page of 50 has %d bytes, want at most %d", got, bound)
		}
	})
}
