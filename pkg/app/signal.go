package app

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/rs/zerolog"
)

// survival keeps the daemon running when it loses its terminal or is told to reload
// (SIGHUP), or loses the reader of its log (SIGPIPE).
//
// A Go process ends by SIGPIPE when it writes to a broken pipe that is its
// standard output or error, unless it has asked for the signal; then the write
// fails with EPIPE, as it does on any other descriptor (os/signal, "SIGPIPE").
// The daemon continues without its log: /readyz and the metrics still report the state
// of the lanes.
type survival struct {
	hangUps, pipes chan os.Signal
}

// survive takes effect until stop.
func survive() survival {
	s := survival{hangUps: make(chan os.Signal, 1), pipes: make(chan os.Signal, 1)}
	signal.Notify(s.pipes, syscall.SIGPIPE)
	// nohup starts a process that ignores SIGHUP. Asking for it would undo that.
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(s.hangUps, syscall.SIGHUP)
	}
	return s
}

func (s survival) stop() {
	signal.Stop(s.hangUps)
	signal.Stop(s.pipes)
}

// answer logs that SIGHUP does nothing with --once, each time it arrives. It ends with ctx.
func (s survival) answer(ctx context.Context, log zerolog.Logger) error {
	for {
		select {
		case <-s.hangUps:
			log.Info().Msg("SIGHUP has no effect with --once")
		case <-ctx.Done():
			return nil
		}
	}
}
