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
	"github.com/sluice-siem/sluice/pkg/sink"
)

// A former lane is one that keeps a position and is not in the configuration. Its
// source or its sink may have been renamed: the lane of the new name would then
// begin anew.

// formerIn leaves out the lanes that the configuration has.
func formerIn(cfg *config.Config, kept []checkpoint.Checkpoint) []checkpoint.Checkpoint {
	seen := make(map[string]bool)
	for _, l := range cfg.Lanes() {
		seen[l.Name] = true
	}
	return slices.DeleteFunc(slices.Clone(kept), func(k checkpoint.Checkpoint) bool {
		known := seen[k.Lane]
		seen[k.Lane] = true
		return known
	})
}

// former are the former lanes, wherever they keep their positions.
func (o *lookout) former(ctx context.Context, cfg *config.Config) ([]checkpoint.Checkpoint, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	all := slices.Clone(o.saved)
	if o.topic != nil {
		kept, err := o.topic.Lanes(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, kept...)
	}
	asked := make(map[string]bool)
	var failed error
	for _, l := range cfg.Lanes() {
		if asked[l.Sink.Name] {
			continue
		}
		asked[l.Sink.Name] = true
		kept, err := keptBySink(ctx, l)
		failed = errors.Join(failed, err) // Other sinks can be asked all the same.
		all = append(all, kept...)
	}
	return formerIn(cfg, all), failed
}

// keptBySink are the lanes that keep a position where the lane's sink does. Who asks
// learns from the lane itself why its sink cannot be opened.
func keptBySink(ctx context.Context, l config.Lane) (kept []checkpoint.Checkpoint, err error) {
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
		kept = append(kept, checkpoint.Checkpoint{Lane: name, Path: "sink " + l.Sink.Name})
	}
	return kept, err
}

// tellFormer logs the former lanes that can be listed by asking Kafka alone.
func tellFormer(ctx context.Context, cfg *config.Config, log zerolog.Logger) {
	kept, err := lookUp(ctx, cfg)
	if err == nil {
		kept.saved = nil // Those were told when the directory was opened.
		var former []checkpoint.Checkpoint
		former, err = kept.former(ctx, cfg)
		err = errors.Join(err, kept.close())
		logFormer(former, cfg, log)
	}
	if err != nil && ctx.Err() == nil {
		log.Warn().Err(err).Str("hint", hintOf(err)).Msg("positions of lanes that the configuration does not have could not be listed")
	}
}

func logFormer(former []checkpoint.Checkpoint, cfg *config.Config, log zerolog.Logger) {
	for _, f := range former {
		log.Warn().Str("lane", f.Lane).Str("kept_in", f.Path).Str("hint", renameHint(cfg, f.Lane)).
			Msg("a position is kept of a lane that the configuration does not have")
	}
}

// renameHint names the new lane if only one shares the source or the sink.
func renameHint(cfg *config.Config, former string) string {
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
	return fmt.Sprintf("if the lane was renamed, stop sluice and move its position: sluice checkpoint rename -c %s %s %s", quoted(cfg.Path), former, to)
}

// quoted is a word for a shell.
func quoted(word string) string {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("/._-+,:=@", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
