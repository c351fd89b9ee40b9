package app

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/admin"
	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/pause"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// stage counts what was opened and closed. It fails where a test set an error.
type stage struct {
	mu             sync.Mutex
	opened, closed map[string]int
	fails          map[string]error
	env            map[string]sink.Env
	order          []string // of what was opened and closed
}

func newStage() *stage {
	return &stage{opened: map[string]int{}, closed: map[string]int{}, fails: map[string]error{}, env: map[string]sink.Env{}}
}

func (s *stage) open(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.fails[name]; err != nil {
		return err
	}
	s.opened[name]++
	s.order = append(s.order, "open "+name)
	return nil
}

func (s *stage) close(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed[name]++
	s.order = append(s.order, "close "+name)
	return nil
}

func (s *stage) fail(name string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails[name] = err
}

// wantClosed requires that everything was closed as often as it was opened.
func (s *stage) wantClosed(t *testing.T, least int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.opened) < least {
		t.Errorf("only %v were opened, want %d", s.opened, least)
	}
	for name, n := range s.opened {
		if s.closed[name] != n {
			t.Errorf("%s was opened %d times and closed %d times", name, n, s.closed[name])
		}
	}
}

type props struct {
	Name  string `yaml:"name"`
	Most  int    `yaml:"most"`  // bytes of the largest record; 0 is the default
	Small bool   `yaml:"small"` // the limit of a record is too small for any format

	Token setting.Secret `yaml:"token"`
	URL   string         `yaml:"url"` // where the token is sent
}

func (p *props) Rotation() *setting.Rotation { return p.Token.Rotation() }
func (p *props) SentTo() string              { return p.URL }

type stagedSink struct {
	*stage
	props
}

func (s *stagedSink) Publish(context.Context, []sink.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fails["publish to "+s.Name]
}
func (s *stagedSink) Close() error { return s.close("sink " + s.Name) }
func (s *stagedSink) Limits() sink.Limits {
	if s.Small {
		return sink.Limits{RecordBytes: 1}
	}
	if s.Most > 0 {
		return sink.Limits{RecordBytes: s.Most, Bytes: 64 << 20}
	}
	return sink.Limits{}
}

// stagedSource is a log of one event.
type stagedSource struct {
	*stage
	name string
}

func (s *stagedSource) Start(context.Context, source.Start) (source.Position, error) {
	return source.Position("0"), nil
}
func (s *stagedSource) Open(source.Position, source.Env) (source.Reader, error) {
	name := "reader of " + s.name
	if err := s.open(name); err != nil {
		return nil, err
	}
	return &stagedReader{stage: s.stage, name: name}, nil
}
func (s *stagedSource) Describe(source.Position) (source.Description, error) {
	return source.Description{}, nil
}
func (s *stagedSource) Check(context.Context) (string, error) { return "", nil }
func (s *stagedSource) Usage() source.Usage                   { return source.Usage{} }
func (s *stagedSource) Freshness() source.Freshness {
	return source.Freshness{Age: 3 * time.Second}
}
func (s *stagedSource) Close() error { return s.close("source " + s.name) }

type stagedReader struct {
	*stage
	name string
	read time.Time
}

func (r *stagedReader) Next(ctx context.Context) (source.Page, error) {
	first := r.read.IsZero()
	if !first {
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return source.Page{}, ctx.Err()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.read = time.Now()
	page := source.Page{Next: source.Position("0"), CaughtUp: true}
	if first {
		page.Events = []source.Event{{ID: "e", Time: r.read, Action: "branch.created", Raw: []byte(`{"id":"e"}`)}}
	}
	return page, nil
}
func (r *stagedReader) Progress() source.Progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	return source.Progress{LastRead: r.read, CaughtUp: true}
}
func (r *stagedReader) Close() error { return r.close(r.name) }

func (s *stage) kinds() config.Kinds {
	k := kinds()
	k.Own = source.Type{} // a stage shows every lane, and none beside them
	staged := source.NewType("staged", props{}, func(_ context.Context, env source.OpenEnv, _ props) (source.Source, error) {
		if err := s.open("source " + env.Source); err != nil {
			return nil, err
		}
		return &stagedSource{s, env.Source}, nil
	})
	staged.Product = source.Product{Vendor: "Acme", Name: "Stage", Feature: "Log", Version: "1", Dataset: "acme.stage"}
	staged.Product.Keys.ID, staged.Product.Keys.Actor.Name = "id", "actor_display_name"
	k.Sources = append(k.Sources, staged)
	k.Sinks = append(k.Sinks, sink.NewType("staged", props{}, func(_ context.Context, env sink.Env, p props) (sink.Sink, error) {
		if err := s.open("sink " + p.Name); err != nil {
			return nil, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.env[env.Lane] = env
		return &stagedSink{s, p}, nil
	}))
	return k
}

const staged = `
sources:
  - {name: a, type: staged}
  - {name: b, type: staged}
sinks:
  - {name: one, type: staged, sources: [a], settings: {name: one}}
  - {name: two, type: staged, sources: [b], settings: {name: two}}
`

func (s *stage) config(t *testing.T, text string) *config.Config {
	t.Helper()
	cfg, err := config.Parse("sluice.yaml", []byte(text), s.kinds(), lookup(nil))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// inMemory is a state that ends with the process.
type inMemory struct {
	memoryPosition
	toLog
	files files // runs the lanes
}

func (*inMemory) confirm(string) func(context.Context) error    { return nil }
func (*inMemory) patience(shutdown time.Duration) time.Duration { return shutdown }
func (*inMemory) ended(string)                                  {}

func (*inMemory) look(context.Context, string) (source.Position, error)       { return nil, nil }
func (*inMemory) paused(context.Context, string, bool) (*pause.Marker, error) { return nil, nil }

func (*inMemory) Holds(context.Context, string) (bool, error) { return false, nil }
func (*inMemory) Forget(context.Context, string) error        { return nil }

func (*inMemory) fillAdmin(*admin.Deps) {}
func (*inMemory) close() error          { return nil }

func (m *inMemory) run(ctx context.Context, lanes *pipeline.Set) error {
	return m.files.run(ctx, lanes)
}
func (m *inMemory) start(lanes *pipeline.Set, lane string) { m.files.start(lanes, lane) }

// One resource cannot be opened. The lanes that need it rest, and the others run. When it
// can be opened, those lanes run too. At the end everything that was opened is closed.
func TestWhatCannotBeOpenedIsTheTroubleOfItsLanes(t *testing.T) {
	down := sink.Hint(errors.New("stat ca.pem: too many open files"), "raise the limit")
	for what, want := range map[string]string{
		"source a":    "lane a/one: source a: ",
		"sink one":    "lane a/one: sink one: ",
		"reader of a": "lane a/one: resume at checkpoint: ",
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage()
				s.fail(what, down)
				b := newBuilder(t.Context(), s.config(t, staged), newInMemory(), zerolog.Nop())
				lanes := b.lanes()
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- b.state.run(ctx, lanes) }()
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				list := lanes.Statuses()
				if got := list[0]; got.Ready || !got.Resting || !strings.Contains(got.Reason, want+"stat ca.pem") || !strings.HasSuffix(got.Reason, "; hint: raise the limit") {
					t.Errorf("ready %t, resting %t, reason %q, want %q in it", got.Ready, got.Resting, got.Reason, want)
				}
				if got := list[1]; !got.Ready {
					t.Errorf("the other lane is not ready: %s", got.Reason)
				}
				s.fail(what, nil)
				time.Sleep(time.Minute)
				synctest.Wait()
				for _, got := range lanes.Statuses() {
					if !got.Ready || got.Resting {
						t.Errorf("lane %s: ready %t, resting %t: %s", got.Lane, got.Ready, got.Resting, got.Reason)
					}
				}
				cancel()
				if err := errors.Join(<-ended, b.close()); err != nil {
					t.Error(err)
				}
				s.wantClosed(t, 6)
			})
		})
	}
}

func newInMemory() *inMemory { return &inMemory{toLog: toLog{zerolog.Nop()}} }

// If a step of building a lane fails, everything that earlier steps opened is closed.
func TestALaneThatCannotBeBuiltLeavesNothingOpen(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"its database is missing", strings.Replace(staged, "settings: {name: one}", "enrich: {city: missing.mmdb}, settings: {name: one}", 1), "enrich.city"},
		{"its records are too small for the format", strings.Replace(staged, "settings: {name: one}", "format: ocsf, settings: {name: one, small: true}", 1), "format ocsf"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStage()
			b := newBuilder(t.Context(), s.config(t, test.text), newInMemory(), zerolog.Nop())
			b.once = true
			lanes := b.lanes()
			if err := b.state.run(t.Context(), lanes); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want %q in it", err, test.want)
			}
			if err := b.close(); err != nil {
				t.Error(err)
			}
			s.wantClosed(t, 4)
		})
	}
}
