package app

import (
	"io"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/config"
)

// newLogger writes to stderr.
func newLogger(stderr io.Writer, c config.Log) zerolog.Logger {
	return logger(logLines(stderr, c), c)
}

// newDaemonLogger writes to stderr and never waits for its reader. close must be called
// after the last line.
func newDaemonLogger(stderr io.Writer, c config.Log) (log zerolog.Logger, close func()) {
	b := newBacklog(logLines(stderr, c))
	return logger(b, c), b.close
}

func logger(w io.Writer, c config.Log) zerolog.Logger {
	return zerolog.New(w).Level(c.Level).With().Timestamp().Logger()
}

// logLines writes lines for people on a terminal, JSON otherwise.
func logLines(stderr io.Writer, c config.Log) io.Writer {
	if c.Format == "console" || c.Format == "auto" && isTerminal(stderr) {
		return zerolog.ConsoleWriter{Out: stderr, TimeFormat: time.DateTime, NoColor: !isTerminal(stderr)}
	}
	return stderr
}
