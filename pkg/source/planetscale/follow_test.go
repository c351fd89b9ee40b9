package planetscale_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// tester is what testing.TB and rapid.T have in common.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// follower is a lane reduced to its reader: it takes pages, publishes them to
// memory, and saves the position, or crashes before it does.
type follower struct {
	t         tester
	server    *simulator.Server
	source    *planetscale.Source
	restart   func() *planetscale.Source // after a crash; default: the source stays
	reader    source.Reader
	saved     source.Position
	start     source.Start
	published []source.Event
	seen      map[string]int
	failures  []error
	patience  int // failures before the test gives up; default 500
	memory    source.Memory
}

var defaults = func() planetscale.Settings {
	s := planetscale.Defaults
	s.Organization = "acme"
	s.AccessToken = setting.NewSecret("access-token")
	s.RequestsPerMinute = 0
	return s
}()

func newSource(t tester, server *simulator.Server, s planetscale.Settings) *planetscale.Source {
	return newSourceAt(t, server, s, time.Now)
}

// newSourceAt is like newSource, on a machine with the given clock.
func newSourceAt(t tester, server *simulator.Server, s planetscale.Settings, now func() time.Time) *planetscale.Source {
	t.Helper()
	var transport http.RoundTripper = server.Transport()
	src, err := planetscale.New(s, planetscale.Options{Log: zerolog.Nop(), Transport: transport, Now: now})
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return src
}

func follow(t tester, server *simulator.Server, s planetscale.Settings) *follower {
	t.Helper()
	return &follower{t: t, server: server, source: newSource(t, server, s), seen: map[string]int{}}
}

// cases counts the cases of tests that have many.
var cases atomic.Int64

// thinned reports whether to leave out a case: a short run has a fifth of them, and
// another fifth if the tests are shuffled.
func thinned() bool { return testing.Short() && cases.Add(1)%5 != 1 }

// eachOrder follows a log that lists the newest event first, and one that lists the
// oldest first.
func eachOrder(t *testing.T, words string, c simulator.Config, test func(t *testing.T, f *follower)) {
	t.Helper()
	for _, order := range orders {
		if thinned() {
			continue
		}
		t.Run(strings.TrimSpace(name(words, " ", order)), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.Order = order
				f := follow(t, simulator.New(c), defaults)
				defer f.close()
				test(t, f)
			})
		})
	}
}

// open starts the reader from the saved position.
func (f *follower) open() {
	f.t.Helper()
	if f.reader != nil {
		return
	}
	for f.saved == nil {
		pos, err := f.source.Start(context.Background(), f.start)
		if err == nil {
			f.saved = pos
			break
		}
		f.fail(err)
	}
	r, err := f.source.Open(f.saved, source.Env{Lane: "acme/test", Log: zerolog.Nop(), Memory: f.memory})
	if err != nil {
		f.t.Fatalf("Open: %v", err)
	}
	f.reader = r
}

// fail waits as a lane would.
func (f *follower) fail(err error) {
	f.t.Helper()
	f.failures = append(f.failures, err)
	if len(f.failures) > max(500, f.patience) {
		f.t.Fatalf("no progress: %v", err)
	}
	time.Sleep(max(500*time.Millisecond, failure.RetryAfter(err)))
}

// crash discards everything but the saved position.
func (f *follower) crash() {
	if f.reader != nil {
		f.reader.Close()
		f.reader = nil
	}
	if f.restart != nil {
		f.closeSource()
		f.source = f.restart()
	}
}

// page takes the next page and publishes it.
func (f *follower) page(ctx context.Context) (source.Page, bool) {
	f.t.Helper()
	for {
		f.open()
		p, err := f.reader.Next(ctx)
		if err != nil && ctx.Err() != nil {
			return p, false
		}
		if err != nil {
			f.fail(err)
			continue
		}
		for _, e := range p.Events {
			f.seen[e.ID]++
			f.published = append(f.published, e)
		}
		return p, true
	}
}

// events takes and saves pages until one has events, which it publishes and does not save.
func (f *follower) events() source.Page {
	f.t.Helper()
	for {
		p, ok := f.page(context.Background())
		if !ok || len(p.Events) > 0 {
			return p
		}
		f.save(p)
	}
}

func (f *follower) save(p source.Page) {
	f.saved = p.Next
}

// catchUp reads and saves until no event is known to wait.
func (f *follower) catchUp() {
	f.t.Helper()
	for {
		p, _ := f.page(context.Background())
		f.save(p)
		if p.CaughtUp {
			return
		}
	}
}

// between keeps the end of a run apart from polls. Polls, pauses and delays take
// multiples of half a second, so at the same instant chance would decide which comes
// first.
const between = 7 * time.Millisecond

// run reads and saves for a while.
func (f *follower) run(d time.Duration) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d+between)
	defer cancel()
	for ctx.Err() == nil {
		p, ok := f.page(ctx)
		if !ok {
			return
		}
		f.save(p)
	}
}

func (f *follower) close() {
	f.t.Helper()
	f.restart = nil
	f.crash()
	f.closeSource()
}

func (f *follower) closeSource() {
	f.t.Helper()
	if err := f.source.Close(); err != nil {
		f.t.Errorf("Close: %v", err)
	}
}

// wantAll requires that each event that was ever visible was delivered, exactly once if
// times is 1, and that no other event was.
func (f *follower) wantAll(times int) {
	f.t.Helper()
	missing, repeated, all := 0, 0, map[string]bool{}
	for e := range f.server.Ever() {
		all[e.ID] = true
		switch n := f.seen[e.ID]; {
		case n == 0:
			if missing++; missing <= 5 {
				f.t.Errorf("event %s of %s, listed %s, was not delivered", e.ID, e.Created, e.Listed)
			}
		case n > times:
			if repeated++; repeated <= 5 {
				f.t.Errorf("event %s was delivered %d times", e.ID, n)
			}
		}
	}
	if missing+repeated > 0 {
		f.t.Errorf("%d of %d events missing, %d repeated", missing, len(all), repeated)
	}
	for id := range f.seen {
		if !all[id] && id[:3] != "gap" && id[:3] != "sha" {
			f.t.Errorf("event %s was never in the log", id)
		}
	}
}

// wantOldestFirst requires the order of the log, late events apart.
func (f *follower) wantOldestFirst() {
	f.t.Helper()
	seen := map[string]bool{}
	var last source.Event
	for _, e := range f.published {
		if seen[e.ID] || e.Late || e.Gap || e.Problem != "" {
			continue
		}
		seen[e.ID] = true
		if e.Time.Before(last.Time) {
			f.t.Errorf("event %s of %s came after %s of %s", e.ID, e.Time, last.ID, last.Time)
			return
		}
		last = e
	}
}

func (f *follower) wantNoEndingBefore() {
	f.t.Helper()
	for _, r := range f.server.Requests() {
		if r.EndingBefore != "" {
			f.t.Errorf("request %d has ending_before", r.N)
		}
	}
}

func (f *follower) gaps() int {
	n := 0
	for _, e := range f.published {
		if e.Gap {
			n++
		}
	}
	return n
}

func name(parts ...any) string { return fmt.Sprint(parts...) }

// wantNearlyAll is like wantAll, exactly once, for a log that grows: the newest events
// may not have been read yet.
func (f *follower) wantNearlyAll(yet time.Duration) {
	f.t.Helper()
	for e := range f.server.Ever() {
		if n := f.seen[e.ID]; n > 1 || n == 0 && time.Since(e.Listed) > yet {
			f.t.Errorf("event %s of %s, listed %s, was delivered %d times", e.ID, e.Created, e.Listed, n)
		}
	}
}

// wantAllBut is like wantAll, exactly once, for a log from which events were deleted
// before they were read.
func (f *follower) wantAllBut(deleted int) {
	f.t.Helper()
	missing := 0
	for e := range f.server.Ever() {
		switch n := f.seen[e.ID]; {
		case n > 1 || n == 0 && e.Gone.IsZero():
			f.t.Errorf("event %s was delivered %d times", e.ID, n)
		case n == 0:
			missing++
		}
	}
	if missing > deleted {
		f.t.Errorf("%d deleted events were not delivered, want at most %d", missing, deleted)
	}
}

// wantGaps requires that so many gaps were delivered, and that each event that expired
// undelivered lies within one.
func (f *follower) wantGaps(want int) {
	f.t.Helper()
	f.wantExpiredTold()
	if got := f.gaps(); got != want {
		f.t.Errorf("got %d gaps, want %d", got, want)
	}
}
