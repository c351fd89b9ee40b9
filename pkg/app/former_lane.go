package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/checkpoint"
	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/deadletter"
	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// A former lane has a position or dead letters and is not in the configuration. Perhaps
// its source or its sink was renamed. Then the lane with the new name would begin anew,
// and no redrive would find the dead letters.

// formerIn removes the lanes that are in the configuration.
func formerIn(cfg *config.Config, all []checkpoint.Checkpoint) []checkpoint.Checkpoint {
	seen := configured(cfg)
	return slices.DeleteFunc(slices.Clone(all), func(c checkpoint.Checkpoint) bool {
		known := seen[c.Lane]
		seen[c.Lane] = true
		return known
	})
}

// configured holds the names of the lanes in the configuration.
func configured(cfg *config.Config) map[string]bool {
	names := make(map[string]bool)
	for _, l := range cfg.Lanes() {
		names[l.Name] = true
	}
	return names
}

// formerLetters lists the former lanes with dead letters in files.
func formerLetters(cfg *config.Config) ([]deadletter.Lane, error) {
	current := configured(cfg)
	former, err := lettersInFiles(cfg, func(name string) bool { return !current[name] })
	return slices.DeleteFunc(former, func(l deadletter.Lane) bool { return l.Letters+l.Unreadable == 0 }), err
}

// former lists the former lanes of the state and of all sinks.
func (r *positionReader) former(ctx context.Context, cfg *config.Config) ([]checkpoint.Checkpoint, error) {
	all, err := r.all(ctx, cfg)
	return formerIn(cfg, all), err
}

// all lists the lanes with a position in the state or in a sink.
func (r *positionReader) all(ctx context.Context, cfg *config.Config) ([]checkpoint.Checkpoint, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	all := slices.Clone(r.saved)
	if r.shared != nil {
		found, err := r.shared.Lanes(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	asked := make(map[string]bool)
	var failed error
	for _, l := range cfg.Lanes() {
		if asked[l.Sink.Name] {
			continue
		}
		asked[l.Sink.Name] = true
		inSink, err := lanesInSink(ctx, l)
		failed = errors.Join(failed, err) // Continue with the other sinks.
		all = append(all, inSink...)
	}
	return all, failed
}

// lanesInSink lists the lanes whose positions the lane's sink holds. A sink that
// cannot be opened is no error here: its lane reports it.
func lanesInSink(ctx context.Context, l config.Lane) (found []checkpoint.Checkpoint, err error) {
	ledger, err := openLedger(ctx, l, zerolog.Nop())
	if ledger == nil || err != nil {
		return nil, nil
	}
	defer func() { err = errors.Join(err, ledger.Close()) }()
	renamer, ok := ledger.(sink.Renamer)
	if !ok {
		return nil, nil
	}
	lanes, err := renamer.Lanes(ctx)
	for _, name := range lanes {
		found = append(found, checkpoint.Checkpoint{Lane: name, Path: "sink " + l.Sink.Name})
	}
	return found, err
}

// formerElsewhere finds the former lanes whose positions are not in files.
func formerElsewhere(ctx context.Context, cfg *config.Config) (list []finding) {
	positions, err := openPositionsAndOwners(ctx, cfg)
	if err == nil {
		positions.saved = nil
		var all []checkpoint.Checkpoint
		all, err = positions.all(ctx, cfg)
		err = errors.Join(err, positions.close())
		list = formerFindings(all, cfg)
	}
	return append(list, notListed("positions", err)...)
}

// formerInFiles finds the former lanes whose positions are in the state directory.
func formerInFiles(cfg *config.Config) []finding {
	saved, err := checkpoint.List(cfg.State.Dir)
	if errors.Is(err, fs.ErrNotExist) { // It is created by the first run.
		err = nil
	}
	return append(formerFindings(saved, cfg), notListed("positions", err)...)
}

// formerFindings finds the former lanes among those that have a position.
func formerFindings(all []checkpoint.Checkpoint, cfg *config.Config) (list []finding) {
	resumes := map[string]bool{}
	for _, c := range all {
		resumes[c.Lane] = true
	}
	for _, f := range formerIn(cfg, all) {
		gone := "ignore this: its position there does no harm"
		if filepath.Dir(f.Path) == filepath.Clean(cfg.State.Dir) {
			gone = "delete " + quoted(f.Path)
		}
		list = append(list, finding{
			about: "lane " + f.Lane, mark: warning,
			text: "not in the configuration, but its position is in " + f.Path,
			hint: formerHint(cfg, f.Lane, "position", gone, func(lane string) bool { return !resumes[lane] }),
		})
	}
	return list
}

// lettersOfFormer finds dead letters of former lanes in files.
func lettersOfFormer(cfg *config.Config) (list []finding) {
	former, err := formerLetters(cfg)
	for _, l := range former {
		list = append(list, finding{
			about: "lane " + l.Name, mark: warning,
			text: fmt.Sprintf("not in the configuration, but %s holds %d dead letters of it, and %d lines that cannot be read", cfg.DeadLetters.Dir, l.Letters, l.Unreadable),
			hint: letterHint(cfg, l),
		})
	}
	return append(list, notListed("dead letters", err)...)
}

// notListed finds that some former lanes may be unknown.
func notListed(what string, err error) []finding {
	if err == nil {
		return nil
	}
	return []finding{{
		about: "lanes that are not in the configuration", mark: warning,
		text: "their " + what + " could not be listed: " + err.Error(), hint: failure.Hint(err),
	}}
}

// letterHint says what to do with the dead letters of a former lane. They can also join
// those of a lane that has a position.
func letterHint(cfg *config.Config, l deadletter.Lane) string {
	gone := "and nobody needs them, delete " + quoted(deadletter.Path(cfg.DeadLetters.Dir, l.Name))
	return formerHint(cfg, l.Name, "dead letters", gone, func(string) bool { return true })
}

// formerHint says what to do with what a former lane left: if the lane was renamed, how to
// move it; if the lane is gone, what else.
func formerHint(cfg *config.Config, former, left, gone string, free func(lane string) bool) string {
	hint := "if the lane was removed for good, " + gone
	if to := newName(cfg, former, free); to != "" {
		hint = fmt.Sprintf("if the lane was renamed, stop sluice and move its %s: sluice checkpoint rename -c %s %s %s; %s", left, quoted(cfg.Path), quoted(former), to, hint)
	}
	return hint
}

// newName returns the lane that a former lane may have become: the only free one that
// shares its source, if its sink is gone, or its sink, if its source is gone. It returns
// NEW if there are several, or if both are gone, and an empty text if both are there: then
// the sink follows that source no more, and nothing was renamed.
func newName(cfg *config.Config, former string, free func(lane string) bool) string {
	from, to, _ := strings.Cut(former, "/")
	hasSource := from == cfg.Own.Name || slices.ContainsFunc(cfg.Sources, func(s config.Source) bool { return s.Name == from })
	hasSink := slices.ContainsFunc(cfg.Sinks, func(s config.Sink) bool { return s.Name == to })
	if hasSource && hasSink {
		return ""
	}
	var alike []string
	for _, l := range cfg.Lanes() {
		if (l.Source.Name == from || l.Sink.Name == to) && (from == cfg.Own.Name) == cfg.IsOwn(l) && free(l.Name) {
			alike = append(alike, l.Name)
		}
	}
	if len(alike) == 1 {
		return alike[0]
	}
	return "NEW"
}
