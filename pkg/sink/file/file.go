// Package file is the sink that appends records to a file, one a line (NDJSON
// where the format is JSON).
//
// Publish returns nil once fsync has: the records of the batch then survive a
// loss of power, as far as the file system and the disk keep what they say.
//
// # What is done to the file, and what never
//
// The sink is the only writer of its file. It holds a lock on it (flock), so that
// a second process, or a lane that was configured twice, meets an error instead
// of a mixture. Whatever stands in the file when it is opened stays, with one
// exception: bytes after the last line end are cut off, which is told in the log.
// They are what a crash left of a line that was being written; its record was
// never acknowledged and is published again. Whole lines that were not
// acknowledged stay, so that their records are there twice after a crash, as at
// least once allows. A tail longer than the longest line there can be was not
// written by this sink: it is an error and nothing is cut.
//
// This relies on the file system not to extend a file over bytes that it has not
// stored, which holds for ext4 in its default mode, XFS and btrfs.
//
// A write or fsync that fails is undone: the file is cut back to where the last
// acknowledged batch ends, at once or, if that fails too, before anything else
// is written. So a retry leaves neither half lines nor, short of a crash,
// records twice.
//
// # Rotation
//
// By the sink: settings max_bytes and max_age, see Settings. The file is renamed
// to a name with the time in it and a new one begun; no existing file is ever
// overwritten, and none is deleted unless keep says so.
//
// By others (logrotate): before each Publish the path is looked at, and if
// another file or none is there, a new one is opened. A file that was emptied in
// place (copytruncate) is carried on with; that way of rotating loses what is
// written while it copies, though, and should not be used.
//
// # What is no regular file
//
// Named pipes and devices, /dev/stdout and /dev/null among them, are written
// to as they are: no lock, fsync, rotation or repair, and nil of Publish means
// only that the kernel took the bytes. The null device is used with a warning, and
// refused behind a path such as /dev/stdout: there it stands for an output that was
// closed. For a terminal there is package stdout,
// which makes records harmless to look at; this one does not.
package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

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
	// longest is the largest body, and so the longest line without its end. It is
	// the default of sink.Limits, on which encoders rely.
	longest = 1 << 20
	// grace is how long Close waits for a write under way.
	grace = 2 * time.Second
)

var errClosed = errors.New("sink was closed")

// file is the sink. All that touches the disk is done by one goroutine, since a
// system call on a disk that hangs cannot be interrupted, and Publish and Close
// have to return nevertheless.
type file struct {
	archive *archive
	jobs    chan job
	life    context.Context // ends with Close
	end     context.CancelFunc
	ended   chan struct{} // closed once the goroutine is done
	err     error         // of closing; set before ended is closed

	buf []byte // of the last Publish, to be used again; nil if the goroutine may still read it
}

// job is a batch on its way to the disk.
type job struct {
	text []byte
	done chan error    // unbuffered: what is sent was heard
	left chan struct{} // closed when nobody listens any more
}

func open(env sink.Env, s Settings, d disk) *file {
	life, end := context.WithCancel(context.Background())
	f := &file{
		archive: newArchive(life, s, s.pathFor(env.Source), env.Log, d),
		jobs:    make(chan job),
		life:    life,
		end:     end,
		ended:   make(chan struct{}),
	}
	go f.run()
	return f
}

// Limits says how long a line can be.
func (f *file) Limits() sink.Limits { return sink.Limits{RecordBytes: longest} }

// Publish appends the batch. Records are refused for good that cannot be a line:
// those that hold a line end, and those over 1 MiB.
func (f *file) Publish(ctx context.Context, batch []sink.Record) error {
	buf := f.buf[:0]
	var refused sink.BatchError
	for i := range batch {
		if err := unfit(batch[i].Body); err != nil {
			refused = append(refused, sink.RecordError{Index: i, Err: sink.Permanent(err)})
			continue
		}
		buf = append(append(buf, batch[i].Body...), '\n')
	}
	if len(buf) > 0 {
		f.buf = nil
		if err := f.write(ctx, buf); err != nil {
			return explain(fmt.Errorf("appending to %s: %w", f.archive.path, err), f.archive.path)
		}
		f.buf = buf
	}
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
		return errors.New("record holds a line end")
	}
	return nil
}

// write has the text written, and leaves the goroutine to itself if that takes
// longer than ctx or the sink live.
func (f *file) write(ctx context.Context, text []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := job{text: text, done: make(chan error), left: make(chan struct{})}
	defer close(j.left)
	jobs := f.jobs
	for {
		select {
		case jobs <- j:
			jobs = nil
		case err := <-j.done:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-f.life.Done():
			return errClosed
		}
	}
}

func (f *file) run() {
	defer close(f.ended)
	for {
		select {
		case j := <-f.jobs:
			f.do(j)
		case <-f.life.Done():
			f.err = f.archive.close()
			return
		}
	}
}

// do acknowledges a batch if, and only if, its Publish hears of it. One that was
// left is undone before the next, so that being published again it is not there
// twice.
func (f *file) do(j job) {
	err := f.archive.append(j.text)
	select {
	case j.done <- err:
		if err == nil {
			f.archive.settle(j.text)
		}
	case <-j.left:
	}
}

// Check says what there is at the path, and whether it could be written to. It
// opens nothing: that would disturb who reads a pipe, and create the file.
func (f *file) Check(context.Context) (string, error) {
	seen, err := look(f.archive.path)
	if err != nil {
		return "", explain(err, f.archive.path)
	}
	return f.archive.path + ": " + seen, nil
}

// Close ends a Publish under way and lets go of the file. If the disk hangs, that
// is left to happen when it goes on.
func (f *file) Close() error {
	f.end()
	timeout := time.NewTimer(grace)
	defer timeout.Stop()
	select {
	case <-f.ended:
		return f.err
	case <-timeout.C:
		return fmt.Errorf("closing %s: a write has been hanging for %v; the file is let go of when it ends", f.archive.path, grace)
	}
}
