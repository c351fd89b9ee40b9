package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	all := slices.Clone(r.saved)
	if r.topic != nil {
		inTopic, err := r.topic.Lanes(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, inTopic...)
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
	return formerIn(cfg, all), failed
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

// formerInKafka finds the former lanes whose positions are in Kafka.
func formerInKafka(ctx context.Context, cfg *config.Config) (list []finding) {
	positions, err := openPositionsAndOwners(ctx, cfg)
	if err == nil {
		positions.saved = nil
		var former []checkpoint.Checkpoint
		former, err = positions.former(ctx, cfg)
		err = errors.Join(err, positions.close())
		list = formerFindings(former, cfg)
	}
	return append(list, notListed("positions", err)...)
}

// formerInFiles finds the former lanes whose positions are in the state directory.
func formerInFiles(cfg *config.Config) []finding {
	saved, err := checkpoint.List(cfg.State.Dir)
	if errors.Is(err, fs.ErrNotExist) { // It is created by the first run.
		err = nil
	}
	return append(formerFindings(formerIn(cfg, saved), cfg), notListed("positions", err)...)
}

func formerFindings(former []checkpoint.Checkpoint, cfg *config.Config) (list []finding) {
	for _, f := range former {
		list = append(list, finding{
			about: "lane " + f.Lane, mark: warning,
			text: "not in the configuration, but its position is in " + f.Path, hint: renameHint(cfg, f.Lane, "position"),
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
			hint: renameHint(cfg, l.Name, "dead letters"),
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

// renameHint says how to move what a former lane left. It names the new lane if only one
// shares the source or the sink.
func renameHint(cfg *config.Config, former, left string) string {
	source, snk, _ := strings.Cut(former, "/")
	var alike []string
	for _, l := range cfg.Lanes() {
		if l.Source.Name == source || l.Sink.Name == snk {
			alike = append(alike, l.Name)
		}
	}
	to := "NEW"
	if len(alike) == 1 {
		to = alike[0]
	}
	return fmt.Sprintf("if the lane was renamed, stop sluice and move its %s: sluice checkpoint rename -c %s %s %s", left, quoted(cfg.Path), former, to)
}
