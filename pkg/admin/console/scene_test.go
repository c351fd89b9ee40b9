package console_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/admin/console"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/cef"
	"github.com/sluice-siem/sluice/pkg/transform/ecs"
)

// scene is a state of Sluice that a page shows.
type scene struct {
	name     string
	deps     console.Deps
	history  *console.History
	activity *console.Activity
	key      string                                                // of an event, if there is one
	lanes    atomic.Pointer[func(now time.Time) []pipeline.Status] // a test may change it
}

func (s *scene) handler() http.Handler { return console.Handler(s.deps, s.history, s.activity) }

// past is how long Sluice has run in a scene, and what its lanes did meanwhile.
type past struct {
	lanes  func(now time.Time) []pipeline.Status
	ran    time.Duration
	events bool
}

// newScene lets Sluice run in a bubble, whose clock is fast, until now.
func newScene(t *testing.T, name string, p past) *scene {
	t.Helper()
	s := &scene{name: name}
	s.lanes.Store(&p.lanes)
	now := time.Now()
	s.deps = deps()
	start := map[string]uint64{} // what the lanes had published when the process began
	s.deps.Lanes = func() []pipeline.Status {
		all := (*s.lanes.Load())(time.Now())
		for i := range all {
			all[i].Published -= min(start[all[i].Lane], all[i].Published)
			all[i].Read = all[i].Published
		}
		return all
	}
	s.deps.Target = func(sink string) string { return targets[sink] }
	s.deps.Render = render
	s.deps.Memory = func() source.MemoryUsage { return source.MemoryUsage{Size: 512 << 20, Held: 37 << 20} }
	s.deps.Sources = func() map[string]source.Usage {
		return map[string]source.Usage{"acme": {Answers: map[string]uint64{"200": 34_511, "429": 3}, BudgetLeft: 594}, "acme-eu": {Answers: map[string]uint64{"200": 34_377}, BudgetLeft: 596}}
	}
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(now.Add(-p.ran)))
		for _, l := range p.lanes(time.Now()) {
			start[l.Lane] = l.Published
		}
		s.history, s.activity = console.NewHistory(s.deps.Lanes), console.NewActivity(16<<20)
		ctx, cancel := context.WithDeadline(t.Context(), now)
		defer cancel()
		go s.history.Run(ctx)
		<-ctx.Done()
		synctest.Wait()
		if p.events {
			s.observe(t)
		}
	})
	for _, k := range s.activity.Recent("", "", 200) {
		if s.key = k.Key; k.Severity >= 5 { // one that is worth a look
			break
		}
	}
	return s
}

// targets are where the sinks of the scenes deliver to.
var targets = map[string]string{
	"splunk":    "https://splunk.acme.example:8088, index planetscale",
	"kafka":     "kafka-1.acme.example:9092, topic planetscale.audit",
	"archive":   "/var/log/sluice/archive.ndjson",
	"collector": "relp+tls://syslog.acme.example:2514",
}

// observe has a lane read a week of an organization in which people work by day.
func (s *scene) observe(t *testing.T) {
	kind := planetscale.Type()
	catalogue, err := transform.ParseCatalogue(kind.Catalogue)
	if err != nil {
		t.Fatal(err)
	}
	log := simulator.New(simulator.Config{Seed: 7, Events: 24_000, Spacing: 26 * time.Second, Tame: true})
	observe := s.activity.Observer("acme", catalogue)
	for listed := range log.Visible() {
		parsed, err := kind.Parse(listed.Raw, "acme")
		if err != nil {
			t.Fatal(err)
		}
		if e := parsed[0]; chance(e.ID) < weight(e, catalogue.Lookup(e.Action).Severity) {
			observe(parsed, true)
		}
	}
}

// chance is a number from 0 to 1 that depends on the text alone.
func chance(text string) float64 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(text))
	return float64(h.Sum32()%10_000) / 10_000
}

// weight is how likely an event of the simulator is in an organization of people.
func weight(e source.Event, severity int) float64 {
	at := e.Time.UTC()
	w := byHour[at.Hour()]
	if at.Weekday() == time.Saturday || at.Weekday() == time.Sunday {
		w *= .12
	}
	w *= .04 + chance(e.Action)*chance(e.Action) // some actions are more frequent
	w *= .2 + chance(e.Actor.ID)
	if severity >= 7 {
		w *= .06
	}
	return w
}

// render is what two sinks get of an event.
func render(_ context.Context, k console.Kept) []console.Rendering {
	kind := planetscale.Type()
	catalogue, err := transform.ParseCatalogue(kind.Catalogue)
	if err != nil {
		return []console.Rendering{{Sink: "splunk", Format: "ecs", Withheld: err.Error()}}
	}
	var all []console.Rendering
	for _, to := range []struct {
		sink   string
		format transform.Format
	}{{"splunk", ecs.Format}, {"kafka", ecs.Format}, {"collector", cef.Format}} {
		r := console.Rendering{Sink: to.sink, Format: to.format.Name}
		encoder, err := to.format.New(transform.Options{Product: kind.Product, Catalogue: catalogue, Version: "0.1.0", Host: "forwarder"})
		if err == nil {
			record, failed := encoder.Transform(nil, &k.Event)
			r.Body, err = string(record.Body), failed
		}
		if err == nil {
			r.Fields, err = to.format.Explain(&kind.Product, []byte(r.Body))
		}
		if err != nil {
			r.Withheld = err.Error()
		}
		all = append(all, r)
	}
	return all
}

// working is a lane that has delivered so many events a day, for as long as the clock runs.
func working(now time.Time, src, sink, format string, perDay float64) pipeline.Status {
	day := 24 * time.Hour
	published := settledBy(now, sink, perDay)
	last := now.Truncate(7 * time.Second)
	return pipeline.Status{
		Lane: src + "/" + sink, Source: src, Sink: sink, Format: format, Ready: true,
		Reader:        source.Progress{LastRead: now.Add(-3 * time.Second), CaughtUp: true, Overlap: 5 * time.Minute},
		Position:      source.Description{Event: last, Through: now.Add(-3 * time.Second), Expires: now.Add(15*day - 3*time.Second)},
		Lag:           time.Duration(4*chance(fmt.Sprint(sink, now.Unix()/60))) * time.Second,
		LastPublished: last.Add(time.Second),
		Counters:      pipeline.Counters{Read: published, Published: published},
		Retries:       map[string]uint64{},
	}
}

// settledBy is how many events a lane has settled: more by day than by night, and never
// quite the same.
func settledBy(now time.Time, sink string, perDay float64) uint64 {
	const slot = 10 * time.Minute
	begin := began.Add(-9 * 24 * time.Hour).Truncate(slot)
	sums, ok := settledSums[sink]
	if !ok {
		sums = []float64{0}
		for at := begin; at.Before(began.Add(24 * time.Hour)); at = at.Add(slot) {
			sums = append(sums, sums[len(sums)-1]+(.3+1.6*byHour[at.UTC().Hour()])*(.5+chance(fmt.Sprint(sink, at.Unix()))))
		}
		settledSums[sink] = sums
	}
	i := int(now.Sub(begin) / slot)
	part := float64(now.Sub(begin)%slot) / float64(slot)
	return uint64(perDay / 144 * (sums[i] + part*(sums[i+1]-sums[i])))
}

var settledSums = map[string][]float64{} // by sink, filled while the scenes are made

// byHour is how much people do in each hour of a day.
var byHour = [24]float64{.03, .02, .02, .02, .03, .05, .15, .4, .75, .95, 1, .9, .55, .8, 1, .95, .8, .55, .3, .2, .15, .1, .06, .04}

// stopped is a lane that has not delivered for some time.
func stopped(s pipeline.Status, now time.Time, perDay float64, ago time.Duration, because pipeline.Trouble) pipeline.Status {
	was := now.Add(-ago)
	s.Counters = working(was, s.Source, s.Sink, s.Format, perDay).Counters
	because.Since = was
	s.Ready, s.Troubles, s.Lag, s.LastPublished = false, []pipeline.Trouble{because}, ago, was
	s.Position.Event, s.Position.Through, s.Position.Expires = was, was, was.Add(15*24*time.Hour)
	return s
}

var began = time.Now()

// The states that a person meets.

func fine(now time.Time) []pipeline.Status {
	return []pipeline.Status{
		working(now, "acme", "splunk", "ecs", 900), working(now, "acme", "kafka", "ecs", 900),
		working(now, "acme", "archive", "raw", 900), working(now, "acme-eu", "splunk", "ecs", 300),
	}
}

var (
	refused = pipeline.Trouble{
		Operation: "publish", Err: "https://splunk.acme.example:8088/services/collector: 403 Forbidden: invalid token, code 4",
		Hint:     "the collector does not know the token: create one under Settings, Data inputs, HTTP Event Collector, and set token_file to the file that holds it",
		Attempts: 104, Next: began.Add(48 * time.Second),
	}
	unreachable = pipeline.Trouble{
		Operation: "publish", Err: "dial tcp 192.0.2.17:9092: connect: connection refused",
		Hint: "nothing listens at this address: start the broker, or correct brokers", Attempts: 103, Next: began.Add(31 * time.Second),
	}
	expired = pipeline.Trouble{
		Operation: "publish", Err: "relp+tls://syslog.acme.example:2514: tls: failed to verify certificate: x509: certificate has expired or is not yet valid",
		Hint: "renew the certificate of the receiver, or set the clock of this machine", Attempts: 101, Next: began.Add(59 * time.Second),
	}
	unauthorized = pipeline.Trouble{
		Operation: "read", Err: "https://api.acme.example/v1/organizations/acme-02/audit-log: 401 Unauthorized",
		Hint: "the service token was deleted, or lacks the access read_audit_logs", Attempts: 12, Next: began.Add(40 * time.Second),
	}
)

func fourDown(now time.Time) []pipeline.Status {
	all := append(fine(now), working(now, "acme-eu", "collector", "cef", 300))
	ago := now.Sub(began.Add(-100 * time.Minute))
	if ago < 0 {
		return all
	}
	for i, t := range map[int]pipeline.Trouble{0: refused, 1: unreachable, 3: refused, 4: expired} {
		all[i] = stopped(all[i], now, []float64{900, 900, 900, 300, 300}[i], ago, t)
	}
	return all
}

func gap(now time.Time) []pipeline.Status {
	all := fine(now)
	found := began.Add(-40 * time.Minute)
	if now.After(found) {
		all[2].Reader.Gaps, all[2].Reader.LastGap = 1, found
	}
	return all
}

func catchUp(now time.Time) []pipeline.Status {
	all := fine(now)[:2]
	for i := range all {
		s := &all[i]
		s.CatchingUp, s.Position, s.LastPublished, s.Counters = true, source.Description{}, time.Time{}, pipeline.Counters{}
		s.Lag = 89 * 24 * time.Hour
		s.Reader = source.Progress{LastRead: now, WalkPages: 1_204, WalkEvents: 120_400, Oldest: now.Add(-s.Lag)}
	}
	done := uint64(max(0, 31_200+int(300*now.Sub(began).Seconds())))
	all[0].Reader.WalkDone, all[0].Reader.Handed, all[0].Reader.WalkPages, all[0].Reader.WalkEvents = true, int(done), 1_871, 187_064
	all[0].Published, all[0].Read, all[0].LastPublished = done, done, now
	all[0].Position = source.Description{Event: now.Add(-s0), Through: now.Add(-s0), Expires: now.Add(15*24*time.Hour - s0)}
	all[0].Lag = s0
	return all
}

const s0 = 74 * 24 * time.Hour

// many returns so many lanes, some of them not ready.
func many(n int) func(now time.Time) []pipeline.Status {
	return func(now time.Time) []pipeline.Status {
		all := make([]pipeline.Status, 0, n)
		for i := range n {
			src := fmt.Sprintf("acme-%02d", i/30+1)
			s := working(now, src, fmt.Sprintf("sink-%02d", i%30+1), "ecs", 200)
			switch {
			case i%7 == 3 && now.After(began.Add(-25*time.Minute)):
				s = stopped(s, now, 200, now.Sub(began.Add(-25*time.Minute)), unreachable)
			case i == 45:
				s = stopped(s, now, 200, 3*time.Hour, unauthorized)
			case i%50 == 9:
				s.CatchingUp, s.Lag = true, 5*time.Hour
				s.Reader.WalkEvents, s.Reader.WalkDone, s.Reader.Handed, s.Reader.CaughtUp = 9_000, true, 4_100, false
			}
			all = append(all, s)
		}
		return all
	}
}

// scenes are the states of which there are tests and pictures.
func scenes(t *testing.T) []*scene {
	t.Helper()
	return []*scene{
		newScene(t, "fine", past{fine, 8 * 24 * time.Hour, true}),
		newScene(t, "catch-up", past{catchUp, 3 * time.Minute, false}),
		newScene(t, "four-down", past{fourDown, 20 * time.Hour, true}),
		newScene(t, "gap", past{gap, 26 * time.Hour, true}),
		newScene(t, "300-lanes", past{many(300), 10 * time.Hour, true}),
	}
}

// notPrivate is a console that people reach who may not see personal data.
func notPrivate(t *testing.T) *scene {
	t.Helper()
	s := newScene(t, "not-private", past{fine, 20 * time.Hour, true})
	s.deps.Private = false
	return s
}

// empty is a Sluice that just started.
func empty(t *testing.T) *scene {
	t.Helper()
	return newScene(t, "just-started", past{func(now time.Time) []pipeline.Status {
		all := fine(now)[:1]
		all[0].Ready, all[0].Troubles = false, []pipeline.Trouble{{Operation: "read", Err: "nothing was read yet"}}
		all[0].Reader, all[0].Position, all[0].LastPublished = source.Progress{}, source.Description{}, time.Time{}
		return all
	}, time.Second, false})
}
