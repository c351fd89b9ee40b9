// Package file is the sink that appends records to a file, one a line (NDJSON
// if the format is JSON).
//
// Publish returns nil after fsync: the records of the batch then survive a loss of
// power, if the file system and the disk keep their promises.
//
// # Writing
//
// The sink is the only writer of its file. It locks the file (flock), so that a
// second process or lane with the same path gets an error. An existing file is kept
// and appended to. The only exception: a torn last line, which has no line end, is
// cut off, with a warning in the log. A crash tore it while it was being written;
// its record was never acknowledged and is published again. Whole lines that were
// not acknowledged stay, so a crash can leave a record twice, as at least once
// allows. If the bytes after the last line end are longer than the longest possible
// line, this sink did not write them: the sink returns an error and cuts nothing.
//
// The file system must not extend a file over bytes that it has not stored. ext4 in
// its default mode, XFS and btrfs keep this rule.
//
// The sink undoes a failed write or fsync: it truncates the file to the end of the
// last acknowledged batch, at once or, if that fails too, before the next write. So
// a retry leaves no torn line and, unless the process crashes, no record twice.
//
// # Rotation
//
// The sink itself rotates with the settings max_bytes and max_age; see Settings. It
// renames the file to a name that contains the time and creates a new file. It never
// overwrites an existing file, and deletes files only if keep is set.
//
// Other programs may rotate the file (logrotate). Before each Publish the sink
// checks the path, and opens a new file if it finds another one or none. The sink
// also appends to a file that was emptied in place, but that way of rotating
// (copytruncate) should not be used: it loses lines that are written during the copy.
//
// # Pipes and devices
//
// Named pipes and devices, such as /dev/stdout and /dev/null, are only written to:
// no lock, no fsync, no rotation, no repair. A nil from Publish means only that the
// kernel took the bytes. The null device is used with a warning. Behind a path such
// as /dev/stdout it is refused: there it means that the output was closed. For a
// terminal use package stdout, which escapes control characters; this package does
// not.
package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/internal/pool"
	"github.com/sluice-siem/sluice/pkg/internal/statedir"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// Type is the file sink.
var Type = newType(osDisk)

func newType(d disk) sink.Type {
	return sink.NewType("file", defaults, func(_ context.Context, env sink.Env, s Settings) (sink.Sink, error) {
		return open(env, s, d), nil
	})
}

const (
	// longest is the largest body, and so the longest line without its line end. It
	// is the default of sink.Limits, which encoders keep to.
	longest = 1 << 20
	// grace is how long Close waits for an unfinished write.
	grace = 2 * time.Second
)

var errClosed = errors.New("sink was closed")

// file is the sink. All work on the disk is done in goroutines, one after the other: a
// system call on a disk that hangs cannot be interrupted, but Publish and Close must
// still return. There is a goroutine only while there is work.
type file struct {
	archive *archive
	busy    chan struct{}   // holds an element while a goroutine works on the disk, and once it is closing
	life    context.Context // ends with Close
	end     context.CancelFunc
	closing sync.Once
	ended   chan struct{} // closed once the file is closed
	err     error         // of closing it; set before ended is closed
}

// job is a batch to be written.
type job struct {
	text []byte
	done chan error    // unbuffered: after a send, Publish has the result
	left chan struct{} // closed once Publish no longer receives from done
}

func open(env sink.Env, s Settings, d disk) *file {
	life, end := context.WithCancel(context.Background())
	return &file{
		archive: newArchive(life, s, s.pathFor(env.Source), env.Log, d),
		busy:    make(chan struct{}, 1),
		life:    life,
		end:     end,
		ended:   make(chan struct{}),
	}
}

// Limits returns the largest record.
func (f *file) Limits() sink.Limits { return sink.Limits{RecordBytes: longest} }

// Publish appends the batch. It refuses records for good that cannot be a line:
// those that contain a line end, and those over 1 MiB.
func (f *file) Publish(ctx context.Context, batch []sink.Record) error {
	size := len(batch)
	for i := range batch {
		size += len(batch[i].Body)
	}
	buf := pool.Get(size)
	var refused sink.BatchError
	for i := range batch {
		if err := unfit(batch[i].Body); err != nil {
			refused = append(refused, sink.RecordError{Index: i, Err: sink.Permanent(err)})
			continue
		}
		buf = append(append(buf, batch[i].Body...), '\n')
	}
	if len(buf) > 0 {
		if err := f.write(ctx, buf); err != nil {
			// A write that hangs may still read buf.
			return f.explain(fmt.Errorf("appending to %s: %w", f.archive.path, err))
		}
	}
	pool.Put(buf)
	if len(refused) > 0 {
		return refused
	}
	return nil
}

func unfit(body []byte) error {
	if len(body) > longest {
		return fmt.Errorf("record of %d bytes is larger than %d", len(body), longest)
	}
	if bytes.IndexByte(body, '\n') >= 0 {
		return errors.New("record contains a line end")
	}
	return nil
}

// write lets a goroutine write the text. It returns early when ctx ends or the sink is
// closed; the goroutine then finishes the write alone.
func (f *file) write(ctx context.Context, text []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case f.busy <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-f.life.Done():
		return errClosed
	}
	if f.life.Err() != nil {
		<-f.busy
		return errClosed
	}
	j := job{text: text, done: make(chan error), left: make(chan struct{})}
	defer close(j.left)
	go func() {
		f.do(j)
		<-f.busy
	}()
	select {
	case err := <-j.done:
		if err != nil && f.life.Err() != nil { // Close interrupts a write.
			err = fmt.Errorf("%w: %w", errClosed, err)
		}
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-f.life.Done():
		return errClosed
	}
}

// do appends a batch, and acknowledges it only if its Publish receives the result.
// Otherwise the batch is cut off before the next write, since it is published again.
func (f *file) do(j job) {
	err := f.archive.append(j.text)
	select {
	case j.done <- err:
		if err == nil {
			f.archive.acknowledge(j.text)
		}
	case <-j.left:
	}
}

// Check reports what is at the path, and whether it could be written to. It does
// not open it: opening would disturb the reader of a pipe, or create the file.
func (f *file) Check(context.Context) (string, error) {
	seen, null, err := look(f.archive.path)
	if forecast, ok := errors.AsType[*statedir.Forecast](err); ok && forecast.Guess {
		f.archive.log.Warn().Err(err).Str("hint", failure.Hint(f.explain(err))).Msg("perhaps the file cannot be written")
		err = nil
	}
	if err != nil {
		return "", f.explain(err)
	}
	if null {
		f.archive.warnOfNull()
	}
	where := f.archive.path
	if configured := f.archive.settings.Path; !filepath.IsAbs(configured) {
		where = "path " + configured + " leads to " + where
	}
	return where + ": " + seen, nil
}

// explain adds a hint, which says where a relative path starts.
func (f *file) explain(err error) error {
	err = explain(err, f.archive.path)
	hint, configured := failure.Hint(err), f.archive.settings.Path
	if dir, none := os.Getwd(); none == nil && hint != "" && !filepath.IsAbs(configured) {
		err = sink.Hint(err, fmt.Sprintf("%s; path %s is relative, and starts in the working directory, %s", hint, configured, dir))
	}
	return err
}

// Close ends an unfinished Publish and closes the file. If the disk hangs, the file is
// closed when the write ends.
func (f *file) Close() error {
	f.end()
	f.closing.Do(func() {
		go func() {
			f.busy <- struct{}{} // after this no goroutine works on the disk
			f.err = f.archive.close()
			close(f.ended)
		}()
	})
	timeout := time.NewTimer(grace)
	defer timeout.Stop()
	select {
	case <-f.ended:
		return f.err
	case <-timeout.C:
		return fmt.Errorf("closing %s: a write has been hanging for %v; the file stays open until it ends", f.archive.path, grace)
	}
}
