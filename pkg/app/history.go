package app

import (
	"context"
	"errors"
	"slices"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/deadletter"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// Traces reports whether a lane without a checkpoint ran here before. Its dead letters
// are proof, since a lane saves a checkpoint before it reads. Checkpoints of other lanes
// only show that the directory is in use.
func (f *files) Traces(_ context.Context, lane string) (sink.Traces, error) {
	return filedTraces(f.cfg, f.before, lane)
}

func filedTraces(cfg *config.Config, before []string, lane string) (sink.Traces, error) {
	buried, err := lettersInFiles(cfg, func(name string) bool { return name == lane })
	if err != nil {
		return sink.Traces{}, err
	}
	if slices.ContainsFunc(buried, func(l deadletter.Lane) bool { return l.Letters > 0 || l.Redriving }) {
		return sink.Traces{Proof: true, Found: "dead letters of the lane are in " + cfg.DeadLetters.Dir}, nil
	}
	others := slices.DeleteFunc(slices.Clone(before), func(name string) bool { return name == lane })
	return sink.TracesOfOthers("state directory "+cfg.State.Dir, others), nil
}

// wasLost returns an error if a lane without a position delivered before.
func (r *positionReader) wasLost(ctx context.Context, cfg *config.Config, l config.Lane) (err error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	found, err := tracesInSink(ctx, l)
	if err == nil && !found.Proof {
		if r.shared != nil {
			found, err = r.shared.Traces(ctx, l.Name)
		} else {
			found, err = filedTraces(cfg, nil, l.Name)
		}
	}
	if err == nil && found.Proof {
		err = &pipeline.Lost{Lane: l.Name, Config: quoted(cfg.Path), Traces: found}
	}
	return err
}

func tracesInSink(ctx context.Context, l config.Lane) (found sink.Traces, err error) {
	opened, err := l.Sink.Type.Open(ctx, sinkEnv(l, zerolog.Nop()), l.Sink.Settings)
	if err != nil {
		return found, err
	}
	if history, ok := opened.(sink.History); ok {
		found, err = history.Traces(ctx)
	}
	return found, errors.Join(err, opened.Close())
}
