// Package stdout is the sink that writes records to the standard output, one a
// line.
//
// Publish returns nil once the kernel, or another writer, has taken the bytes. It
// does not know whether a program reads them from the other end of a pipe. For a
// file use package file, which calls fsync; redirecting the standard output does
// not.
//
// Two outputs would lose records without an error, so they are refused: a standard
// output that was closed when the process started, and a file that was deleted. The
// null device is used with a warning.
//
// All lanes with this sink share one output. Each Publish is a single write under a
// common lock, so that lines of several lanes never mix. After a write that failed
// within a line, the next one starts with a line end, so that the torn line does not
// merge with a record.
//
// On a terminal, and only there, characters that control the terminal or change the
// direction of text are escaped (see escape.go). A user of the source can then not
// choose a display name that drives the terminal or hides text from its reader. A
// pipe or a file gets the bytes unchanged.
//
// On a terminal, records are lines of text for people if the configuration names no
// format, as wide as the terminal. The color of such a line is its severity, unless the
// environment has NO_COLOR (https://no-color.org), or TERM is dumb.
package stdout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/sluice-siem/sluice/pkg/internal/stdio"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// Type writes to the standard output of the process. It has no settings.
var Type = To(os.Stdout)

// Settings has no keys.
type Settings struct {
	terminal bool // the output is one
}

// DefaultFormat implements sink.DefaultFormat.
func (s *Settings) DefaultFormat() string {
	if s.terminal {
		return textFormat
	}
	return "ecs"
}

// Destination implements setting.Destination.
func (s *Settings) Destination() string { return "standard output" }

// To returns a Type that writes to w instead. All sinks opened from it share w, and
// nothing else should write to it. To does not close w.
//
// If a Publish ends early while its Write blocks, the Write continues and the next
// Publish waits for it. A Write cannot be interrupted without changing the file's
// mode for other processes too.
func To(w io.Writer) sink.Type {
	out := &output{turn: make(chan struct{}, 1)}
	return sink.NewType("stdout", Settings{terminal: stdio.Terminal(w)}, func(_ context.Context, env sink.Env, _ Settings) (sink.Sink, error) {
		if err := out.open(w); err != nil {
			return nil, fmt.Errorf("opening output: %w", err)
		}
		if out.null {
			env.Log.Warn().Msg("standard output is /dev/null: records are discarded and count as delivered")
		}
		return &lane{out: out, closed: make(chan struct{})}, nil
	})
}

// lane is the sink of one lane.
type lane struct {
	out    *output
	closed chan struct{}
	buf    []byte // of the last Publish, for reuse; nil if a write may still read it
}

var errClosed = errors.New("sink was closed")

// Publish writes the batch. It refuses records for good that contain a line end.
func (l *lane) Publish(ctx context.Context, batch []sink.Record) error {
	buf := append(l.buf[:0], '\n')
	var refused sink.BatchError
	for i := range batch {
		if bytes.IndexByte(batch[i].Body, '\n') >= 0 {
			err := sink.Permanent(errors.New("record contains a line end"))
			refused = append(refused, sink.RecordError{Index: i, Err: err})
			continue
		}
		buf = append(l.out.appendText(buf, &batch[i]), '\n')
	}
	if len(buf) > 1 {
		l.buf = nil
		if err := l.write(ctx, buf); err != nil {
			return describe(err)
		}
		l.buf = buf
	}
	if len(refused) > 0 {
		return refused
	}
	return nil
}

// write returns when the output has taken buf, when ctx ends, or when the sink is
// closed. In the last two cases a goroutine stays behind until the output's write
// ends.
func (l *lane) write(ctx context.Context, buf []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case l.out.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-l.closed:
		return errClosed
	}
	done := make(chan error, 1)
	go func() {
		defer func() { <-l.out.turn }()
		done <- l.out.write(buf)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-l.closed:
		return errClosed
	}
}

// describe adds the operation and a hint.
func describe(err error) error {
	err = fmt.Errorf("writing to output: %w", err)
	switch {
	case errors.Is(err, syscall.EPIPE):
		return sink.Destination(err, "the program that read the output has ended; start both again, or remove this sink")
	case errors.Is(err, errDeleted):
		return sink.Destination(err, "start sluice again with its output redirected to an existing file; to have files rotated, use a sink of type file")
	}
	return err
}

// Columns implements sink.Screen.
func (l *lane) Columns() int { return l.out.columns() }

// Check describes the output.
func (l *lane) Check(context.Context) (string, error) {
	what, err := l.out.describe()
	if err != nil {
		return "", fmt.Errorf("checking output: %w", err)
	}
	return "stdout is " + what, nil
}

// Close makes a Publish that hangs return.
func (l *lane) Close() error {
	close(l.closed)
	return nil
}

// Export implements sink.Exportable.
func (*Settings) Export() string {
	return "name the file that keeps what Sluice wrote to its standard output, such as the log of the container"
}
