package app

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/checkpoint"
	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// A position is in the lane's sink, if that is a Ledger, and otherwise in the state.

// openLedger opens the lane's sink. It returns nil if the sink is no Ledger.
func openLedger(ctx context.Context, l config.Lane, log zerolog.Logger) (sink.Ledger, error) {
	opened, err := openSink(ctx, l, sinkEnv(l, log))
	if err != nil {
		return nil, err
	}
	if ledger, ok := opened.(sink.Ledger); ok {
		return ledger, nil
	}
	return nil, opened.Close()
}

// positionReader reads positions. It takes no lane, so sluice may be running.
type positionReader struct {
	dir    string                  // the state directory
	saved  []checkpoint.Checkpoint // in the state directory
	state  sharedState             // nil: the state is a directory
	shared sharedPositions         // of state
	owners map[string]string       // by share
}

// lookTimeout bounds the requests for one lane.
const lookTimeout = 30 * time.Second

func openPositions(cfg *config.Config) (*positionReader, error) {
	if shared := sharedOf(cfg); shared != nil {
		return &positionReader{state: shared, shared: shared.positions(confirmNothing, zerolog.Nop())}, nil
	}
	saved, err := checkpoint.List(cfg.State.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // It is created by the first run.
		return nil, err
	}
	return &positionReader{dir: cfg.State.Dir, saved: saved}, nil
}

// openPositionsAndOwners also asks which replica runs each lane.
func openPositionsAndOwners(ctx context.Context, cfg *config.Config) (*positionReader, error) {
	r, err := openPositions(cfg)
	if err != nil || r.state == nil {
		return r, err
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	r.owners, err = r.state.owners(ctx)
	if err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

func (r *positionReader) close() error {
	if r.shared != nil {
		r.shared.Close()
	}
	return nil
}

// look returns the position of a lane and where it is saved.
func (r *positionReader) look(ctx context.Context, l config.Lane) checkpoint.Checkpoint {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	found, inSink := lookInSink(ctx, l)
	if inSink {
		return found
	}
	if r.shared != nil {
		found.Path = r.state.where()
		found.Position, found.Saved, found.Err = r.shared.Look(ctx, l.Name)
		return found
	}
	if i := slices.IndexFunc(r.saved, func(s checkpoint.Checkpoint) bool { return s.Lane == l.Name }); i >= 0 {
		return r.saved[i]
	}
	return checkpoint.Checkpoint{Lane: l.Name}
}

// lookInSink returns the position that the lane's sink holds. inSink is false if it holds
// none.
func lookInSink(ctx context.Context, l config.Lane) (found checkpoint.Checkpoint, inSink bool) {
	found = checkpoint.Checkpoint{Lane: l.Name, Path: "sink " + l.Sink.Name}
	ledger, err := openLedger(ctx, l, zerolog.Nop())
	if ledger != nil {
		found.Position, found.Saved, err = ledger.Look(ctx)
		err = errors.Join(err, ledger.Close())
	}
	found.Err = err
	return found, found.Position != nil || err != nil
}

// place names where a position is kept; all files of the state directory are one place.
func (r *positionReader) place(found checkpoint.Checkpoint) string {
	if r.shared == nil && filepath.Dir(found.Path) == filepath.Clean(r.dir) {
		return r.dir
	}
	return found.Path
}

// owner names the replica that runs a lane.
func (r *positionReader) owner(l config.Lane) string {
	if r.state == nil {
		return "-"
	}
	return cmp.Or(r.owners[r.state.shareOf(sourceOf(l.Name))], "-")
}

// positionWriter replaces positions in the sink or the state. The log of a lane with evidence
// goes on: its state is that of the position that is replaced, while no other process can
// replace it.
type positionWriter struct {
	cfg    *config.Config
	log    zerolog.Logger
	dir    *checkpoint.Dir // nil until a position is set there, since it is then locked
	shared sharedPositions // nil until a position is set there
}

// set replaces a position by pos. known is the one that was found, nil if there is none that
// can be used. moved says who sets it, and to what.
func (w *positionWriter) set(ctx context.Context, l config.Lane, known, pos source.Position, moved string) error {
	opened, err := openSink(ctx, l, sinkEnv(l, w.log))
	if err != nil {
		return err
	}
	choose := func(former []byte) ([]byte, error) {
		if former == nil {
			former = known // It is where the next start would find it.
		}
		return withLogOf(former, pos, moved)
	}
	return errors.Join(w.setIn(ctx, opened, l, choose), opened.Close())
}

func (w *positionWriter) setIn(ctx context.Context, opened sink.Sink, l config.Lane, choose func([]byte) ([]byte, error)) error {
	switch holder := opened.(type) {
	case sink.Ledger:
		return holder.Set(ctx, choose)
	case sink.Releaser:
		// The sink may hold a position from earlier, which the next start would carry over.
		held := false
		err := holder.Release(ctx, func(former []byte) error {
			held = true
			return w.setInState(ctx, l, func([]byte) ([]byte, error) { return choose(former) })
		})
		if held || err != nil {
			return err
		}
	}
	return w.setInState(ctx, l, choose)
}

func (w *positionWriter) setInState(ctx context.Context, l config.Lane, choose func([]byte) ([]byte, error)) (err error) {
	if shared := sharedOf(w.cfg); shared != nil {
		if w.shared == nil {
			w.shared = shared.positions(confirmNothing, w.log)
		}
		return w.shared.Set(ctx, l.Name, choose)
	}
	if w.dir == nil {
		if w.dir, err = checkpoint.Open(w.cfg.State.Dir); err != nil {
			return err
		}
	}
	former, err := w.dir.Load(ctx, l.Name)
	if err != nil && !errors.Is(err, source.ErrUnusable) {
		return err
	}
	pos, err := choose(former)
	if err != nil {
		return err
	}
	return w.dir.Save(ctx, l.Name, pos)
}

func (w *positionWriter) close() error {
	if w.shared != nil {
		w.shared.Close()
	}
	if w.dir != nil {
		return w.dir.Close()
	}
	return nil
}
