package ownlog

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/statedir"
)

// limits bound the log on disk.
type limits struct {
	bytes    int64 // how large a segment becomes before the next one begins
	segments int   // how many there are
}

// bounded is 16 MiB, at a few hundred bytes an event.
var bounded = limits{bytes: 256 << 10, segments: 64}

const (
	// mostLine is the largest line. It fits into a message of Kafka with much room.
	mostLine = 64 << 10

	// lookAgain is how soon a reader notices a line of another process.
	lookAgain = time.Second
)

// Files is a Store in a directory that several processes use at once. Its files are private.
//
// A segment is named after the log and its first line. Lines are only ever appended to the
// newest segment, under a lock that is held for as long as that takes. Who takes the lock
// finds out first what others appended, and settles it: it cuts off a part of a line that a
// dead process left, writes what is new once more, and syncs the file. So nobody reads a
// line, and no line gets a number, that a loss of power could take away. To sync alone would
// not do: after a sync that failed, the next one succeeds without having written anything
// (fsync(2), "Handling of failed writeback").
type Files struct {
	dir    string
	disk   disk
	limits limits
	log    string

	turn     chan struct{} // holds a value while one caller uses the fields below
	segments []segment     // as they were listed last, the oldest first
	newest   segment       // the one that lines are appended to
	file     diskFile      // of the newest segment
	size     int64         // bytes of it that are settled
	next     int64         // number of the line behind those
	cut      bool          // the file was shortened, and a loss of power could undo that
	appended chan struct{} // closed at the next line
	failed   map[string]int64
	closed   bool
}

// OpenFiles opens the log in dir, and creates both if they are missing.
func OpenFiles(dir string) (*Files, error) {
	if err := statedir.Open(dir); err != nil {
		return nil, fail("open own log", dir, err)
	}
	return openFiles(dir, osDisk{}, bounded)
}

func openFiles(dir string, disk disk, l limits) (*Files, error) {
	f := &Files{dir: dir, disk: disk, limits: l, turn: make(chan struct{}, 1), appended: make(chan struct{}), failed: map[string]int64{}}
	if err := f.locked(context.Background(), f.open); err != nil {
		return nil, fail("open own log", dir, errors.Join(err, f.Close()))
	}
	return f, nil
}

// open settles the log, or creates its first segment: then the log has its name for good.
func (f *Files) open() error {
	if err := f.list(); err != nil {
		return err
	}
	if len(f.segments) > 0 {
		f.log = f.segments[0].log
		return f.settle()
	}
	var id [8]byte
	rand.Read(id[:]) // never fails
	f.log = hex.EncodeToString(id[:])
	return f.begin(segment{log: f.log})
}

// ProbeFiles returns an error if OpenFiles could not open dir, or nothing could be written
// there. It changes nothing.
func ProbeFiles(dir string) error {
	missing, _, err := statedir.Probe(dir)
	if err == nil && !missing {
		err = statedir.ProbeLock(filepath.Join(dir, lockName))
	}
	if err == nil && !missing {
		var names []string
		if names, err = (osDisk{}).List(dir); err == nil {
			_, err = segmentsOf(names)
		}
	}
	if err != nil {
		return fail("open own log", dir, err)
	}
	return nil
}

// lockName is the file whose lock is held while a line is appended. It is never removed.
const lockName = "lock"

// Log returns the name of the log.
func (f *Files) Log() string { return f.log }

// Append implements Store.
func (f *Files) Append(ctx context.Context, line []byte) error {
	if err := fit(line); err != nil {
		return err
	}
	err := f.use(ctx, func() error {
		return f.locked(ctx, func() error { return f.append(line) })
	})
	if err != nil {
		return fail("append to own log", f.dir, err)
	}
	return nil
}

func (f *Files) append(line []byte) error {
	if err := f.look(); err != nil {
		return err
	}
	if there, err := f.isThere(line); there || err != nil {
		return err
	}
	if err := f.makeRoom(); err != nil {
		return err
	}
	text := append(line[:len(line):len(line)], '\n')
	_, err := f.file.WriteAt(text, f.size)
	if err == nil {
		err = f.file.Sync()
	}
	if err != nil {
		f.remember(line)
		return err
	}
	f.settled(int64(len(text)), 1)
	return nil
}

// isThere reports whether a line whose Append failed is in the log all the same.
func (f *Files) isThere(line []byte) (bool, error) {
	number, ok := f.failed[string(line)]
	for ok {
		p, err := f.passage(number, mostLine)
		if err != nil {
			return false, err
		}
		for _, l := range p.Lines {
			if string(l.Text) == string(line) {
				delete(f.failed, string(line))
				return true, nil
			}
			number = l.Number + 1
		}
		ok = len(p.Lines) > 0
	}
	delete(f.failed, string(line))
	return false, nil
}

// mostFailed bounds how many lines Files remembers whose Append failed.
const mostFailed = 256

// remember notes that a line may be in the log from the next number on.
func (f *Files) remember(line []byte) {
	if len(f.failed) >= mostFailed {
		for other := range f.failed { // Its caller has probably given up.
			delete(f.failed, other)
			break
		}
	}
	f.failed[string(line)] = f.next
}

// Read implements Store.
func (f *Files) Read(ctx context.Context, from int64, most int) (p Passage, err error) {
	err = f.use(ctx, func() (err error) {
		if from >= f.next {
			if err := f.refresh(ctx); err != nil {
				return err
			}
		}
		p, err = f.passage(from, most)
		return err
	})
	if err != nil {
		return Passage{}, fail("read own log", f.dir, err)
	}
	return p, nil
}

// passage returns settled lines of one segment.
func (f *Files) passage(from int64, most int) (Passage, error) {
	for i, s := range f.segments {
		end := f.next
		if i+1 < len(f.segments) {
			end = f.segments[i+1].first
		}
		if end <= from {
			continue
		}
		text, err := f.text(s)
		if err != nil {
			return Passage{}, err
		}
		if lines := linesOf(text, s.first, from, end, most); len(lines) > 0 {
			return Passage{Lines: lines, Gone: lines[0].Number > from}, nil
		}
	}
	return Passage{}, nil
}

// text returns the settled bytes of a segment; none if another process has just removed it.
func (f *Files) text(s segment) ([]byte, error) {
	if s == f.newest {
		return read(f.file, 0, f.size)
	}
	file, err := f.disk.Open(filepath.Join(f.dir, s.name()))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	size, err := file.Size()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	text, err := read(file, 0, size)
	return text, errors.Join(err, file.Close())
}

// Bounds implements Store.
func (f *Files) Bounds(ctx context.Context) (b Bounds, err error) {
	err = f.use(ctx, func() error {
		if err := f.refresh(ctx); err != nil {
			return err
		}
		b = Bounds{Log: f.log, First: f.segments[0].first, Next: f.next}
		return nil
	})
	if err != nil {
		return Bounds{}, fail("read own log", f.dir, err)
	}
	return b, nil
}

// refresh takes the lock only if there is something to settle.
func (f *Files) refresh(ctx context.Context) error {
	if changed, err := f.changed(); !changed || err != nil {
		return err
	}
	return f.locked(ctx, f.look)
}

// Wait implements Store.
func (f *Files) Wait(ctx context.Context, from int64) error {
	var next int64
	var appended chan struct{}
	err := f.use(ctx, func() error {
		next, appended = f.next, f.appended
		return nil
	})
	if err != nil || next > from {
		return err
	}
	return waitFor(ctx, appended)
}

// waitFor waits for a line of this process, or until it is time to look for one of another.
func waitFor(ctx context.Context, appended <-chan struct{}) error {
	timer := time.NewTimer(lookAgain)
	defer timer.Stop()
	select {
	case <-appended:
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// use calls do while nobody else uses the fields of f.
func (f *Files) use(ctx context.Context, do func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case f.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-f.turn }()
	if f.closed {
		return fs.ErrClosed
	}
	return do()
}

// locked calls do while no other process changes the log.
func (f *Files) locked(ctx context.Context, do func() error) error {
	lock, err := f.disk.Lock(ctx, filepath.Join(f.dir, lockName))
	if err != nil {
		return err
	}
	defer lock.Close() // The lock ends even if Close fails.
	return do()
}

// Close implements Store.
func (f *Files) Close() error {
	f.turn <- struct{}{}
	defer func() { <-f.turn }()
	if f.closed || f.file == nil {
		f.closed = true
		return nil
	}
	f.closed = true
	return f.file.Close()
}
