package ownlog_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
	"github.com/sluice-siem/sluice/pkg/source/sourcetest"
)

func TestContract(t *testing.T) {
	sourcetest.Run(t, func(testing.TB) sourcetest.Harness {
		store := &scripted{log: "a", replaced: make(chan struct{}), appended: make(chan struct{})}
		other := &scripted{log: "b", replaced: make(chan struct{}), appended: make(chan struct{})}
		return sourcetest.Harness{
			Log:   suiteLog{store},
			Local: true,
			Open:  func(testing.TB) source.Source { return ownlog.NewSource(store) },
			Other: func(testing.TB) source.Source { return ownlog.NewSource(other) },
		}
	})
}

// scripted is a log in memory whose Bounds and Read fail as the suite wants. It has no
// cursors and no pages, so the faults of those do not occur.
type scripted struct {
	log string

	mu       sync.Mutex
	first    int64
	lines    []ownlog.Line
	requests int
	script   func(sourcetest.Request) sourcetest.Fault
	replaced chan struct{} // closed when the script is replaced
	appended chan struct{} // closed at the next line
}

// suiteLog is the store as the suite scripts it.
type suiteLog struct{ *scripted }

func (s suiteLog) Append(events ...sourcetest.Event) {
	for _, e := range events {
		text, err := json.Marshal(ownlog.Event{ID: e.ID, Time: e.Time, Action: ownlog.Heartbeat, Subject: ownlog.Party{Type: "process", Name: "sluice"}})
		if err == nil {
			err = s.scripted.Append(context.Background(), text)
		}
		if err != nil {
			panic(err)
		}
	}
}

func (s *scripted) Append(_ context.Context, line []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, ownlog.Line{Number: s.first + int64(len(s.lines)), Text: line})
	close(s.appended)
	s.appended = make(chan struct{})
	return nil
}

// Delete removes the oldest events, as the bound of a store does. If none is left, another
// one that nobody has read yet was removed with them.
func (s *scripted) Delete(ids ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.lines) > 0 {
		var e ownlog.Event
		if err := json.Unmarshal(s.lines[0].Text, &e); err != nil || !slices.Contains(ids, e.ID) {
			return
		}
		if s.lines, s.first = s.lines[1:], s.first+1; len(s.lines) == 0 {
			s.first++
		}
	}
}

func (s *scripted) Script(script func(sourcetest.Request) sourcetest.Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.replaced)
	s.script, s.replaced = script, make(chan struct{})
}

// request returns the error of the fault that the script has for it.
func (s *scripted) request(ctx context.Context) error {
	s.mu.Lock()
	s.requests++
	r, script, replaced := sourcetest.Request{N: s.requests}, s.script, s.replaced
	s.mu.Unlock()
	if script == nil {
		return nil
	}
	switch script(r) {
	case sourcetest.Unavailable:
		return errors.New("the disk is gone")
	case sourcetest.Hang:
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-replaced:
		}
	}
	return nil
}

func (s *scripted) Bounds(ctx context.Context) (ownlog.Bounds, error) {
	err := s.request(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	return ownlog.Bounds{Log: s.log, First: s.first, Next: s.first + int64(len(s.lines))}, err
}

func (s *scripted) Read(ctx context.Context, from int64, most int) (p ownlog.Passage, err error) {
	err = s.request(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lines {
		if l.Number < from {
			continue
		}
		if most -= len(l.Text); most < 0 && len(p.Lines) > 0 {
			break
		}
		p.Lines = append(p.Lines, l)
	}
	p.Gone = from < s.first
	return p, err
}

func (s *scripted) Wait(ctx context.Context, from int64) error {
	s.mu.Lock()
	there, appended := s.first+int64(len(s.lines)) > from, s.appended
	s.mu.Unlock()
	if there {
		return nil
	}
	select {
	case <-appended:
	case <-time.After(time.Second):
	case <-ctx.Done():
	}
	return ctx.Err()
}

func (s *scripted) Log() string  { return s.log }
func (s *scripted) Close() error { return nil }

func eventAt(id string, at time.Time) sourcetest.Event { return sourcetest.Event{ID: id, Time: at} }
