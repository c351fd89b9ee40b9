package sourcetest_test

import (
	"cmp"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/recorder"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/cursorlog"
	"github.com/sluice-siem/sluice/pkg/source/sourcetest"
)

// brokenClient is a source whose client breaks the contract of cursorlog, and what the
// suite reports.
type brokenClient struct {
	name, rule, report string
	change             func(*client)
}

// lists replaces how the client lists a page.
func lists(list func(c *client, ctx context.Context, cursor string, limit int) (sourcetest.Page, error)) func(*client) {
	return func(c *client) {
		c.list = func(ctx context.Context, cursor string, limit int) (sourcetest.Page, error) {
			return list(c, ctx, cursor, limit)
		}
	}
}

var brokenClients = []brokenClient{
	{"takes a refused cursor for a failure", "survives a cursor that is refused for good", "5 of 5 events have not arrived within 10s; the last error of the source: memory: reading the audit log: cursor", plainErrors},
	{"repeats a request whose cursor is refused", "survives a cursor that is refused for good", "of 1100 events have not arrived", neverMovesOn()},
	{"does not wait", "waits if it is asked to", "reading the audit log: \na request was sent 1s before the end of the wait\nwhat to do", plainErrors},
	{"waits, but says something else", "waits if it is asked to", `the class of the error is "unavailable", want "throttled"`, lists(func(c *client, ctx context.Context, cursor string, limit int) (sourcetest.Page, error) {
		p, err := c.good(ctx, cursor, limit)
		if p.Wait > 0 {
			time.Sleep(p.Wait)
			err = errors.New("too many requests")
		}
		return p, err
	})},
	{"waits too short", "waits if it is asked to", "a request was sent 500ms before the end of the wait", lists(func(c *client, ctx context.Context, cursor string, limit int) (sourcetest.Page, error) {
		p, err := c.good(ctx, cursor, limit)
		if p.Wait > 0 {
			err = cursorlog.Throttled(p.Wait/2, "")
		}
		return p, err
	})},
	{"fails, then hangs", "delivers every event once, the oldest first", "within 10s; the last error of the source: memory: reading the audit log: status 418", failsThenHangs()},
	{"hangs", "delivers every event once, the oldest first", "within 10s; the source reported no error", lists(func(_ *client, ctx context.Context, _ string, _ int) (sourcetest.Page, error) {
		<-ctx.Done()
		return sourcetest.Page{}, ctx.Err()
	})},
	{"decodes one id for two events", "delivers every event once, the oldest first", "the reader met 1 events with the id of another event", func(c *client) {
		c.decode = func(e *source.Event) {
			if e.ID == "event-000009" {
				e.ID = "event-000008"
			}
		}
	}},
	{"decodes whole seconds", "delivers every event once, the oldest first", "set Harness.Precision to time.Second", func(c *client) { c.decode = truncate }},
	{"decodes milliseconds as seconds", "delivers every event once, the oldest first", "has the time", func(c *client) {
		c.decode = func(e *source.Event) { e.Time = time.UnixMilli(e.Time.Unix()) }
	}},
	{"retries by itself", "checks and delivers nothing", "Check has not returned the error of a request within 10s", lists(func(c *client, ctx context.Context, cursor string, limit int) (sourcetest.Page, error) {
		for {
			p, err := c.good(ctx, cursor, limit)
			if p.Status != 503 || ctx.Err() != nil {
				return p, err
			}
			time.Sleep(time.Second)
		}
	})},
	{"decodes no id", "delivers every event once, the oldest first", "of 250 events 250 were lost and 0 repeated; 250 others were delivered", func(c *client) { c.decode = func(e *source.Event) { e.ID = "" } }},
	{"does not give up a request", "closes while a request hangs", "Close has not returned", lists(func(c *client, _ context.Context, cursor string, limit int) (sourcetest.Page, error) {
		return c.good(context.Background(), cursor, limit)
	})},
}

// plainErrors returns errors that say nothing of their kind.
func plainErrors(c *client) {
	c.list = func(ctx context.Context, cursor string, limit int) (sourcetest.Page, error) {
		p, err := c.good(ctx, cursor, limit)
		if err != nil {
			err = errors.New(err.Error())
		}
		return p, err
	}
}

// neverMovesOn requests nothing else once the server has refused a cursor that it gave.
func neverMovesOn() func(*client) {
	promised, refused := false, ""
	return lists(func(c *client, ctx context.Context, cursor string, limit int) (sourcetest.Page, error) {
		p, err := c.good(ctx, cmp.Or(refused, cursor), limit)
		if err != nil && promised {
			refused = cursor
		}
		promised = p.More
		return p, err
	})
}

func failsThenHangs() func(*client) {
	failed := false
	return lists(func(_ *client, ctx context.Context, _ string, _ int) (sourcetest.Page, error) {
		if !failed {
			failed = true
			return sourcetest.Page{}, errors.New("status 418")
		}
		<-ctx.Done()
		return sourcetest.Page{}, ctx.Err()
	})
}

func TestBrokenClientsAreCaught(t *testing.T) {
	for _, b := range brokenClients {
		c := newClient(&sourcetest.Memory{})
		b.change(c)
		caught(t, b.name, b.rule, b.report, harness(c))
	}
}

func TestPrecisionIsAtMostASecond(t *testing.T) {
	h := harness(newClient(&sourcetest.Memory{}))
	h.Precision = time.Minute
	r := recorder.Record(t, func(t testing.TB) { sourcetest.RunRule("begins now", t, h) })
	if want := "Harness.Precision is 1m0s, but the suite needs a second or less"; len(r.Failures) == 0 || r.Failures[0] != want {
		t.Errorf("got %q, want %q", r.Failures, want)
	}
}
