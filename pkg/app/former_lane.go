package app

import (
	"context"
	"errors"
	"fmt"
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

// logFormerInKafka logs the former lanes whose positions are in Kafka. openFiles logs
// those of the state directory.
func logFormerInKafka(ctx context.Context, cfg *config.Config, log zerolog.Logger) {
	positions, err := openPositionsAndOwners(ctx, cfg)
	if err == nil {
		positions.saved = nil
		var former []checkpoint.Checkpoint
		former, err = positions.former(ctx, cfg)
		err = errors.Join(err, positions.close())
		logFormer(former, cfg, log)
	}
	if err != nil && ctx.Err() == nil {
		log.Warn().Err(err).Str("hint", failure.Hint(err)).Msg("could not list the positions of lanes that are not in the configuration")
	}
}

func logFormer(former []checkpoint.Checkpoint, cfg *config.Config, log zerolog.Logger) {
	for _, f := range former {
		log.Warn().Str("lane", f.Lane).Str("saved_in", f.Path).Str("hint", renameHint(cfg, f.Lane, "position")).
			Msg("found the position of a lane that is not in the configuration")
	}
}

func logFormerLetters(cfg *config.Config, log zerolog.Logger) {
	former, err := formerLetters(cfg)
	if err != nil {
		log.Warn().Err(err).Str("hint", failure.Hint(err)).Msg("could not list the dead letters of lanes that are not in the configuration")
	}
	for _, f := range former {
		log.Warn().Str("lane", f.Name).Int("letters", f.Letters).Int("unreadable", f.Unreadable).Str("saved_in", cfg.DeadLetters.Dir).
			Str("hint", renameHint(cfg, f.Name, "dead letters")).Msg("found dead letters of a lane that is not in the configuration")
	}
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
