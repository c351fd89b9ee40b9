package app

import (
	"context"
	"slices"
	"sync/atomic"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/setting"
)

// fleet is the lanes of the configuration that is in force. Another configuration can take
// its place while they run.
type fleet struct {
	*builder
	set   *pipeline.Set
	shown atomic.Pointer[showing]
}

func newFleet(b *builder) *fleet {
	f := &fleet{builder: b}
	f.set = b.lanes()
	f.enforce(b.cfg)
	return f
}

func (f *fleet) enforce(cfg *config.Config) {
	f.now.Store(cfg)
	f.shown.Store(newShowing(cfg.Lanes(), &f.stock))
}

// run runs the lanes of this instance until ctx ends.
func (f *fleet) run(ctx context.Context) error { return f.state.run(ctx, f.set) }

// apply puts the next configuration in force. d is what it changes in the present one.
// Lanes that d does not name notice nothing.
//
// The order is what matters. First all lanes end that are gone or changed, each with its
// Publish done and its position saved: a lane resumes from there. Then their sources are
// closed, since a source serves its lanes by one configuration. Only then lanes start: a
// new lane may write to where a former one wrote, or share its credential.
//
// ctx is that of run, or ends when it does. Once it has ended, all lanes have when apply
// returns.
func (f *fleet) apply(ctx context.Context, next *config.Config, d config.Difference) {
	ending := slices.Concat(d.Ended, d.Restarted)
	if err := f.set.Retire(ending...); err != nil {
		f.log.Warn().Err(err).Msg("a lane that the new configuration changes did not end well; its position is where it was saved last")
	}
	f.release(d.Sources)
	for _, name := range d.Ended {
		f.set.Remove(name)
	}
	f.resize(ending, len(d.Started)-len(d.Ended))
	continueRotations(f.now.Load(), next)
	f.enforce(next)
	f.begin(next, slices.Concat(d.Restarted, d.Started))
	if ctx.Err() != nil {
		_ = f.set.Wait() // What started meanwhile ends at once. The error is that of run.
	}
}

// begin starts lanes of a configuration.
func (f *fleet) begin(cfg *config.Config, names []string) {
	begins := make(map[string]bool, len(names))
	for _, name := range names {
		begins[name] = true
	}
	for _, l := range cfg.Lanes() {
		if begins[l.Name] {
			f.set.Put(f.member(l))
			f.state.start(f.set, l.Name)
		}
	}
}

// continueRotations hands the next configuration what the present one knows of changed
// credentials: lanes that run on send a former one that is in no file any more, and so must
// those that start again.
func continueRotations(present, next *config.Config) {
	known := rotationsOf(present)
	for of, r := range rotationsOf(next) {
		if former := known[of]; former != nil {
			r.Continue(former)
		}
	}
}

// holding is whose credential it is, and where it is sent.
type holding struct{ kind, name, typ, to string }

func rotationsOf(cfg *config.Config) map[holding]*setting.Rotation {
	all := map[holding]*setting.Rotation{}
	add := func(kind, name, typ string, settings any) {
		if r, ok := settings.(setting.Rotating); ok {
			all[holding{kind, name, typ, r.SentTo()}] = r.Rotation()
		}
	}
	for _, s := range cfg.Sources {
		add("source", s.Name, s.Type.Name, s.Settings)
	}
	for _, s := range cfg.Sinks {
		add("sink", s.Name, s.Type.Name, s.Settings)
	}
	return all
}
