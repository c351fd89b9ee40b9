package sourcetest_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/recorder"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/sourcetest"
)

// altered is a source with replaced methods, which break the contract.
type altered struct {
	source.Source
	start    func(ctx context.Context, at source.Start) (source.Position, error)
	open     func(pos source.Position, env source.Env) (source.Reader, error)
	next     func(r source.Reader, ctx context.Context) (source.Page, error)
	describe func(pos source.Position) (source.Description, error)
	check    func(ctx context.Context) (string, error)
	fresh    func() source.Freshness
	close    func() error
}

func (a *altered) Start(ctx context.Context, at source.Start) (source.Position, error) {
	if a.start != nil {
		return a.start(ctx, at)
	}
	return a.Source.Start(ctx, at)
}

func (a *altered) Open(pos source.Position, env source.Env) (source.Reader, error) {
	open := a.Source.Open
	if a.open != nil {
		open = a.open
	}
	r, err := open(pos, env)
	if err != nil || a.next == nil {
		return r, err
	}
	return &alteredReader{r, a.next}, nil
}

func (a *altered) Describe(pos source.Position) (source.Description, error) {
	if a.describe != nil {
		return a.describe(pos)
	}
	return a.Source.Describe(pos)
}

func (a *altered) Check(ctx context.Context) (string, error) {
	if a.check != nil {
		return a.check(ctx)
	}
	return a.Source.Check(ctx)
}

func (a *altered) Freshness() source.Freshness {
	if a.fresh != nil {
		return a.fresh()
	}
	return a.Source.Freshness()
}

func (a *altered) Close() error {
	if a.close != nil {
		return a.close()
	}
	return a.Source.Close()
}

type alteredReader struct {
	source.Reader
	next func(r source.Reader, ctx context.Context) (source.Page, error)
}

func (r *alteredReader) Next(ctx context.Context) (source.Page, error) { return r.next(r.Reader, ctx) }

// breach is a source that breaks a rule of the contract, and what the suite reports.
type breach struct {
	name, rule, report string
	alter              func(*altered)
}

// pages changes each page.
func pages(change func(p *source.Page)) func(*altered) {
	return func(a *altered) {
		a.next = func(r source.Reader, ctx context.Context) (source.Page, error) {
			p, err := r.Next(ctx)
			if err == nil {
				change(&p)
			}
			return p, err
		}
	}
}

func loseFirst(p *source.Page) { p.Events = p.Events[min(1, len(p.Events)):] }

func repeatFirst(p *source.Page) {
	if len(p.Events) > 0 {
		p.Events = append(p.Events[:1:1], p.Events...)
	}
}

func beginsAlways(a *altered) {
	a.start = func(ctx context.Context, _ source.Start) (source.Position, error) {
		return a.Source.Start(ctx, source.Start{})
	}
}

var breaches = []breach{
	{"loses an event", "delivers every event once, the oldest first", "was lost", pages(loseFirst)},
	{"repeats an event", "delivers every event once, the oldest first", "was delivered 2 times", pages(repeatFirst)},
	{"delivers the newest first", "delivers every event once, the oldest first", "event 0 is event-000250", pages(func(p *source.Page) { slices.Reverse(p.Events) })},
	{"gives no bytes", "delivers every event once, the oldest first", "0 bytes", pages(func(p *source.Page) { each(p, func(e *source.Event) { e.Raw = nil }) })},
	{"gives other bytes each time", "delivers every event once, the oldest first", "other bytes", otherBytes},
	{"invents an event", "delivers every event once, the oldest first", "is not one of the log's", pages(func(p *source.Page) {
		each(p, func(e *source.Event) { e.ID = strings.Replace(e.ID, "000009", "x", 1) })
	})},
	{"invents a gap", "delivers every event once, the oldest first", "nothing is missing", pages(func(p *source.Page) { each(p, func(e *source.Event) { e.Gap = e.ID == "event-000009" }) })},
	{"begins at the beginning instead", "begins now", "is not one of the log's", beginsAlways},
	{"begins at the beginning", "begins at a time", "is not one of the log's", beginsAlways},
	{"marks nothing late", "delivers late events, and marks them", "late false, want true", pages(func(p *source.Page) { each(p, func(e *source.Event) { e.Late = false }) })},
	{"returns the position before the page", "resumes behind each page", "that was after a crash behind page ", lagging},
	{"returns no position before it has caught up", "resumes behind each page", "Open at a position that was returned", pages(func(p *source.Page) {
		if !p.CaughtUp {
			p.Next = nil
		}
	})},
	{"returns as many events as it likes", "keeps to the size of a page", "but Env.Page allows 33", func(a *altered) {
		a.open = func(pos source.Position, env source.Env) (source.Reader, error) {
			env.Page = 0
			return a.Source.Open(pos, env)
		}
	}},
	{"resumes at the newest event", "resumes after a stop at any request", "that was after a stop at request 1", skipping},
	{"delivers the newest first in a log listed in the other order", "delivers a log that is listed in the other order", "the oldest event comes first", pages(func(p *source.Page) { slices.Reverse(p.Events) })},
	{"loses an event in a log listed in the other order", "delivers a log that is listed in the other order", "was lost", pages(loseFirst)},
	{"takes an event with a known time for known", "delivers events that share a time", "5 of 5 events have not arrived", losesTies},
	{"gives two events one id", "delivers every event once, the oldest first", `two events have the id "event-000008"`, pages(func(p *source.Page) {
		each(p, func(e *source.Event) { e.ID = strings.Replace(e.ID, "000009", "000008", 1) })
	})},
	{"repeats an event that is on two pages", "survives an event on two pages", "was delivered 2 times", pages(repeatFirst)},
	{"fails for good", "survives requests that fail", "the last error of the source: memory: reading the audit log: status 503", failsForGood},
	{"loses an event with a refused cursor", "survives a cursor that is refused", "have not arrived", pages(loseFirst)},
	{"loses an event with a repeated page", "survives a page that repeats", "have not arrived", pages(loseFirst)},
	{"repeats an event with an empty page", "survives an empty page that promises more", "was delivered 2 times", pages(repeatFirst)},
	{"loses an event with a page that ends early", "survives a page that hides what follows", "have not arrived", pages(loseFirst)},
	{"hides a gap", "reports that events are missing", "no gap was reported", pages(func(p *source.Page) {
		p.Events = slices.DeleteFunc(p.Events, func(e source.Event) bool { return e.Gap })
	})},
	{"reports a gap under several ids", "reports that events are missing", "has another id", manyNames},
	{"has large positions", "returns positions that are JSON of at most 512 kB", "bytes, JSON: true", pages(func(p *source.Page) { p.Next = append(p.Next, bytes.Repeat([]byte(" "), 600_000)...) })},
	{"has positions that are no JSON", "returns positions that are JSON of at most 512 kB", "JSON: false", pages(func(p *source.Page) { p.Next = source.Position("here") })},
	{"starts at the beginning if it cannot read a position", "refuses a position that is not its own", "want source.ErrUnusable", forgiving},
	{"describes nothing", "describes a position", "behind the newest event", func(a *altered) {
		a.describe = func(source.Position) (source.Description, error) { return source.Description{}, nil }
	}},
	{"says nothing in Check", "checks and delivers nothing", `Check returned ""`, func(a *altered) {
		a.check = func(context.Context) (string, error) { return "", nil }
	}},
	{"does not return from Check", "checks and delivers nothing", "Check has not returned", func(a *altered) {
		a.check = func(context.Context) (string, error) {
			until := leak
			<-until
			return "", nil
		}
	}},
	{"has errors without a class", "checks and delivers nothing", "has no class", func(a *altered) {
		a.check = func(ctx context.Context) (string, error) {
			text, err := a.Source.Check(ctx)
			if err != nil {
				err = errors.New(err.Error())
			}
			return text, err
		}
	}},
	{"is fresh for no time", "reports its freshness", "at most 0s old", func(a *altered) {
		a.fresh = func() source.Freshness { return source.Freshness{} }
	}},
	{"loses an event of a lane", "serves lanes side by side", "was lost", pages(loseFirst)},
	{"does not return when the context has ended", "returns when the context ends, and continues", "has not returned", deaf},
	{"leaves a goroutine behind", "closes while a request hangs", "Close left a goroutine behind", leaking},
}

func each(p *source.Page, change func(*source.Event)) {
	for i := range p.Events {
		change(&p.Events[i])
	}
}

func otherBytes(a *altered) {
	pages(func(p *source.Page) {
		each(p, func(e *source.Event) { e.Raw = append(bytes.Clone(e.Raw), byte(calls.next())) })
	})(a)
}

// calls counts calls over all sources of a test.
var calls counter

type counter int

func (c *counter) next() int { *c++; return int(*c) }

// lagging returns each page with the position of the previous one.
func lagging(a *altered) {
	var former source.Position
	pages(func(p *source.Page) {
		next := p.Next
		if former != nil && !p.CaughtUp {
			p.Next = former
		}
		former = next
	})(a)
}

// skipping starts at the newest event whenever it is opened again.
func skipping(a *altered) {
	a.open = func(pos source.Position, env source.Env) (source.Reader, error) {
		if calls.next()%2 == 0 {
			now, err := a.Source.Start(context.Background(), source.Start{Now: true})
			if err != nil {
				return nil, err
			}
			pos = now
		}
		return a.Source.Open(pos, env)
	}
}

// losesTies delivers only events that are later than those before, or are late.
func losesTies(a *altered) {
	var newest time.Time
	pages(func(p *source.Page) {
		last := newest
		p.Events = slices.DeleteFunc(p.Events, func(e source.Event) bool { return e.Time.Equal(last) })
		each(p, func(e *source.Event) { newest = e.Time })
	})(a)
}

func failsForGood(a *altered) {
	var failed error
	a.next = func(r source.Reader, ctx context.Context) (source.Page, error) {
		if failed != nil {
			return source.Page{}, failed
		}
		p, err := r.Next(ctx)
		failed = err
		return p, err
	}
}

func manyNames(a *altered) {
	pages(func(p *source.Page) {
		each(p, func(e *source.Event) {
			if e.Gap {
				e.ID += string(rune('a' + calls.next()%26))
			}
		})
	})(a)
}

func forgiving(a *altered) {
	a.open = func(pos source.Position, env source.Env) (source.Reader, error) {
		r, err := a.Source.Open(pos, env)
		if err == nil {
			return r, nil
		}
		start, err := a.Source.Start(context.Background(), source.Start{})
		if err != nil {
			return nil, err
		}
		return a.Source.Open(start, env)
	}
}

// leak is closed when a test ends.
var leak chan struct{}

func leaking(a *altered) {
	a.close = func() error {
		until := leak
		go func() { <-until }()
		return a.Source.Close()
	}
}

func deaf(a *altered) {
	a.next = func(r source.Reader, ctx context.Context) (source.Page, error) {
		until := leak
		p, err := r.Next(ctx)
		if err != nil {
			<-until
		}
		return p, err
	}
}

func TestBrokenSourcesAreCaught(t *testing.T) {
	for _, b := range breaches {
		h := harness(newClient(&sourcetest.Memory{}))
		good := h.Open
		h.Open = func(t testing.TB) source.Source {
			a := &altered{Source: good(t)}
			b.alter(a)
			return a
		}
		caught(t, b.name, b.rule, b.report, h)
	}
}

// caught requires that the rule reports a source. In a synctest bubble the suite's patience
// passes at once.
func caught(t *testing.T, name, rule, report string, h sourcetest.Harness) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			calls = 0
			leak = make(chan struct{})
			r := recorder.Record(t, func(t testing.TB) { sourcetest.RunRule(rule, t, h) })
			close(leak) // ends the goroutines of a broken source
			if got := strings.Join(r.Failures, "\n"); !strings.Contains(got, report) || !strings.Contains(got, "what to do: ") {
				t.Errorf("a source that %s: the rule %q reports %q, want %q in it, and what to do", name, rule, got, report)
			}
		})
	})
}

func TestEveryRuleCatchesSomething(t *testing.T) {
	for _, rule := range sourcetest.RuleNames() {
		if !slices.ContainsFunc(breaches, func(b breach) bool { return b.rule == rule }) &&
			!slices.ContainsFunc(brokenClients, func(b brokenClient) bool { return b.rule == rule }) {
			t.Errorf("no broken source shows that the rule %q can fail", rule)
		}
	}
}
