package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/admin"
	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
)

const (
	// lookInterval is how often --watch looks at the files of the configuration. It reloads
	// when two looks in a row find the same, since a file that is being written is incomplete.
	lookInterval = 5 * time.Second

	// refusedInterval is how often --watch tries again what was refused. A secret or another
	// file that it lacked may be there, which is no part of the footprint.
	refusedInterval = time.Minute
)

// reloader puts what the files of the configuration say in force. A configuration that
// cannot be put in force as a whole is refused as a whole, and the present one stays.
type reloader struct {
	load  func() (*config.Config, *config.Footprint, error)
	fleet *fleet
	log   zerolog.Logger
	say   func(ownlog.Event) bool // in the own log; set before run

	trace   *config.Footprint // of the configuration that was read last
	seen    config.Print      // by the last look
	refused time.Time         // when the last attempt was refused; zero if it was not

	mu     sync.Mutex
	status admin.Configuration
}

func newReloader(load func() (*config.Config, *config.Footprint, error), trace *config.Footprint, f *fleet) *reloader {
	r := &reloader{load: load, fleet: f, log: f.log, trace: trace, seen: trace.Read()}
	r.say = func(ownlog.Event) bool { return true }
	r.status.Loaded = time.Now()
	return r
}

// configuration returns the state of the configuration for the admin server.
func (r *reloader) configuration() admin.Configuration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}

// run reloads at each signal and, with watch, when the files change, until ctx ends.
// Signals that arrive during a reload lead to one more.
func (r *reloader) run(ctx context.Context, signals <-chan os.Signal, watch bool) error {
	var looks <-chan time.Time
	if watch {
		ticker := time.NewTicker(lookInterval)
		defer ticker.Stop()
		looks = ticker.C
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-signals:
			r.reload(ctx, "SIGHUP")
		case <-looks:
			if r.due() {
				r.reload(ctx, "--watch")
			}
		}
	}
}

// due looks at the files. It reports whether they changed and stay as they are.
func (r *reloader) due() bool {
	now := r.trace.Now()
	stays := now == r.seen
	r.seen = now
	return stays && (now != r.trace.Read() || !r.refused.IsZero() && time.Since(r.refused) >= refusedInterval)
}

// plan is what a reload does.
type plan struct {
	next     *config.Config
	changes  config.Difference
	findings []finding // that the present configuration does not have
	refused  error     // why the reload changes nothing; nil if it does what the rest says
}

// plan reads the configuration, and finds out what a reload does. It opens nothing and
// changes nothing.
func (r *reloader) plan() (plan, *config.Footprint) {
	present := r.fleet.now.Load()
	next, trace, err := r.load()
	if err != nil {
		return plan{refused: err}, trace
	}
	p := plan{next: next, changes: config.Compare(present, next)}
	fixed := p.changes.Fixed
	if next.HasOwnLanes() && !r.fleet.own.kept() {
		fixed = append(fixed, "own_events") // No sink had them, so there is no log of them.
	}
	if len(fixed) > 0 {
		p.refused = restartNeeded(fixed)
		return p, trace
	}
	known := preflightOfLanes(present)
	for _, f := range preflightOfLanes(next) {
		if !slices.Contains(known, f) {
			p.findings = append(p.findings, f)
		}
	}
	p.refused = refusals(p.findings)
	return p, trace
}

// foresee says what a reload would do at this moment.
func (r *reloader) foresee() admin.Reload {
	p, _ := r.plan()
	answer := admin.Reload{File: absolute(r.fleet.cfg.Path)}
	if p.refused != nil {
		answer.Refused, answer.Hint = problems(p.refused), failure.Hint(p.refused)
		return answer
	}
	d := p.changes
	answer.Keys, answer.Started, answer.Restarted, answer.Stopped = d.Keys, d.Started, d.Restarted, d.Ended
	return answer
}

// reload puts the files of the configuration in force, or refuses that. why says who asked.
func (r *reloader) reload(ctx context.Context, why string) {
	p, trace := r.plan()
	r.trace, r.seen = trace, trace.Read()
	if p.refused != nil {
		r.refuse(p.refused, why)
		return
	}
	for _, f := range p.findings {
		f.log(r.log)
	}
	r.fleet.apply(ctx, p.next, p.changes)
	r.refused = time.Time{}
	r.tell(admin.Configuration{Loaded: time.Now()})
	line := r.log.Info().Str("by", why)
	if len(p.changes.Keys) == 0 {
		line.Msg("configuration reloaded: nothing changed")
		return
	}
	details := map[string]any{"by": why}
	for _, c := range []struct {
		name string
		list []string
	}{{"keys", p.changes.Keys}, {"started", p.changes.Started}, {"restarted", p.changes.Restarted}, {"stopped", p.changes.Ended}} {
		if few := fewOf(c.list); few != nil {
			line, details[c.name] = line.Any(c.name, few), few
		}
	}
	line.Msg("configuration reloaded")
	e := ownlog.New(ownlog.ConfigurationLoaded, ofConfiguration(p.next), fmt.Sprintf("The configuration was reloaded: %s changed; %s started, %d restarted, %d stopped.",
		several(len(p.changes.Keys), "key"), several(len(p.changes.Started), "lane"), len(p.changes.Restarted), len(p.changes.Ended)))
	e.Details = details
	r.say(e)
}

// ofConfiguration is the subject of an event about a configuration.
func ofConfiguration(cfg *config.Config) ownlog.Party {
	return ownlog.Party{Type: "configuration", Name: absolute(cfg.Path)}
}

// fewOf returns names, or their number if they are many; nil if there is none.
func fewOf(names []string) any {
	const few = 20
	switch {
	case len(names) > few:
		return len(names)
	case len(names) > 0:
		return names
	}
	return nil
}

// refuse tells that a reload changes nothing, once for each reason.
func (r *reloader) refuse(err error, why string) {
	r.refused = time.Now()
	status := r.configuration()
	before := status.Refused
	status.Refused, status.RefusedAt = problems(err), r.refused
	r.tell(status)
	if why == "--watch" && slices.Equal(before, status.Refused) {
		return
	}
	for _, text := range status.Refused {
		r.log.Error().Msg("configuration: " + text)
	}
	line := r.log.Error().Str("by", why).Int("problems", len(status.Refused))
	if hint := failure.Hint(err); hint != "" {
		line = line.Str("hint", hint)
	}
	line.Msg("the configuration was not reloaded; the former one stays in force")
	e := ownlog.New(ownlog.ConfigurationRefused, ofConfiguration(r.fleet.cfg),
		fmt.Sprintf("The configuration was refused, with %s. The former one stays in force.", several(len(status.Refused), "problem")))
	e.Details = map[string]any{"by": why, "problems": status.Refused[:min(len(status.Refused), mostProblems)]}
	r.say(e)
}

// mostProblems is how many problems an event of the own log names.
const mostProblems = 20

func (r *reloader) tell(c admin.Configuration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = c
}

// problems returns the reasons why a configuration is refused, each in a text of one line.
func problems(err error) []string {
	var all config.Errors
	if !errors.As(err, &all) {
		return strings.Split(err.Error(), "\n")
	}
	var list []string
	for _, p := range all {
		list = append(list, p.String())
	}
	return list
}

// restartNeeded means that a key changed that is about the process, not about lanes.
type restartNeeded []string

func (r restartNeeded) Error() string {
	return fmt.Sprintf("restart sluice to change %s", strings.Join(r, ", "))
}

// ErrorHint says what to do.
func (r restartNeeded) ErrorHint() string {
	if slices.Equal(r, restartNeeded{"own_events"}) {
		return "no sink had own events at the start: write own_events: false at the new sink, or restart sluice"
	}
	return "restart sluice, or undo the change: until then no other change applies either"
}
