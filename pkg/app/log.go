package app

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/internal/stdio"
)

// newLogger writes to stderr.
func newLogger(stderr io.Writer, c config.Log) zerolog.Logger {
	return logger(logLines(stderr, stderr, c), c)
}

// newDaemonLogger writes to stderr, or what stands for it, and never waits for its reader.
// close must be called after the last line.
func newDaemonLogger(to, stderr io.Writer, c config.Log) (log zerolog.Logger, close func()) {
	b := newBacklog(logLines(to, stderr, c))
	return logger(b, c), b.close
}

func logger(w io.Writer, c config.Log) zerolog.Logger {
	return zerolog.New(w).Level(c.Level).With().Timestamp().Logger()
}

// logLines writes lines for people if stderr is a terminal, JSON otherwise.
func logLines(to, stderr io.Writer, c config.Log) io.Writer {
	if c.Format != "console" && (c.Format != "auto" || !stdio.Terminal(stderr)) {
		return to
	}
	lines := zerolog.ConsoleWriter{Out: to, TimeFormat: time.DateTime, NoColor: !stdio.Color(stderr)}
	lines.FormatMessage = func(text any) string { return printable(fmt.Sprint(text)) }
	if stdio.Terminal(stderr) {
		lines.FieldsExclude = []string{zerolog.ErrorFieldName, "hint"}
		lines.FormatExtra = func(fields map[string]any, line *bytes.Buffer) error {
			arrange(fields, line, stdio.Columns(stderr))
			return nil
		}
	}
	return lines
}

// arrange wraps a line of the log for a terminal. What people read first, the error and
// the hint, get lines of their own.
func arrange(fields map[string]any, line *bytes.Buffer, width int) {
	const indent = 4
	text := wrap(line.String(), indent, width)
	for _, name := range []string{zerolog.ErrorFieldName, "hint"} {
		if value, has := fields[name]; has {
			begin := strings.Repeat(" ", indent) + name + ": "
			text += "\n" + begin + wrap(printable(fmt.Sprint(value)), len(begin), width)
		}
	}
	line.Reset()
	line.WriteString(text)
}
