package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
)

// reloadRig is a fleet whose configuration is a file.
type reloadRig struct {
	*stage
	*reloader
	t    *testing.T
	file string
	said journal
	own  []ownlog.Event
}

// journal is a log that can be read while it is written.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(p)
}

// take returns what was logged since the last call.
func (j *journal) take() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	defer j.buf.Reset()
	return j.buf.String()
}

// newReloadRig runs the lanes of a configuration until the test ends. Then all must be
// closed.
func newReloadRig(t *testing.T, text string) *reloadRig {
	t.Helper()
	return newReloadRigOf(t, text, source.Type{})
}

// newReloadRigOf is newReloadRig for a build with that own log.
func newReloadRigOf(t *testing.T, text string, own source.Type) *reloadRig {
	t.Helper()
	r := &reloadRig{stage: newStage(), t: t, file: filepath.Join(t.TempDir(), "sluice.yaml")}
	r.write(text)
	kinds := r.kinds()
	kinds.Own = own
	load := func() (*config.Config, *config.Footprint, error) { return config.LoadTraced(r.file, kinds) }
	cfg, trace, err := load()
	if err != nil {
		t.Fatal(err)
	}
	b := newBuilder(t.Context(), cfg, newInMemory(), zerolog.New(&r.said))
	r.reloader = newReloader(load, trace, newFleet(b))
	r.say = func(e ownlog.Event) bool { r.own = append(r.own, e); return true }
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.fleet.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, b.close()); err != nil {
			t.Error(err)
		}
		r.wantClosed(t, 1)
	})
	r.settle()
	return r
}

func (r *reloadRig) write(text string) {
	r.t.Helper()
	if err := os.WriteFile(r.file, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// settle lets the lanes do what they have to, and forgets what happened.
func (r *reloadRig) settle() {
	time.Sleep(2 * time.Second)
	synctest.Wait()
	r.take()
	r.said.take()
}

// take returns what was opened and closed since the last call.
func (r *reloadRig) take() []string {
	r.stage.mu.Lock()
	defer r.stage.mu.Unlock()
	defer func() { r.order = nil }()
	return r.order
}

// reloads puts a configuration in force, and returns what was opened and closed. All lanes
// must be ready then.
func (r *reloadRig) reloads(text string) []string {
	r.t.Helper()
	r.write(text)
	r.reload(r.t.Context(), "SIGHUP")
	if refused := r.configuration().Refused; refused != nil {
		r.t.Errorf("refused: %s", refused)
	}
	time.Sleep(2 * time.Second)
	synctest.Wait()
	for _, s := range r.fleet.set.Statuses() {
		if !s.Ready {
			r.t.Errorf("lane %s: %s", s.Lane, s.Reason)
		}
	}
	return r.take()
}

const reloaded = `
sources:
  - {name: a, type: staged}
  - {name: b, type: staged}
sinks:
  - {name: one, type: staged, own_events: false, sources: [a], settings: {name: one}}
  - {name: two, type: staged, own_events: false, sources: [b], settings: {name: two}}
  - {name: six, type: staged, own_events: false, sources: [b], settings: {name: six}}
`

// What a change opens and closes, in this order; all else notices nothing.
func TestAReloadTouchesOnlyWhatChanged(t *testing.T) {
	for name, c := range map[string]struct {
		old, new string
		want     []string
		lanes    []string
	}{
		"nothing":   {"sources", "sources", nil, []string{"a/one", "b/two", "b/six"}},
		"a default": {"settings: {name: one}", "settings: {name: one}, max_rejects: 100", nil, []string{"a/one", "b/two", "b/six"}},
		"a sink": {"sources: [a],", "sources: [a], max_rejects: 7,", []string{
			"close reader of a", "close sink one", "open sink one", "open reader of a",
		}, []string{"a/one", "b/two", "b/six"}},
		"a source": {"{name: a, type: staged}", "{name: a, type: staged, settings: {most: 1}}", []string{
			"close reader of a", "close sink one", "close source a", "open source a", "open sink one", "open reader of a",
		}, []string{"a/one", "b/two", "b/six"}},
		"a sink by another name": {"{name: one, type", "{name: new, type", []string{
			"close reader of a", "close sink one", "open sink one", "open reader of a",
		}, []string{"b/two", "b/six", "a/new"}},
		"a sink that went": {"  - {name: six, type: staged, own_events: false, sources: [b], settings: {name: six}}\n", "", []string{
			"close reader of b", "close sink six",
		}, []string{"a/one", "b/two"}},
		"a source and its sink that went": {"  - {name: a, type: staged}\n  - {name: b, type: staged}\nsinks:\n  - {name: one, type: staged, own_events: false, sources: [a], settings: {name: one}}\n", "  - {name: b, type: staged}\nsinks:\n", []string{
			"close reader of a", "close sink one", "close source a",
		}, []string{"b/two", "b/six"}},
		"a source more": {"sinks:", "  - {name: c, type: staged}\nsinks:\n  - {name: new, type: staged, own_events: false, sources: [c], settings: {name: new}}", []string{
			"open source c", "open sink new", "open reader of c",
		}, []string{"a/one", "b/two", "b/six", "c/new"}},
		"a source that it follows, too": {"sources: [a],", "sources: [a, b],", []string{
			"open sink one", "open reader of b",
		}, []string{"a/one", "b/two", "b/six", "b/one"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newReloadRig(t, reloaded)
				next := strings.Replace(reloaded, c.old, c.new, 1)
				if got := r.reloads(next); !slices.Equal(got, c.want) {
					t.Errorf("got\n%q, want\n%q", got, c.want)
				}
				if got := r.fleet.set.Names(); !slices.Equal(got, c.lanes) {
					t.Errorf("lanes %q, want %q", got, c.lanes)
				}
				if diff := cmp.Diff(len(c.lanes), r.idleLanes()); diff != "" {
					t.Errorf("lanes that have memory (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// idleLanes returns for how many lanes memory is reserved.
func (r *reloadRig) idleLanes() int {
	r.fleet.mu.Lock()
	defer r.fleet.mu.Unlock()
	return int(r.fleet.memory.idle / idleMemory)
}

// A source that several changed lanes share closes once, after the last of them ended.
func TestASourceClosesAfterItsLastLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReloadRig(t, reloaded)
		got := r.reloads(strings.Replace(reloaded, "{name: b, type: staged}", "{name: b, type: staged, settings: {most: 1}}", 1))
		closes := slices.Index(got, "close source b")
		opens := slices.Index(got, "open source b")
		for i, what := range got {
			ends := what == "close sink two" || what == "close sink six" || what == "close reader of b"
			if ends && i > closes || strings.HasPrefix(what, "open") && i < closes {
				t.Errorf("%s at place %d, and the source closed at %d", what, i, closes)
			}
		}
		if len(got) != 10 || closes != 4 || opens != 5 {
			t.Errorf("got %q", got)
		}
	})
}

// What cannot be put in force is refused as a whole: nothing is opened or closed, and the
// log and the metrics tell.
func TestABadConfigurationIsRefused(t *testing.T) {
	good := strings.Replace(reloaded, "sources: [a],", "sources: [a], max_rejects: 7,", 1)
	for name, c := range map[string]struct {
		text string
		want []string // in the log
	}{
		"not YAML":        {"sinks: [", []string{"sluice.yaml:1:"}},
		"two problems":    {strings.Replace(good, "name: two}", "name: two, no: 1, most: x}", 1), []string{"sluice.yaml:7:", "sinks[1].settings: unknown key", "sinks[1].settings.most", `"problems":2`}},
		"a variable":      {strings.Replace(good, "name: two}", "name: \"${NOBODY_SETS_THIS}\"}", 1), []string{"NOBODY_SETS_THIS"}},
		"about the state": {"state: {settings: {dir: /elsewhere}}\nmemory: 64MiB\n" + good, []string{"restart sluice to change dead_letters.dir, memory, state.settings.dir"}},
		"about admin":     {"admin: {token: 0123456789abcdef}\n" + good, []string{"restart sluice to change admin.token"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newReloadRig(t, reloaded)
				r.write(c.text)
				loaded := r.configuration().Loaded
				time.Sleep(time.Second)
				r.reload(t.Context(), "SIGHUP")
				time.Sleep(2 * time.Second)
				synctest.Wait()
				if got := r.take(); got != nil {
					t.Errorf("got %q, want nothing to be opened or closed", got)
				}
				said := r.said.take()
				for _, want := range append(c.want, "the former one stays in force", `"by":"SIGHUP"`) {
					if !strings.Contains(said, want) {
						t.Errorf("the log lacks %s:\n%s", want, said)
					}
				}
				if strings.Contains(said, "0123456789abcdef") {
					t.Error("the log shows a token")
				}
				if got := r.configuration(); len(got.Refused) == 0 || got.RefusedAt.IsZero() || got.Loaded != loaded {
					t.Errorf("got %+v", got)
				}
				if got := r.reloads(good); len(got) != 4 {
					t.Errorf("once it was mended: %q", got)
				}
				if len(r.own) != 2 || r.own[0].Action != ownlog.ConfigurationRefused || r.own[1].Action != ownlog.ConfigurationLoaded ||
					!strings.Contains(fmt.Sprint(r.own[0].Details), c.want[0]) || !strings.Contains(fmt.Sprint(r.own[1].Details), "restarted:[a/one]") {
					t.Errorf("the own log has %+v", r.own)
				}
				if got := r.configuration(); len(got.Refused) != 0 || !got.RefusedAt.IsZero() || !got.Loaded.After(loaded) {
					t.Errorf("once it was mended: %+v", got)
				}
			})
		})
	}
}

// Where no sink had the events of the own log, there is no such log to read.
func TestOwnEventsNeedALog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReloadRigOf(t, reloaded, ownlog.Type())
		r.write(strings.Replace(reloaded, "own_events: false, ", "", 1))
		if got := r.foresee().Hint; !strings.Contains(got, "write own_events: false at the new sink") {
			t.Errorf("got %q", got)
		}
		r.reload(t.Context(), "SIGHUP")
		if got := r.configuration().Refused; len(got) != 1 || got[0] != "restart sluice to change own_events" {
			t.Errorf("got %q", got)
		}
	})
}

// A lane whose sink cannot be opened rests, as at a start, and another reload mends it.
func TestANewLaneThatCannotBeBuiltRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReloadRig(t, reloaded)
		r.fail("sink new", sink.Hint(errors.New("no such host"), "correct it"))
		r.write(reloaded + "  - {name: new, type: staged, own_events: false, sources: [a], settings: {name: new}}\n")
		r.reload(t.Context(), "SIGHUP")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		list := r.fleet.set.Statuses()
		if s := list[3]; s.Lane != "a/new" || !s.Resting || !strings.Contains(s.Reason, "no such host") {
			t.Errorf("got %+v", s)
		}
		for _, s := range list[:3] {
			if !s.Ready {
				t.Errorf("lane %s: %s", s.Lane, s.Reason)
			}
		}
		r.take()
		if got := r.reloads(reloaded); got != nil {
			t.Errorf("got %q, want nothing to be opened or closed", got)
		}
	})
}

// --watch reloads once the files are the same at two looks, and does not try again what was
// refused until they change, or a minute has passed.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReloadRig(t, reloaded)
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan error, 1)
		go func() { over <- r.run(ctx, nil, true) }()
		good := strings.Replace(reloaded, "sources: [a],", "sources: [a], max_rejects: 7,", 1)
		pass := func(d time.Duration) []string { time.Sleep(d); synctest.Wait(); return r.take() }
		// Looks are at 5 s, 10 s and so on, and this is 1 s after one.
		pass(6 * time.Second)
		r.write(good)
		if got := pass(8 * time.Second); got != nil {
			t.Errorf("after one look: %q", got)
		}
		if got := pass(2 * time.Second); len(got) != 4 {
			t.Errorf("after two looks that are the same: %q", got)
		}
		for i := range 4 {
			r.write(good + strings.Repeat("#", i+1))
			if got := pass(lookInterval); got != nil || strings.Contains(r.said.take(), "nothing changed") {
				t.Errorf("while the file is being written: %q", got)
			}
		}
		pass(10 * time.Second)
		if said := r.said.take(); !strings.Contains(said, "nothing changed") {
			t.Errorf("a comment: %s", said)
		}
		r.write("sinks: [")
		pass(10 * time.Second)
		if said := r.said.take(); strings.Count(said, "stays in force") != 1 || !strings.Contains(said, `"by":"--watch"`) {
			t.Errorf("a bad file: %s", said)
		}
		if pass(10 * time.Minute); r.said.take() != "" || len(r.configuration().Refused) == 0 {
			t.Error("the same problem was told again, or forgotten")
		}
		r.write(reloaded)
		if got := pass(10 * time.Second); len(got) != 4 || len(r.configuration().Refused) != 0 {
			t.Errorf("once it was mended: %q", got)
		}
		cancel()
		if err := <-over; err != nil {
			t.Error(err)
		}
	})
}

// A secret that a refused configuration lacks is no part of what is watched. It is found
// within a minute.
func TestWatchFindsWhatWasMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReloadRig(t, reloaded)
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan error, 1)
		go func() { over <- r.run(ctx, nil, true) }()
		key := filepath.Join(t.TempDir(), "key")
		r.write(strings.Replace(reloaded, "sources: [a],", "sources: [a], redact: {key_file: "+key+", fields: [{field: actor.name, how: hash}]},", 1))
		time.Sleep(15 * time.Second)
		synctest.Wait()
		if len(r.configuration().Refused) == 0 {
			t.Fatal("a key that is missing was not refused")
		}
		if err := os.WriteFile(key, bytes.Repeat([]byte("1"), 32), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(refusedInterval + lookInterval)
		synctest.Wait()
		if got := r.configuration().Refused; got != nil {
			t.Errorf("still refused: %s", got)
		}
		cancel()
		if err := <-over; err != nil {
			t.Error(err)
		}
	})
}

// A signal that comes while sluice starts waits until it can be served, and a reload before
// the lanes run leaves none of them out.
func TestAReloadWhileSluiceStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reloadRig{stage: newStage(), t: t, file: filepath.Join(t.TempDir(), "sluice.yaml")}
		r.write(reloaded)
		kinds := r.kinds()
		load := func() (*config.Config, *config.Footprint, error) { return config.LoadTraced(r.file, kinds) }
		cfg, trace, err := load()
		if err != nil {
			t.Fatal(err)
		}
		b := newBuilder(t.Context(), cfg, newInMemory(), zerolog.Nop())
		reloads := newReloader(load, trace, newFleet(b))
		r.write(reloaded + "  - {name: new, type: staged, own_events: false, settings: {name: new}}\n")
		signals := make(chan os.Signal, 1)
		signals <- os.Interrupt
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan error, 2)
		go func() { over <- reloads.run(ctx, signals, false) }()
		synctest.Wait()
		go func() { over <- reloads.fleet.run(ctx) }()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		list := reloads.fleet.set.Statuses()
		for _, s := range list {
			if !s.Ready {
				t.Errorf("lane %s: %s", s.Lane, s.Reason)
			}
		}
		if len(list) != 5 {
			t.Errorf("%d lanes, want 5", len(list))
		}
		cancel()
		if err := errors.Join(<-over, <-over, b.close()); err != nil {
			t.Error(err)
		}
		r.wantClosed(t, 5)
	})
}

// A reload while the process ends leaves no lane that runs.
func TestAReloadWhileTheLanesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		cfg := s.config(t, reloaded)
		b := newBuilder(t.Context(), cfg, newInMemory(), zerolog.Nop())
		f := newFleet(b)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- f.run(ctx) }()
		time.Sleep(2 * time.Second)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		next := s.config(t, strings.ReplaceAll(reloaded, "own_events: false, ", "own_events: false, max_rejects: 7, "))
		f.apply(ctx, next, config.Compare(cfg, next))
		if err := b.close(); err != nil {
			t.Error(err)
		}
		s.wantClosed(t, 1)
	})
}
