package app

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/sluice-siem/sluice/pkg/admin"
	"github.com/sluice-siem/sluice/pkg/admin/console"
	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/transform/prepare"
)

// maxActivity is the most that the console may remember of events.
const maxActivity = 8 << 20

// activityOf returns how many bytes the console may remember of events, of the memory that
// all lanes may hold.
func activityOf(memory int64) int64 { return min(memory/16, maxActivity) }

// showing is what the console shows of the lanes of a configuration.
type showing struct {
	target func(sink string) string
	render func(context.Context, console.Kept) []console.Rendering
}

func newShowing(lanes []config.Lane, stock *prepare.Stock) *showing {
	return &showing{target: targets(lanes), render: newRenderer(lanes, stock).render}
}

// consoleOf returns the console of an admin server. now returns what it shows at a time.
func consoleOf(deps admin.Deps, now func() *showing, private bool, h *console.History, a *console.Activity) http.Handler {
	d := console.Deps{
		Lanes: deps.Lanes, Sources: deps.Sources, Memory: deps.Memory, Group: deps.Group,
		Target:  func(sink string) string { return now().target(sink) },
		Render:  func(ctx context.Context, e console.Kept) []console.Rendering { return now().render(ctx, e) },
		Private: private, Version: deps.Version,
	}
	if deps.Configuration != nil {
		d.Refused = func() ([]string, time.Time) {
			c := deps.Configuration()
			return c.Refused, c.RefusedAt
		}
	}
	if deps.DeadLetters != nil {
		d.DeadLetters = deps.DeadLetters.Count
	}
	return console.Handler(d, h, a)
}

// targets returns a function that tells where a sink delivers to.
func targets(lanes []config.Lane) func(sink string) string {
	known := map[string]string{}
	for _, l := range lanes {
		if d, ok := l.Sink.Settings.(setting.Destination); ok {
			known[l.Sink.Name] = d.Destination()
		}
	}
	return func(sink string) string { return known[sink] }
}

// private reports whether only people who may see personal data reach the console: those
// who have its token or, without one, those on this machine. What counts is the address
// that the listener has, since a name may mean any.
func private(a config.Admin, listener net.Listener) bool {
	if a.Token.IsSet() {
		return true
	}
	addr, ok := listener.Addr().(*net.TCPAddr)
	return ok && addr.IP.IsLoopback()
}

// scheme is how the admin server is spoken to.
func scheme(a config.Admin) string {
	if a.TLS == nil {
		return "http"
	}
	return "https"
}

// adminTransport asks the admin server of a configuration on this machine, without a proxy.
func adminTransport(a config.Admin) *http.Transport {
	t := &http.Transport{DisableKeepAlives: true}
	if a.TLS != nil {
		t.TLSClientConfig = a.TLS.Client()
	}
	return t
}

// renderer makes the records that sinks get of an event, as map does.
type renderer struct {
	lanes map[string][]*rendering // by source
}

// rendering is a lane whose records are made. What makes them is kept once it was needed.
type rendering struct {
	lane  config.Lane
	stock *prepare.Stock

	mu     sync.Mutex // a preparation is for one goroutine
	mapper *mapper
}

func newRenderer(lanes []config.Lane, stock *prepare.Stock) *renderer {
	r := &renderer{lanes: map[string][]*rendering{}}
	for _, l := range lanes {
		r.lanes[l.Source.Name] = append(r.lanes[l.Source.Name], &rendering{lane: l, stock: stock})
	}
	return r
}

// mostRenderings is how many sinks of an event are shown.
const mostRenderings = 32

// render returns what each sink gets of an event, in the order of the configuration. What
// fails for one of them is in its rendering.
func (r *renderer) render(ctx context.Context, e console.Kept) []console.Rendering {
	var list []console.Rendering
	for _, l := range r.lanes[e.Source] {
		if ctx.Err() != nil || len(list) == mostRenderings {
			break
		}
		list = append(list, l.render(e))
	}
	return list
}

func (r *rendering) render(e console.Kept) console.Rendering {
	s := r.lane.Sink
	out := console.Rendering{Sink: s.Name, Format: s.Format.Name}
	switch {
	case e.Cut:
		out.Withheld = "not shown: the event is longer than the console keeps"
		return out
	case e.Event.Reject:
		out.Withheld = "a dead letter: " + e.Event.Problem
		return out
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mapper == nil {
		m, err := newMapper(r.lane, r.stock)
		if err != nil {
			out.Withheld = "not shown: " + err.Error()
			return out
		}
		r.mapper = m
	}
	m, err := r.mapper.record(&e.Event)
	switch {
	case err != nil:
		out.Withheld = "a dead letter: " + err.Error()
		return out
	case m.filtered:
		out.Withheld = "the sink does not get this event, by its where"
		return out
	}
	if m.unprepared != nil {
		out.Note = "where or enrich failed, so the sink gets the event without it: " + m.unprepared.Error()
	}
	out.Body = string(m.Body)
	if s.Format.Explain != nil {
		if out.Fields, err = r.mapper.explain(&m.Record); err != nil {
			out.Note = err.Error()
		}
	}
	return out
}
