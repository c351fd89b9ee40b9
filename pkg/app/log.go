package app

import (
	"io"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/config"
)

// newLogger writes to stderr: lines for people on a terminal, JSON otherwise.
func newLogger(w io.Writer, c config.Log) zerolog.Logger {
	if c.Format == "console" || c.Format == "auto" && isTerminal(w) {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: time.DateTime, NoColor: !isTerminal(w)}
	}
	return zerolog.New(w).Level(c.Level).With().Timestamp().Logger()
}
