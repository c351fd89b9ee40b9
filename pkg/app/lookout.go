package app

import (
	"context"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/lookout"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
)

// lookout returns the watch over the lanes of the process, which says in the own log what
// a person should know.
func (b *builder) lookout(lanes func() []pipeline.Status) *lookout.Lookout {
	return lookout.New(lookout.Settings{
		Log: b.own, Lanes: lanes, Sources: b.usage, Expiries: b.expiries, Heartbeat: b.cfg.Heartbeat, Logger: b.log,
	})
}

// thisProcess is the subject of what is about the process as a whole.
var thisProcess = ownlog.Party{Type: "process", Name: "sluice"}

func started(cfg *config.Config, lanes int) ownlog.Event {
	e := ownlog.New(ownlog.Started, thisProcess, fmt.Sprintf("Sluice %s started with %d lanes.", buildVersion(), lanes))
	e.Details = map[string]any{"version": buildVersion(), "lanes": lanes, "configuration": absolute(cfg.Path), "heartbeat_seconds": int64(cfg.Heartbeat.Seconds())}
	return e
}

// sayStarted writes that the process starts, before its lanes start: with --once they may
// end sooner. While the own log takes nothing, such as without Kafka, the lanes do not wait
// long, and the lookout goes on trying.
func sayStarted(ctx context.Context, look *lookout.Lookout, e ownlog.Event) {
	ctx, cancel := context.WithTimeout(ctx, ownLogWait)
	defer cancel()
	look.Say(e)
	_ = look.Flush(ctx) // The lookout tries again, and logs why it fails.
}

// Reasons why the process stops.
const (
	bySignal  = "signal"
	byFailure = "failure"
	allDone   = "once" // with --once all lanes have caught up
)

// reasonOf is why the process stops, when its lanes have ended with err.
func reasonOf(ctx context.Context, err error) string {
	switch {
	case err != nil:
		return byFailure
	case ctx.Err() != nil:
		return bySignal
	}
	return allDone
}

// ownLogWait bounds how long the process waits for its own log when it starts or stops.
const ownLogWait = 3 * time.Second

// sayStopped says that the process stops, once its lanes have ended. So the event is
// delivered when a process runs them next.
func sayStopped(look *lookout.Lookout, reason string, log zerolog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), ownLogWait)
	defer cancel()
	e := ownlog.New(ownlog.Stopped, thisProcess, "Sluice stopped: "+map[string]string{
		bySignal: "it was told to.", byFailure: "it failed.", allDone: "all lanes have caught up.",
	}[reason])
	e.Details = map[string]any{"reason": reason}
	look.Say(e)
	if err := look.Flush(ctx); err != nil {
		log.Warn().Err(err).Msg("the own log does not have that sluice stopped")
	}
}
