package ownlog_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// An event is written and read, through files.
func TestAnEventKeepsWhatItSays(t *testing.T) {
	store := files(t, t.TempDir())
	w := &ownlog.Writer{Store: store, Instance: ownlog.Instance{Host: "h", PID: 7, Version: "1"}}
	e := ownlog.New(ownlog.LanePaused, ownlog.Party{Type: "lane", Name: "acme/siem"}, "Lane acme/siem was paused.")
	e.Actor = &ownlog.Party{ID: "1000", Type: "user", Name: "kim"}
	e.Details = map[string]any{"reason": "<maintenance>"}
	for range 2 { // The second Append is a mistake of the caller: an acknowledged event is appended again.
		if err := w.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	events := drain(t, ownlog.NewSource(store))
	if len(events) != 2 {
		t.Fatalf("got %d events, want 2", len(events))
	}
	got := events[0]
	parsed, err := ownlog.Parse(got.Raw, ownlog.Organization)
	if err != nil || len(parsed) != 1 {
		t.Fatal(parsed, err)
	}
	want := source.Event{
		ID: e.ID, Time: e.Time, Organization: "sluice", Action: "sluice.lane_paused",
		Actor:    source.Party{ID: "1000", Type: "user", Name: "kim"},
		Objects:  [2]source.Party{{Type: "lane", Name: "acme/siem"}},
		Metadata: []byte(`{"reason":"\u003cmaintenance\u003e"}`), Text: "Lane acme/siem was paused.",
	}
	for _, e := range []source.Event{got, parsed[0]} {
		if diff := cmp.Diff(want, e, cmpopts.IgnoreFields(source.Event{}, "Read", "Raw")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	if raw := string(got.Raw); !strings.Contains(raw, `"instance":{"host":"h","pid":7,"version":"1"}`) || !strings.Contains(raw, `"text":"Lane acme/siem was paused."`) {
		t.Errorf("got the raw event %s", raw)
	}
}

// drain reads from the beginning until the reader has caught up.
func drain(t testing.TB, src *ownlog.Source) (all []source.Event) {
	t.Helper()
	pos, err := src.Start(within(t), source.Start{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := src.Open(pos, source.Env{Lane: "sluice/siem", Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		p, err := r.Next(within(t))
		if err != nil {
			t.Fatal(err)
		}
		if all = append(all, p.Events...); p.CaughtUp {
			return all
		}
	}
}

func TestParse(t *testing.T) {
	const sha = "sha256:"
	for words, c := range map[string]struct {
		text, id, problem string
	}{
		"an event":                 {`{"id":"own:1","time":"2026-03-01T12:00:00Z"}`, "own:1", ""},
		"a gap":                    {`{"action":"sluice.gap","time":"2026-03-01T12:00:00Z","id":"gap:1","lane":"sluice/siem"}`, "gap:1", ""},
		"one without an id":        {`{"time":"2026-03-01T12:00:00Z"}`, sha, ""},
		"one with a long id":       {`{"time":"2026-03-01T12:00:00Z","id":"` + strings.Repeat("x", 256) + `"}`, sha, ""},
		"one without a time":       {`{"id":"own:1"}`, "own:1", "event: it has no time"},
		"one with another type":    {`{"id":"own:1","time":"2026-03-01T12:00:00Z","subject":7}`, "own:1", "event: json: cannot unmarshal number"},
		"a value that is no event": {`7`, sha, "event: json: cannot unmarshal number"},
	} {
		events, err := ownlog.Parse([]byte(c.text), "sluice")
		if err != nil || len(events) != 1 {
			t.Errorf("%s: got %d events, error %v", words, len(events), err)
			continue
		}
		e := events[0]
		if !strings.HasPrefix(e.ID, c.id) || len(e.ID) > 255 || !strings.HasPrefix(e.Problem, c.problem) || (e.Problem != "") != (c.problem != "") || string(e.Raw) != c.text || e.Time.IsZero() || e.Organization != "sluice" {
			t.Errorf("%s: got %+v", words, e)
		}
	}
	if events, err := ownlog.Parse([]byte("{\"id\":\"a\"}\n{\"id\":\"b\"}\n"), ""); err != nil || len(events) != 2 || string(events[1].Raw) != `{"id":"b"}` {
		t.Errorf("of two lines: got %+v, error %v", events, err)
	}
	if _, err := ownlog.Parse([]byte(`{"id":`), ""); err == nil {
		t.Error("a part of a line was accepted")
	}
}

func TestType(t *testing.T) {
	k := ownlog.Type()
	if err := k.Validate(); err != nil {
		t.Error(err)
	}
	if _, err := k.Open(t.Context(), source.OpenEnv{}, k.Settings()); err == nil {
		t.Error("a configuration could open the own log")
	}
}

// A position of a log that was replaced, or cut back, is an error with a hint for as long as
// it stays so.
func TestAPositionOfAnotherLog(t *testing.T) {
	store := &unnamed{scripted{log: "a", replaced: make(chan struct{}), appended: make(chan struct{})}}
	src := ownlog.NewSource(store)
	for words, pos := range map[string]string{
		"of another log": `{"v":1,"log":"b","next":0}`,
		"behind its end": `{"v":1,"log":"a","next":5}`,
	} {
		r, err := src.Open(source.Position(pos), source.Env{Log: zerolog.Nop()})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := r.Next(within(t)); failure.Class(err) != string(source.Malformed) || !strings.Contains(failure.Hint(err), "sluice checkpoint set") {
				t.Errorf("%s: got %v with hint %q", words, err, failure.Hint(err))
			}
		}
	}
}

// A log that was restored from a backup and has gone on since has other lines under numbers
// that the lane has read. It must not skip what was said meanwhile.
func TestALogThatIsOlderThanThePosition(t *testing.T) {
	dir := t.TempDir()
	backup := filepath.Join(t.TempDir(), "backup")
	running, err := ownlog.OpenFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	appendAll(t, running, 0, 3)
	if err := os.CopyFS(backup, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	appendAll(t, running, 3, 4)
	src := ownlog.NewSource(running)
	pos, err := src.Start(within(t), source.Start{})
	if err != nil {
		t.Fatal(err)
	}
	next(t, src, &pos)
	now, err := src.Start(within(t), source.Start{Now: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := running.Close(); err != nil {
		t.Fatal(err)
	}
	restored := files(t, backup)
	src = ownlog.NewSource(restored)
	appendAll(t, restored, 10, 2)
	wantUnusable(t, src, pos) // behind its end
	appendAll(t, restored, 12, 2)
	wantUnusable(t, src, pos) // at its end
	appendAll(t, restored, 14, 5)
	wantUnusable(t, src, pos)
	wantUnusable(t, src, now)

	unhashed := regexp.MustCompile(`"last":"[0-9a-f]{16}",?`).ReplaceAll(pos, nil)
	if bytes.Equal(unhashed, pos) {
		t.Fatalf("position %s has no hash", pos)
	}
	old := source.Position(unhashed)
	if p := next(t, src, &old); len(p.Events) != 5 {
		t.Errorf("a position without a hash reads %d events, want 5", len(p.Events))
	}
}

// wantUnusable wants that a reader at a position is told so each time it asks.
func wantUnusable(t *testing.T, src *ownlog.Source, pos source.Position) {
	t.Helper()
	r, err := src.Open(pos, source.Env{Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for range 2 {
		p, err := r.Next(within(t))
		if !errors.Is(err, source.ErrUnusable) || !strings.Contains(failure.Hint(err), "sluice checkpoint set") {
			t.Errorf("got %d events and %v with hint %q, want ErrUnusable", len(p.Events), err, failure.Hint(err))
		}
	}
}

// A line that the bounds of the log removed is not missed.
func TestThePositionIsBehindALineThatIsGone(t *testing.T) {
	store := &scripted{log: "a", replaced: make(chan struct{}), appended: make(chan struct{})}
	suiteLog{store}.Append(eventAt("x", noon), eventAt("y", noon.Add(time.Minute)))
	src := ownlog.NewSource(store)
	pos, err := src.Start(within(t), source.Start{})
	if err != nil {
		t.Fatal(err)
	}
	next(t, src, &pos)
	suiteLog{store}.Append(eventAt("z", noon.Add(2*time.Minute)))
	store.lines, store.first = store.lines[2:], 2
	if p := next(t, src, &pos); len(p.Events) != 1 || p.Events[0].ID != "z" {
		t.Errorf("got %+v, want z and no gap", p.Events)
	}
}

// unnamed is a store that learns the name of the log from its first answer, as a topic does.
type unnamed struct{ scripted }

func (*unnamed) Log() string { return "" }

// A lane that starts at a time for which the log no longer reaches back is told so.
func TestAStartBeforeTheOldestEvent(t *testing.T) {
	store := &scripted{log: "a", first: 7, replaced: make(chan struct{}), appended: make(chan struct{})}
	suiteLog{store}.Append(eventAt("x", noon), eventAt("y", noon.Add(time.Minute)))
	for _, c := range []struct {
		at   source.Start
		want []string
	}{
		{source.Start{}, []string{"x", "y"}},
		{source.Start{Since: noon.Add(-time.Hour)}, []string{"gap", "x", "y"}},
		{source.Start{Since: noon.Add(time.Second)}, []string{"y"}},
		{source.Start{Since: noon.Add(time.Hour)}, nil},
		{source.Start{Now: true}, nil},
	} {
		src := ownlog.NewSource(store)
		pos, err := src.Start(within(t), c.at)
		if err != nil {
			t.Fatal(err)
		}
		r, err := src.Open(pos, source.Env{Lane: "sluice/siem", Log: zerolog.Nop()})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for caughtUp := false; !caughtUp; {
			p, err := r.Next(within(t))
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range p.Events {
				if e.Gap {
					e.ID = "gap"
				}
				got = append(got, e.ID)
			}
			caughtUp = p.CaughtUp
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("from %s (-want +got):\n%s", c.at, diff)
		}
	}
}

// A gap is in a saved position before it is reported, so it is the same one after a crash,
// whatever the log has lost meanwhile.
func TestAGapIsSavedBeforeItIsReported(t *testing.T) {
	store := &scripted{log: "a", first: 7, replaced: make(chan struct{}), appended: make(chan struct{})}
	suiteLog{store}.Append(eventAt("x", noon), eventAt("y", noon.Add(time.Minute)))
	src := ownlog.NewSource(store)
	pos := source.Position(`{"v":1,"log":"a","next":3,"event":"2026-03-01T11:00:00Z"}`)
	p := next(t, src, &pos)
	d, err := src.Describe(pos)
	want := source.Interval{From: noon.Add(-time.Hour), To: noon}
	if err != nil || len(p.Events) != 0 || d.Gap != want || !d.Through.Equal(want.From) {
		t.Fatalf("got %d events, error %v, and %+v, want only a position with the gap %v", len(p.Events), err, d, want)
	}
	suiteLog{store}.Delete("x")
	for range 2 {
		behind := pos
		p := next(t, src, &behind)
		if len(p.Events) != 1 || !p.Events[0].Gap || !p.Events[0].Time.Equal(noon) || !strings.Contains(string(p.Events[0].Raw), `"from":"2026-03-01T11:00:00Z"`) {
			t.Fatalf("got %+v, want the gap", p.Events)
		}
		if d, err := src.Describe(behind); err != nil || d.Gap != (source.Interval{}) {
			t.Errorf("behind the gap: %+v, error %v", d, err)
		}
	}
}

// next opens a reader at a position, returns its next page, and moves the position behind it.
func next(t testing.TB, src *ownlog.Source, pos *source.Position) source.Page {
	t.Helper()
	r, err := src.Open(*pos, source.Env{Lane: "sluice/siem", Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p, err := r.Next(within(t))
	if err != nil {
		t.Fatal(err)
	}
	*pos = p.Next
	return p
}

// A reader holds the lane's turn from when it reads until the caller comes again, and none
// while it waits.
func TestAReaderThatWaitsHoldsNoMemory(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		store := files(t, dir)
		appendAll(t, store, 0, 1)
		src, memory := ownlog.NewSource(store), &counted{}
		pos, err := src.Start(t.Context(), source.Start{})
		if err != nil {
			t.Fatal(err)
		}
		r, err := src.Open(pos, source.Env{Log: zerolog.Nop(), Memory: memory})
		if err != nil {
			t.Fatal(err)
		}
		if p, err := r.Next(t.Context()); err != nil || len(p.Events) != 1 || memory.held != 1 {
			t.Errorf("got %d events, error %v, and %d turns, want one", len(p.Events), err, memory.held)
		}
		read := make(chan source.Page)
		go func() {
			p, err := r.Next(t.Context())
			if err != nil {
				t.Error(err)
			}
			read <- p
		}()
		synctest.Wait()
		if memory.held != 0 {
			t.Errorf("a reader that waits has %d turns", memory.held)
		}
		appendAll(t, store, 1, 1)
		if p := <-read; len(p.Events) != 1 || memory.held != 1 {
			t.Errorf("got %d events and %d turns, want one", len(p.Events), memory.held)
		}
		if err := r.Close(); err != nil || memory.held != 0 {
			t.Errorf("Close: error %v, %d turns", err, memory.held)
		}
	})
}

// counted counts the turns of a lane.
type counted struct {
	source.Memory
	held int
}

func (m *counted) Enter(context.Context) error { m.held++; return nil }
func (m *counted) Leave()                      { m.held-- }
