package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/splunkhec/hectest"
	"github.com/sluice-siem/sluice/pkg/sink/syslog/relp/relptest"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// replayed is a log in the simulator, and a configuration with sinks for it.
type replayed struct {
	t      *testing.T
	log    *simulator.Server
	config string
	events []simulator.Event // oldest first
}

func newReplayed(t *testing.T, c simulator.Config, sinks string) *replayed {
	t.Helper()
	c.Tame = true
	r := &replayed{t: t, log: simulator.New(c), config: filepath.Join(t.TempDir(), "sluice.yaml")}
	server := httptest.NewServer(r.log)
	t.Cleanup(server.Close)
	text := fmt.Sprintf(`
sources:
  - name: acme
    type: planetscale
    settings: {organization: acme, access_token: token, url: %q, requests_per_minute: 0}
state: {settings: {dir: %q}}
admin: {listen: 127.0.0.1:0}
sinks:
%s`, server.URL, filepath.Join(t.TempDir(), "state"), sinks)
	if err := os.WriteFile(r.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for e := range r.log.Ever() {
		r.events = append(r.events, e)
	}
	return r
}

// run runs a command, and returns its exit code and what it says.
func (r *replayed) run(ctx context.Context, args []string, opts ...Option) (code int, said string) {
	var out, errs bytes.Buffer
	code = execute(ctx, args, nil, &out, &errs, opts...)
	return code, errs.String()
}

// command returns the arguments that replay the events from the index from on, up to and
// without the index to.
func (r *replayed) command(sink string, from, to int) []string {
	return []string{
		"replay", "-c", r.config, "--sink", sink, "--yes",
		"--from", r.events[from].Created.Format(time.RFC3339Nano), "--to", r.events[to].Created.Format(time.RFC3339Nano),
	}
}

// within returns the ids of the events of the range, which includes all with the time of
// the first one and none with the time of the last one.
func (r *replayed) within(from, to int) (ids []string) {
	for _, e := range r.events {
		if !e.Created.Before(r.events[from].Created) && e.Created.Before(r.events[to].Created) {
			ids = append(ids, e.ID)
		}
	}
	return ids
}

var idIn = regexp.MustCompile(`"id":"([^"]+)"`)

// idsIn returns the first id in each text.
func idsIn(texts []string) (ids []string) {
	for _, text := range texts {
		if found := idIn.FindStringSubmatch(text); found != nil {
			ids = append(ids, found[1])
		}
	}
	return ids
}

// committedIn returns the committed values of a topic, up to its end.
func committedIn(t *testing.T, c *kfake.Cluster, topic string) (values []string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.ConsumeTopics(topic),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	last, err := client.ProduceSync(t.Context(), &kgo.Record{Topic: topic}).First()
	if err != nil {
		t.Fatal(err)
	}
	for {
		fetches := client.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		for _, record := range fetches.Records() {
			if record.Offset == last.Offset {
				return values
			}
			values = append(values, string(record.Value))
		}
	}
}

// wantOnce requires exactly the wanted ids, each once.
func wantOnce(t *testing.T, got, want []string) {
	t.Helper()
	times := map[string]int{}
	for _, id := range got {
		times[id]++
	}
	missing := 0
	for _, id := range want {
		if times[id] == 0 {
			missing++
		}
	}
	if len(got) != len(want) || missing > 0 || len(times) != len(want) {
		t.Errorf("got %d records of %d events, want each of %d once; %d are missing", len(got), len(times), len(want), missing)
	}
}

// A replay sends each event of the range once to each type of sink.
func TestAReplaySendsARangeOnce(t *testing.T) {
	n := 20_000
	if testing.Short() {
		n = 2000
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "audit", "plain"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	indexer := hectest.NewServer(hectest.Config{Token: "11111111-2222-3333-4444-555555555555", Ack: true})
	hec := httptest.NewServer(indexer)
	defer hec.Close()
	relay := relptest.New(t)
	file := filepath.Join(t.TempDir(), "audit.ndjson")
	r := newReplayed(t, simulator.Config{Events: n, Spacing: time.Second}, fmt.Sprintf(`
  - {name: exact, type: kafka, format: raw, own_events: false, settings: {brokers: [%[1]q], topic: audit}}
  - {name: plain, type: kafka, format: raw, own_events: false, settings: {brokers: [%[1]q], topic: plain, delivery: at_least_once}}
  - {name: splunk, type: splunk_hec, format: raw, own_events: false, settings: {url: %[2]q, token: 11111111-2222-3333-4444-555555555555}}
  - {name: relay, type: syslog, format: raw, own_events: false, settings: {address: "relp://%[3]s"}}
  - {name: file, type: file, format: raw, own_events: false, settings: {path: %[4]q}}
`, cluster.ListenAddrs()[0], hec.URL, relay.Listen(), file))
	from, to := n/4, n-n/4
	for name, received := range map[string]func(t *testing.T) []string{
		"exact": func(t *testing.T) []string { return committedIn(t, cluster, "audit") },
		"plain": func(t *testing.T) []string { return committedIn(t, cluster, "plain") },
		"splunk": func(*testing.T) (texts []string) {
			for _, e := range indexer.Events() {
				texts = append(texts, e.Text())
			}
			return texts
		},
		"relay": func(*testing.T) []string { return relay.Messages() },
		"file": func(t *testing.T) []string {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Error(err)
			}
			return strings.Split(strings.TrimSpace(string(text)), "\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			want := r.within(from, to)
			code, said := r.run(t.Context(), r.command(name, from, to))
			summary := fmt.Sprintf("acme: %s published, 0 filtered, 0 refused\n", count(uint64(len(want))))
			if code != 0 || !strings.HasSuffix(said, summary) {
				t.Errorf("got %d and %q, want %q", code, said, summary)
			}
			wantOnce(t, idsIn(received(t)), want)
		})
	}
}

// frail is a sink that keeps what it gets. When it has taken so many batches, it ends the
// command without an answer to the next one, which it may have taken.
type frail struct {
	mu      sync.Mutex
	ids     []string
	batches int
	limit   int  // 0: it answers always
	loses   bool // the batch without an answer
	end     func()
}

func (f *frail) Publish(ctx context.Context, batch []sink.Record) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.batches++
	last := f.batches > f.limit && f.limit > 0
	if !last || !f.loses {
		for i := range batch {
			f.ids = append(f.ids, batch[i].ID)
		}
	}
	if last {
		f.end()
		return errors.New("no answer")
	}
	return nil
}

func (f *frail) Close() error        { return nil }
func (f *frail) Limits() sink.Limits { return sink.Limits{Records: 300} }

func (f *frail) option() Option {
	return WithSink(sink.NewType("frail", struct{}{}, func(context.Context, sink.Env, struct{}) (sink.Sink, error) { return f, nil }))
}

// An interrupted replay says with which command to go on. Continued so until it is done,
// it leaves no event out, and repeats no more than what was under way.
func TestAnInterruptedReplayGoesOnAsItSays(t *testing.T) {
	r := newReplayed(t, simulator.Config{Events: 4000, Spacing: 500 * time.Millisecond, Seed: 3}, "  - {name: siem, type: frail, format: raw, own_events: false}\n")
	from, to := 200, 3800
	args := r.command("siem", from, to)
	f := &frail{}
	runs := 0
	for done := false; !done; runs++ {
		ctx, cancel := context.WithCancel(t.Context())
		// A page has four batches. So the first run ends right behind a saved position.
		f.batches, f.limit, f.loses, f.end = 0, 4+runs%2, runs%2 == 0, cancel
		code, said := r.run(ctx, args, f.option())
		cancel()
		if done = code == 0; done {
			break
		}
		_, next, found := strings.Cut(said, "sluice: hint: go on with: sluice ")
		if code != 1 || !found || runs > 20 {
			t.Fatalf("run %d: got %d and %q, want the command to go on with", runs, code, said)
		}
		args = strings.Fields(strings.ReplaceAll(next, "'", ""))
	}
	if runs < 2 {
		t.Errorf("%d runs were interrupted, want some", runs)
	}
	got := map[string]int{}
	for _, id := range f.ids {
		got[id]++
	}
	want := r.within(from, to)
	for _, id := range want {
		if got[id] == 0 {
			t.Errorf("event %s was left out", id)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %d events, want the %d of the range", len(got), len(want))
	}
	// At most a page that the reader returns, and what shares the time of the next event.
	if most := runs * 1100; len(f.ids)-len(want) > most {
		t.Errorf("%d records were repeated in %d interrupted runs, want at most %d", len(f.ids)-len(want), runs, most)
	}
}

// follows adds a second source, which reads the same log.
func (r *replayed) follows(name string) {
	r.t.Helper()
	text, err := os.ReadFile(r.config)
	if err != nil {
		r.t.Fatal(err)
	}
	first := regexp.MustCompile(`(?s)  - name: acme.*?\}\n`).FindString(string(text))
	both := strings.Replace(string(text), first, first+strings.Replace(first, "name: acme", "name: "+name, 1), 1)
	if err := os.WriteFile(r.config, []byte(both), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// What a replay of several sources says while it sends leads to all that is left, also of
// the sources that have not begun. So does what it says when it is interrupted.
func TestAReplayOfSeveralSourcesGoesOnWithAllOfThem(t *testing.T) {
	for words, before := range map[string]string{
		"after it died":            "if this command dies, go on with: sluice ",
		"after it was interrupted": "sluice: hint: go on with: sluice ",
	} {
		t.Run(words, func(t *testing.T) {
			r := newReplayed(t, simulator.Config{Events: 2000, Spacing: 500 * time.Millisecond}, "  - {name: siem, type: frail, format: raw, own_events: false}\n")
			r.follows("later")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			f := &frail{limit: 5, loses: true, end: cancel}
			code, said := r.run(ctx, r.command("siem", 100, 1900), f.option())
			_, rest, found := strings.Cut(said, before)
			rest, _, _ = strings.Cut(rest, "\n")
			commands := strings.Split(rest, " && sluice ")
			if code != 1 || !found || len(commands) != 2 {
				t.Fatalf("got %d and %q, want two commands to go on with", code, said)
			}
			f.limit = 0
			for _, text := range commands {
				code, said := r.run(t.Context(), strings.Fields(text), f.option())
				if code != 0 {
					t.Errorf("%s: got %d and %q", text, code, said)
				}
				for line := range strings.Lines(said) {
					if words := strings.Fields(line); strings.Contains(line, "if this command dies") && words[1] == words[3] {
						t.Errorf("%q is said of a range that is sent", line)
					}
				}
			}
			times := map[string]int{}
			for _, id := range f.ids {
				times[id]++
			}
			for _, id := range r.within(100, 1900) {
				if times[id] < 2 {
					t.Errorf("event %s arrived %d times from two sources", id, times[id])
				}
			}
		})
	}
}

// A second replay of a source would pass its rate, so it is refused while the first runs.
func TestASourceIsReplayedOnceAtATime(t *testing.T) {
	r := newReplayed(t, simulator.Config{Events: 1000}, "  - {name: siem, type: frail, format: raw, own_events: false}\n")
	args := r.command("siem", 100, 900)
	f := &frail{limit: 1}
	second := 0
	said := ""
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f.end = func() {
		second, said = r.run(t.Context(), args, f.option())
		cancel()
	}
	r.run(ctx, args, f.option())
	if want := fmt.Sprintf("source acme is being replayed by process %d on host ", os.Getpid()); second != 1 || !strings.Contains(said, want) || strings.Contains(said, "events from") {
		t.Errorf("got %d and %q, want %q and nothing counted", second, said, want)
	}
	f.limit = 0
	if code, said := r.run(t.Context(), args, f.option()); code != 0 {
		t.Errorf("after the first one ended: got %d and %q", code, said)
	}
}

// longLog is a source whose log takes for ever to list.
type longLog struct{ source.Source }

func (longLog) Start(context.Context, source.Start) (source.Position, error) {
	return source.Position(`{}`), nil
}
func (longLog) Freshness() source.Freshness { return source.Freshness{} }
func (longLog) Describe(source.Position) (source.Description, error) {
	return source.Description{}, nil
}
func (longLog) Open(source.Position, source.Env) (source.Reader, error) { return listing{}, nil }

type listing struct{ source.Reader }

func (listing) Next(ctx context.Context) (source.Page, error) {
	<-ctx.Done()
	return source.Page{}, ctx.Err()
}

func (listing) Progress() source.Progress {
	return source.Progress{WalkPages: 7, WalkEvents: 1200, Oldest: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
}
func (listing) Close() error { return nil }

// While the log is listed, which may take minutes, the command says how far it is.
func TestAReplaySaysHowFarItIsListing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		p := &replayPart{replay: &replay{command: &command{}, told: &said, log: zerolog.Nop()}, source: longLog{}}
		p.lane.Name, p.lane.Source.Name = "acme/siem", "acme"
		ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
		defer cancel()
		if err := p.count(ctx); err == nil {
			t.Error("a range that was not listed counts as counted")
		}
		want := strings.Repeat("acme: listing the log, newest first: 7 pages, 1,200 events so far, back to 2026-01-02T03:04:05Z\n", 2)
		if said.String() != want {
			t.Errorf("got %q, want %q", said.String(), want)
		}
	})
}

// A log that has lost events of the range is refused, with what is left.
func TestAReplayOfWhatIsGoneIsRefused(t *testing.T) {
	r := newReplayed(t, simulator.Config{Events: 100, Spacing: time.Hour, Retention: 0}, "  - {name: siem, type: frail, format: raw, own_events: false}\n")
	f := &frail{}
	args := r.command("siem", 0, 99)
	args[7] = time.Now().Add(-400 * time.Hour).UTC().Format(time.RFC3339) // before the retention of the source
	code, said := r.run(t.Context(), args, f.option())
	for _, text := range []string{"no longer reaches back to", "it has events from --from " + r.events[0].Created.Format("2006-01-02T15:04:05.999Z")} {
		if code != 1 || !strings.Contains(said, text) {
			t.Errorf("got %d and %q, want %q", code, said, text)
		}
	}
	if len(f.ids) > 0 {
		t.Errorf("%d records were sent", len(f.ids))
	}
}

// refusing is a sink that refuses one record for good.
type refusing struct{ id string }

func (r refusing) Publish(_ context.Context, batch []sink.Record) error {
	var bad sink.BatchError
	for i := range batch {
		if batch[i].ID == r.id {
			bad = append(bad, sink.RecordError{Index: i, Err: sink.Permanent(errors.New("too odd"))})
		}
	}
	if bad == nil {
		return nil
	}
	return bad
}

func (refusing) Close() error { return nil }

// A record that the sink refuses is told, with the reason.
func TestAReplayTellsWhatIsRefused(t *testing.T) {
	r := newReplayed(t, simulator.Config{Events: 50}, "  - {name: siem, type: odd, format: raw, own_events: false}\n")
	bad := r.events[10].ID
	odd := sink.NewType("odd", struct{}{}, func(context.Context, sink.Env, struct{}) (sink.Sink, error) { return refusing{bad}, nil })
	code, said := r.run(t.Context(), r.command("siem", 5, 40), WithSink(odd))
	want := fmt.Sprintf("acme: %d published, 0 filtered, 1 refused\n  event %s: too odd\n", len(r.within(5, 40))-1, bad)
	if code != 1 || !strings.Contains(said, want) || !strings.Contains(said, "sluice: error: 1 event refused by sink siem") ||
		!strings.Contains(said, "records rejected and not sent") || strings.Contains(said, "dead letter") {
		t.Errorf("got %d and %q, want %q", code, said, want)
	}
}

// The own log says what was sent again, also after a failure, and who did it.
func TestTheOwnLogTellsOfAReplay(t *testing.T) {
	r := newReplayed(t, simulator.Config{Events: 1000}, "  - {name: siem, type: frail, format: raw}\n")
	own := func(k *config.Kinds) { k.Own = ownlog.Type() }
	for words, c := range map[string]struct {
		limit     int
		published int
		done      string
	}{
		"done":        {0, len(r.within(100, 900)), `"done":true`},
		"interrupted": {1, 300, `"done":false`},
	} {
		t.Run(words, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			f := &frail{limit: c.limit, end: cancel}
			r.run(ctx, r.command("siem", 100, 900), f.option(), own)
			cfg, err := config.Load(r.config, kindsWith(f.option(), own))
			if err != nil {
				t.Fatal(err)
			}
			var text []byte
			for _, file := range filesIn(t, ownLogDirectory(cfg)) {
				text = append(text, file...)
			}
			for _, want := range []string{
				`"action":"sluice.replayed"`, `"subject":{"type":"sink","name":"siem"}`, `"type":"user"`,
				fmt.Sprintf(`"published":%d`, c.published), c.done, `"sources":["acme"]`,
			} {
				if !bytes.Contains(text, []byte(want)) {
					t.Errorf("the own log lacks %s: %s", want, text)
				}
			}
			if err := os.RemoveAll(ownLogDirectory(cfg)); err != nil {
				t.Error(err)
			}
		})
	}
}

func kindsWith(opts ...Option) config.Kinds { return newCommand(nil, nil, nil, opts).kinds }

// filesIn returns the contents of the files in a directory.
func filesIn(t *testing.T, dir string) (texts [][]byte) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, text)
	}
	return texts
}
