package pipeline_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// verbatim is a format that returns the raw event, except for events that it cannot
// encode.
type verbatim struct{ unable map[string]bool }

func (v verbatim) Transform(dst []byte, e *source.Event) (sink.Record, error) {
	if v.unable[e.ID] {
		return sink.Record{}, errors.New("no such shape")
	}
	return sink.Record{
		ID: e.ID, Organization: e.Organization, Action: e.Action, Format: "raw", Time: e.Time,
		Epoch: e.Number.Epoch, Sequence: e.Number.Sequence,
		Body: append(dst, e.Raw...),
	}, nil
}

// fakeSink answers as its script says. It remembers the records for which the answer is
// nil.
type fakeSink struct {
	limits sink.Limits
	answer func(ctx context.Context, n int, batch []sink.Record) error // n counts from 1; nil accepts all

	mu       sync.Mutex
	calls    [][]string
	took     []string
	closings int
}

func (s *fakeSink) Limits() sink.Limits { return s.limits }

func (s *fakeSink) Publish(ctx context.Context, batch []sink.Record) error {
	s.mu.Lock()
	s.calls = append(s.calls, names(batch))
	n := len(s.calls)
	s.mu.Unlock()
	if s.answer != nil {
		if err := s.answer(ctx, n, batch); err != nil {
			return err
		}
	}
	s.takeBatch(batch)
	return nil
}

func (s *fakeSink) takeBatch(batch []sink.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.took = append(s.took, names(batch)...)
}

func (s *fakeSink) taken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.took...)
}

func (s *fakeSink) publishes() [][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([][]string(nil), s.calls...)
}

func (s *fakeSink) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closings++
	return nil
}

func names(batch []sink.Record) []string {
	all := make([]string, len(batch))
	for i := range batch {
		all[i] = batch[i].ID
	}
	return all
}

// stores keeps positions and dead letters in memory.
type stores struct {
	mu      sync.Mutex
	saved   []string
	rejects []sink.Reject
	loadErr error
	saveErr func() error // may be nil
	putErr  func() error // may be nil
}

func (s *stores) Load(context.Context, string) (source.Position, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loadErr != nil || len(s.saved) == 0 {
		return nil, s.loadErr
	}
	return source.Position(s.saved[len(s.saved)-1]), nil
}

func (s *stores) Save(ctx context.Context, _ string, pos source.Position) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if s.saveErr != nil {
		if err := s.saveErr(); err != nil {
			return err
		}
	}
	if !json.Valid(pos) {
		return fmt.Errorf("position %q is not JSON", pos)
	}
	s.saved = append(s.saved, string(pos))
	return nil
}

func (s *stores) Put(ctx context.Context, _ string, rejects []sink.Reject) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if s.putErr != nil {
		if err := s.putErr(); err != nil {
			return err
		}
	}
	s.rejects = append(s.rejects, rejects...)
	return nil
}

// last returns the newest saved position, as the number of events before it; -1 if there
// is none.
func (s *stores) last() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.saved) == 0 {
		return -1
	}
	at, err := strconv.Atoi(s.saved[len(s.saved)-1])
	if err != nil {
		panic(err)
	}
	return at
}

// saves returns how many positions were saved.
func (s *stores) saves() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.saved)
}

func (s *stores) buried() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for i := range s.rejects {
		all = append(all, s.rejects[i].Record.ID)
	}
	return all
}

// lines collects a lane's log.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// texts returns the logged lines: level, text, error and hint.
func (l *lines) texts(t *testing.T) []string {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var texts []string
	decoder := json.NewDecoder(bytes.NewReader(l.text.Bytes()))
	for decoder.More() {
		var line struct{ Level, Message, Error, Hint string }
		if err := decoder.Decode(&line); err != nil {
			t.Fatal(err)
		}
		text := line.Level + " " + line.Message
		if line.Error != "" {
			text += ": " + line.Error
		}
		if line.Hint != "" {
			text += "; hint: " + line.Hint
		}
		texts = append(texts, text)
	}
	return texts
}

// rig is a lane between an eventLog, a fakeSink and stores.
type rig struct {
	*pipeline.Lane
	log    *eventLog
	sink   *fakeSink
	stores *stores
	lines  *lines
}

func newRig(log *eventLog, s *fakeSink) *rig {
	b := &rig{log: log, sink: s, stores: &stores{}, lines: &lines{}}
	if log.began.IsZero() { // Two lanes may share a log.
		log.began = time.Now()
	}
	b.Lane = b.another()
	return b
}

// another returns a lane like the first, as after a restart.
func (b *rig) another() *pipeline.Lane {
	return &pipeline.Lane{
		Name: "acme/siem", SourceName: "acme", SinkName: "siem", Format: "raw",
		Source: b.log, Transformer: verbatim{},
		Open:      func(context.Context) (sink.Sink, error) { return b.sink, nil },
		Positions: b.stores, DeadLetters: b.stores,
		Log: zerolog.New(b.lines),
	}
}

func (b *rig) catchUp(t *testing.T) {
	t.Helper()
	catchUp(t, b.Lane)
}

// catchUp runs a lane once, for a month at most, so that a lane that hangs fails.
func catchUp(t *testing.T, l *pipeline.Lane) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*24*time.Hour)
	defer cancel()
	l.Once = true
	if err := l.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Error("the lane did not catch up within a month")
	}
}

// start runs the lane. The returned function stops it and returns what Run returned.
func start(l *pipeline.Lane) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	return func() error {
		cancel()
		return <-ended
	}
}

// pass lets virtual time pass.
func pass(d time.Duration) { <-time.After(d) }
