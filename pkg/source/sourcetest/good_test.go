package sourcetest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/cursorlog"
	"github.com/sluice-siem/sluice/pkg/source/sourcetest"
)

// client reads a log in memory. Tests replace its functions to break it.
type client struct {
	log    *sourcetest.Memory
	list   func(ctx context.Context, cursor string, limit int) (sourcetest.Page, error)
	decode func(e *source.Event)
}

func newClient(log *sourcetest.Memory) *client {
	c := &client{log: log, decode: func(*source.Event) {}}
	c.list = c.good
	return c
}

// good lists as the contract of cursorlog.Client says.
func (c *client) good(ctx context.Context, cursor string, limit int) (sourcetest.Page, error) {
	p := c.log.List(ctx, cursor, limit)
	switch {
	case ctx.Err() != nil:
		return p, ctx.Err()
	case p.Status == 404:
		return p, cursorlog.CursorRefused(fmt.Errorf("cursor %q is not known", cursor))
	case p.Status == 429:
		return p, cursorlog.Throttled(p.Wait, "")
	case p.Status != 200:
		return p, fmt.Errorf("status %d", p.Status)
	}
	return p, nil
}

func (c *client) List(ctx context.Context, cursor string, limit int) (cursorlog.Answer, error) {
	p, err := c.list(ctx, cursor, limit)
	if err != nil {
		return cursorlog.Answer{Status: p.Status}, err
	}
	body, err := json.Marshal(p)
	return cursorlog.Answer{Status: p.Status, Body: body}, err
}

func (c *client) Decode(body []byte, events []source.Event) (cursorlog.Page, error) {
	var p sourcetest.Page
	err := json.Unmarshal(body, &p)
	for _, e := range p.Events {
		event := source.Event{ID: e.ID, Time: e.Time, Raw: []byte(e.ID)}
		c.decode(&event)
		events = append(events, event)
	}
	return cursorlog.Page{Events: events, HasNext: p.More, Cursor: p.Cursor}, err
}

func open(t testing.TB, c cursorlog.Client, organization string) source.Source {
	t.Helper()
	s := cursorlog.Defaults
	s.RequestsPerMinute, s.PollInterval = 0, setting.Duration(100*time.Millisecond)
	src, err := cursorlog.New(cursorlog.Options{
		Settings: s, Name: "memory", Host: "localhost", Organization: organization, Client: c, Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// harness reads a log in memory through a client.
func harness(c *client) sourcetest.Harness {
	opens := func(organization string) func(t testing.TB) source.Source {
		return func(t testing.TB) source.Source { return open(t, c, organization) }
	}
	return sourcetest.Harness{Log: c.log, Open: opens("acme"), Other: opens("other")}
}

func TestGoodSourcePasses(t *testing.T) {
	sourcetest.Run(t, func(testing.TB) sourcetest.Harness { return harness(newClient(&sourcetest.Memory{})) })
}

// TestGoodSourcesOfOtherLogsPass runs in synctest bubbles, where patience passes at once.
func TestGoodSourcesOfOtherLogsPass(t *testing.T) {
	for name, setup := range map[string]func(*client, *sourcetest.Harness){
		"oldest first": func(c *client, h *sourcetest.Harness) {
			c.log.Reverse()
			h.Patience = 3 * time.Minute
		},
		"times in whole seconds": func(c *client, h *sourcetest.Harness) {
			c.decode, h.Precision, h.Log = truncate, time.Second, exact{c.log}
		},
		"no other order": func(c *client, h *sourcetest.Harness) { h.Log = struct{ sourcetest.Log }{c.log} },
	} {
		for _, rule := range sourcetest.RuleNames() {
			t.Run(name+"/"+rule, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := newClient(&sourcetest.Memory{})
					h := harness(c)
					setup(c, &h)
					sourcetest.RunRule(rule, t, h)
				})
			})
		}
	}
}

// exact is a log whose times are whole seconds.
type exact struct{ *sourcetest.Memory }

func (x exact) Append(events ...sourcetest.Event) {
	for _, e := range events {
		if !e.Time.Equal(e.Time.Truncate(time.Second)) {
			panic(fmt.Sprintf("the time of event %s, %s, is no whole second", e.ID, e.Time))
		}
	}
	x.Memory.Append(events...)
}

func truncate(e *source.Event) { e.Time = e.Time.Truncate(time.Second) }
