package audit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/evidence/audit"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// life is a lane over a simulated log, whose power fails now and then. It is the lane's
// sink, its dead letters and its positions, so it outlives the lane.
type life struct {
	server   *simulator.Server
	settings planetscale.Settings
	every    time.Duration    // between audits
	exact    bool             // the sink keeps the position
	evidence *evidence.Writer // nil: none
	reject   func(id string) bool
	filter   func(id string) bool

	mu      sync.Mutex
	saved   []byte
	got     map[string]int // how often each id was delivered
	late    map[string]bool
	letters map[string]int
	told    []audit.Finding
	notes   []*evidence.Note
	steps   int
	kills   []int // steps after which the power fails, one life each
	dead    bool
	power   context.CancelFunc
	log     bytes.Buffer // of the lane
	tellsAt int          // the step at which findings were told
	lane    *pipeline.Lane
	faults  []error
}

var errPower = errors.New("the power is gone")

func newLife(server *simulator.Server) *life {
	s := planetscale.Defaults
	s.Organization, s.AccessToken, s.RequestsPerMinute = "acme", setting.NewSecret("access-token"), 0
	s.PollInterval, s.Overlap = setting.Duration(5*time.Minute), setting.Duration(30*time.Minute)
	return &life{server: server, settings: s, every: 24 * time.Hour, got: map[string]int{}, late: map[string]bool{}, letters: map[string]int{}}
}

// newWriter returns what a lane with evidence needs.
func newWriter() *evidence.Writer {
	private, _, err := evidence.NewKey("acme")
	if err != nil {
		panic(err)
	}
	key, err := evidence.ParseKey(private)
	if err != nil {
		panic(err)
	}
	return &evidence.Writer{Key: key, Organization: "acme"}
}

// verbatim is a format that returns the raw event.
type verbatim struct{}

func (verbatim) Transform(dst []byte, e *source.Event) (sink.Record, error) {
	return sink.Record{ID: e.ID, Action: e.Action, Time: e.Time, Late: e.Late, Body: append(dst, e.Raw...)}, nil
}

// run runs one lane after the other for a time.
func (l *life) run(d time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	for ctx.Err() == nil {
		l.once(ctx)
	}
}

// once runs a lane until its power fails.
func (l *life) once(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	src, err := planetscale.New(l.settings, planetscale.Options{Log: zerolog.Nop(), Transport: l.server.Transport()})
	if err != nil {
		panic(err)
	}
	l.mu.Lock()
	l.dead, l.power, l.steps = false, cancel, 0
	l.lane = &pipeline.Lane{
		Name: "acme/siem", SourceName: "acme", SinkName: "siem", Format: "raw",
		Source: src, Transformer: verbatim{}, Positions: l, DeadLetters: l,
		Open: func(context.Context) (sink.Sink, error) {
			if l.exact {
				return exact{l}, nil
			}
			return l, nil
		},
		Prepare: func(e *source.Event) (*source.Event, error) {
			if l.filter != nil && l.filter(e.ID) {
				return nil, nil
			}
			return e, nil
		},
		Log:      zerolog.New(&l.log), // The lane's lines come one by one.
		Evidence: l.evidence,
		Audit:    &pipeline.Audit{Every: l.every, Organization: "acme", Alone: make(chan struct{}, 1)},
	}
	lane := l.lane
	l.mu.Unlock()
	if err := errors.Join(lane.Run(ctx), src.Close()); err != nil {
		l.mu.Lock()
		l.faults = append(l.faults, err)
		l.mu.Unlock()
		time.Sleep(time.Minute) // before the next lane fails in the same way
	}
}

// step returns false once the power has failed. The caller holds the mutex.
func (l *life) step() bool {
	l.steps++
	if len(l.kills) > 0 && !l.dead && l.steps == l.kills[0] {
		l.kills, l.dead = l.kills[1:], true
		l.power()
	}
	return !l.dead
}

func (l *life) Limits() sink.Limits { return sink.Limits{Records: 50} }
func (l *life) Close() error        { return nil }

func (l *life) Publish(_ context.Context, batch []sink.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.step() {
		return errPower
	}
	var bad sink.BatchError
	for i, r := range batch {
		if l.reject != nil && l.reject(r.ID) {
			bad = append(bad, sink.RecordError{Index: i, Err: sink.Permanent(errors.New("malformed"))})
			continue
		}
		l.take(r)
	}
	if !l.step() {
		return errPower
	}
	if bad != nil {
		return bad
	}
	return nil
}

func (l *life) take(r sink.Record) {
	l.got[r.ID]++
	if r.Late {
		l.late[r.ID] = true
	}
	if l.got[r.ID] > 1 || r.Action != audit.Action && !strings.HasPrefix(r.ID, "note:") {
		return
	}
	var told struct {
		Note    string
		Details struct{ Findings []audit.Finding }
	}
	if err := json.Unmarshal(r.Body, &told); err != nil {
		l.faults = append(l.faults, err)
	}
	l.told = append(l.told, told.Details.Findings...)
	if len(told.Details.Findings) > 0 {
		l.tellsAt = l.steps
	}
	if told.Note != "" {
		n, err := evidence.Parse(told.Note)
		if err != nil {
			l.faults = append(l.faults, err)
		}
		l.notes = append(l.notes, n)
	}
}

func (l *life) Put(_ context.Context, _ string, rejects []sink.Reject) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.step() {
		return errPower
	}
	for _, r := range rejects {
		l.letters[r.Record.ID]++
	}
	return nil
}

func (l *life) Load(context.Context, string) (source.Position, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.saved), nil
}

func (l *life) Save(_ context.Context, _ string, pos source.Position) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.step() {
		return errPower
	}
	l.saved = slices.Clone(pos)
	if !l.step() {
		return errPower
	}
	return nil
}

// exact is the sink of a life that keeps the position.
type exact struct{ *life }

var _ sink.Ledger = exact{}

func (e exact) Publish(context.Context, []sink.Record) error { return errors.New("not called") }

func (e exact) Position(ctx context.Context) ([]byte, error) { return e.Load(ctx, "") }

func (e exact) PublishAt(_ context.Context, batch []sink.Record, rejects []sink.Reject, pos []byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.step() {
		return errPower
	}
	for _, r := range batch {
		e.take(r)
	}
	for _, r := range rejects {
		e.letters[r.Record.ID]++
	}
	e.saved = slices.Clone(pos)
	if !e.step() {
		return errPower
	}
	return nil
}

func (e exact) Look(ctx context.Context) ([]byte, time.Time, error) {
	pos, err := e.Load(ctx, "")
	return pos, time.Now(), err
}

func (e exact) Rejects(context.Context) iter.Seq2[sink.Reject, error] {
	return func(func(sink.Reject, error) bool) {}
}

func (e exact) Set(context.Context, func([]byte) ([]byte, error)) error {
	return errors.New("not called")
}

// status returns that of the lane that runs or ran last.
func (l *life) status() pipeline.Status {
	l.mu.Lock()
	lane := l.lane
	l.mu.Unlock()
	return lane.Status()
}

// findings returns what was told, as text.
func (l *life) findings() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	texts := []string{}
	for _, f := range l.told {
		texts = append(texts, fmt.Sprintf("%s %s%s %d", f.Kind, f.ID, f.Hash, f.Events))
	}
	slices.Sort(texts)
	return texts
}
