package app

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink/stdout"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
	"github.com/sluice-siem/sluice/pkg/transform/raw"
)

// broken has a position that is not usable.
type broken struct{ pipeline.Positions }

func (broken) Load(context.Context, string) (source.Position, error) {
	return nil, source.ErrUnusable
}

// If one lane cannot continue, the demonstration ends.
func TestALaneThatCannotGoOnEndsTheShow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		settings := planetscale.Defaults
		settings.Organization = "acme"
		settings.AccessToken = setting.NewSecret("token")
		src, err := planetscale.New(settings, planetscale.Options{Transport: simulator.New(simulator.Config{Events: 3}).Transport()})
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		ctx, done := context.WithTimeout(t.Context(), time.Hour)
		defer done()
		show := &show{done: done}
		var lanes []*pipeline.Lane
		for _, name := range []string{"acme/tail", "other/tail"} {
			lane, err := screenLane(config.Lane{Name: name, Sink: config.Sink{Format: raw.Format}}, src, show.on(stdout.To(io.Discard)), zerolog.Nop())
			if err != nil {
				t.Fatal(err)
			}
			lanes = append(lanes, lane)
		}
		lanes[1].Positions = broken{lanes[1].Positions}
		began := time.Now()
		if err := show.set(lanes...).Run(ctx); !errors.Is(err, source.ErrUnusable) {
			t.Errorf("got error %v, want %v", err, source.ErrUnusable)
		}
		if took := time.Since(began); took >= pipeline.LaneRest {
			t.Errorf("the demonstration lasted for %s after a lane could not continue", took)
		}
	})
}
