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

// eventLog is a source whose position is the number of events before it.
type eventLog struct {
	total int           // events it will ever have
	every time.Duration // between two events; 0: all are there from the start
	began time.Time
	page  int                 // events in a page; 0 is 10
	size  int                 // bytes of padding in an event
	quiet time.Duration       // until an idle reader says that time passed; 0 is a minute
	poll  time.Duration       // between two looks of an idle reader; 0 is 5 seconds
	start func() error        // asked before Start answers; may be nil
	next  func(at int) error  // asked before Next answers from position at; may be nil
	open  func(pos int) error // asked before Open answers; may be nil
	walk  source.Progress     // what Progress tells besides what the reader knows
}

func (l *eventLog) visible() int {
	if l.every == 0 {
		return l.total
	}
	return min(l.total, int(time.Since(l.began)/l.every)+1)
}

func (l *eventLog) Start(_ context.Context, at source.Start) (source.Position, error) {
	if l.start != nil {
		if err := l.start(); err != nil {
			return nil, err
		}
	}
	if at.Now {
		return position(l.visible()), nil
	}
	return position(0), nil
}

func (l *eventLog) Open(pos source.Position, _ source.Env) (source.Reader, error) {
	at, err := strconv.Atoi(string(pos))
	if err == nil && l.open != nil {
		err = l.open(at)
	}
	return &logReader{eventLog: l, at: at}, err
}

func (l *eventLog) Describe(pos source.Position) (source.Description, error) {
	at, err := strconv.Atoi(string(pos))
	if err != nil || at == 0 {
		return source.Description{}, err
	}
	return source.Description{Event: l.time(at - 1)}, nil
}

func (l *eventLog) Check(context.Context) (string, error) { return "", nil }
func (l *eventLog) Usage() source.Usage                   { return source.Usage{} }
func (l *eventLog) Close() error                          { return nil }

func (l *eventLog) time(i int) time.Time {
	return l.began.Add(time.Duration(i) * max(l.every, time.Millisecond))
}

func (l *eventLog) event(i int) source.Event {
	raw := fmt.Appendf(nil, `{"n":%d,"pad":"%s"}`, i, bytes.Repeat([]byte("x"), l.size))
	return source.Event{ID: id(i), Time: l.time(i), Organization: "acme", Action: "branch.created", Raw: raw}
}

type logReader struct {
	*eventLog
	at     int
	idle   bool // an empty page said that nothing waits
	mu     sync.Mutex
	seen   source.Progress
	closed bool
}

func (r *logReader) Next(ctx context.Context) (source.Page, error) {
	if r.next != nil {
		if err := r.next(r.at); err != nil {
			return source.Page{}, err
		}
	}
	if r.at == r.visible() && r.idle {
		if err := r.wait(ctx); err != nil {
			return source.Page{}, err
		}
	}
	var p source.Page
	for n := cmpOr(r.page, 10); r.at < r.visible() && len(p.Events) < n; r.at++ {
		p.Events = append(p.Events, r.event(r.at))
	}
	p.Next, p.CaughtUp = position(r.at), r.at == r.visible()
	r.idle = p.CaughtUp
	r.looked(p.CaughtUp)
	return p, nil
}

// wait looks again and again until there is an event, or time to say that time
// passed.
func (r *logReader) wait(ctx context.Context) error {
	told := time.Now().Add(cmpOr(r.quiet, time.Minute))
	for r.at == r.visible() && time.Now().Before(told) {
		look := min(cmpOr(r.poll, 5*time.Second), time.Until(told))
		if r.at < r.total {
			look = min(look, time.Until(r.time(r.at)))
		}
		select {
		case <-time.After(look):
			r.looked(true)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (r *logReader) looked(caughtUp bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen.LastRead, r.seen.CaughtUp = time.Now(), caughtUp
}

func (r *logReader) Progress() source.Progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.walk
	p.LastRead, p.CaughtUp = r.seen.LastRead, r.seen.CaughtUp
	if r.closed {
		panic("Progress was called after Close")
	}
	return p
}

func (r *logReader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	return nil
}

func position(at int) source.Position { return source.Position(strconv.Itoa(at)) }
func id(i int) string                 { return fmt.Sprintf("e%06d", i) }

func ids(from, to int) []string {
	var all []string
	for i := from; i < to; i++ {
		all = append(all, id(i))
	}
	return all
}

func cmpOr[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

// verbatim is a format that passes the raw event on, except for events it
// cannot encode.
type verbatim struct{ unable map[string]bool }

func (v verbatim) Transform(dst []byte, e *source.Event) (sink.Record, error) {
	if v.unable[e.ID] {
		return sink.Record{}, errors.New("no such shape")
	}
	return sink.Record{
		ID: e.ID, Organization: e.Organization, Action: e.Action, Format: "raw", Time: e.Time,
		Body: append(dst, e.Raw...),
	}, nil
}

// fakeSink answers as its script says, and remembers what it took where the
// answer is nil.
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
	s.take(batch)
	return nil
}

func (s *fakeSink) take(batch []sink.Record) {
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

// stores are positions and dead letters in memory.
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

func (s *stores) Save(_ context.Context, _ string, pos source.Position) error {
	s.mu.Lock()
	defer s.mu.Unlock()
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

func (s *stores) Put(_ context.Context, _ string, rejects []sink.Reject) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.putErr != nil {
		if err := s.putErr(); err != nil {
			return err
		}
	}
	s.rejects = append(s.rejects, rejects...)
	return nil
}

// last is the position saved last, as the number of events before it; -1 if
// none was.
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

// texts are the lines logged: level, text, error and hint.
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

// bench is a lane between an eventLog, a fakeSink and stores.
type bench struct {
	*pipeline.Lane
	log    *eventLog
	sink   *fakeSink
	stores *stores
	lines  *lines
}

func newBench(log *eventLog, s *fakeSink) *bench {
	b := &bench{log: log, sink: s, stores: &stores{}, lines: &lines{}}
	log.began = time.Now()
	b.Lane = b.another()
	return b
}

// another is a lane like the first, as after a restart.
func (b *bench) another() *pipeline.Lane {
	return &pipeline.Lane{
		Name: "acme/siem", SourceName: "acme", SinkName: "siem", Format: "raw",
		Source: b.log, Transformer: verbatim{},
		Open:      func(context.Context) (sink.Sink, error) { return b.sink, nil },
		Positions: b.stores, DeadLetters: b.stores,
		Log: zerolog.New(b.lines),
	}
}

// start runs the lane; the function returned stops it and gives what Run
// returned.
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
