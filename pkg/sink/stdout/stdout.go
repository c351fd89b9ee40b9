// Package stdout is the sink that writes records to the standard output, one a
// line.
//
// Publish returns nil once the kernel, or whatever the writer is, has taken the
// bytes. Whether something reads them from the other end of a pipe is not known,
// and nothing is stored. For a file there is package file, which is: redirecting
// the standard output gets no fsync.
//
// A standard output that was closed when the process was started is refused, and
// so is a batch for a file that was deleted: both would lose the records without
// an error. The null device is used with a warning.
//
// All lanes that publish here share one output. Each Publish is a single write
// under a lock that they have in common, so that lines of several lanes never
// run into each other. Where a write failed within a line, the next one begins
// with a line end: the torn line stays alone.
//
// On a terminal, and only there, control characters and those that change the
// direction of text are shown escaped (see escape.go). What users of the source
// chose to call themselves can then not drive the terminal, nor hide anything
// from who reads it. Into a pipe or a file the bytes go as they are.
package stdout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// Type writes to the standard output of the process. It has no settings.
var Type = To(os.Stdout)

// Settings has no keys.
type Settings struct{}

// To is Type for another writer. What is opened from the Type it returns shares
// the writer; nothing else should write to it. It is not closed.
//
// A Write that blocks is left behind when its Publish ends early, and whatever
// is published next waits for it: there is no way to interrupt a Write that
// would leave the file as other processes know it.
func To(w io.Writer) sink.Type {
	out := &output{turn: make(chan struct{}, 1)}
	return sink.NewType("stdout", Settings{}, func(_ context.Context, env sink.Env, _ Settings) (sink.Sink, error) {
		if err := out.open(w); err != nil {
			return nil, fmt.Errorf("opening output: %w", err)
		}
		if out.null {
			env.Log.Warn().Msg("standard output is /dev/null: records are discarded and count as delivered")
		}
		return &lane{out: out, closed: make(chan struct{})}, nil
	})
}

// lane is the output as one lane sees it.
type lane struct {
	out    *output
	closed chan struct{}
	buf    []byte // of the last Publish, to be used again; nil if a write may still read it
}

var errClosed = errors.New("sink was closed")

// Publish writes the batch. The records are refused for good that cannot be a
// line since they hold a line end.
func (l *lane) Publish(ctx context.Context, batch []sink.Record) error {
	buf := append(l.buf[:0], '\n')
	var refused sink.BatchError
	for i := range batch {
		if bytes.IndexByte(batch[i].Body, '\n') >= 0 {
			err := sink.Permanent(errors.New("record holds a line end"))
			refused = append(refused, sink.RecordError{Index: i, Err: err})
			continue
		}
		buf = append(l.out.appendText(buf, batch[i].Body), '\n')
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

// write returns when the output has, or when ctx ends or the sink is closed. It
// then leaves a goroutine behind that goes on as soon as the output does.
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

// describe adds what a person can do.
func describe(err error) error {
	err = fmt.Errorf("writing to output: %w", err)
	switch {
	case errors.Is(err, syscall.EPIPE):
		return sink.Destination(err, "the program that read the output has ended; start both again, or leave this sink out")
	case errors.Is(err, errDeleted):
		return sink.Destination(err, "start sluice again with its output redirected to a file that exists; a sink of type file follows a file that is rotated")
	}
	return err
}

// Check says what the output is.
func (l *lane) Check(context.Context) (string, error) {
	what, err := l.out.describe()
	if err != nil {
		return "", fmt.Errorf("looking at output: %w", err)
	}
	return what, nil
}

// Close lets a Publish that is held up return.
func (l *lane) Close() error {
	close(l.closed)
	return nil
}
