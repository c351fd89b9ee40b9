// Package deadletter stores records that a sink refused for good, each with its event
// and the reason, until a person deals with them.
//
// A lane buries a record so that it can continue, and then moves its position past
// the record. From then on the dead letter is the only copy of the event. So Put
// returns only once it is on stable storage, and this package never removes a letter
// that was not published. When the store is full, Put returns ErrFull and the lane
// stops; the store does not delete letters to make room.
//
// A directory holds one file for each lane, with one letter a line:
//
//	{"version":1,"time":"…","lane":"acme/siem","reason":"…","record":{"id":"…",…,"body":"…"},"raw":"…"}
//
// time is when the record was refused, body the body that was sent to the sink, and
// raw the event as the source sent it. Bytes that are not valid UTF-8 are in
// body_base64 and raw_base64 instead; such an id, action, key or organization is
// {"base64":"…"}. lane is the lane that buried the letter, also after Rename gave it to
// another. If a process died between burying a letter and saving the position, the letter
// may be there twice, with the same record id.
//
// Several processes may use a directory: the daemon buries letters while
// `sluice deadletter redrive` publishes them again. They change files only under a
// lock of the directory, which they hold no longer than an append takes.
package deadletter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/sluice-siem/sluice/pkg/internal/letter"
	"github.com/sluice-siem/sluice/pkg/internal/statedir"
	"github.com/sluice-siem/sluice/pkg/sink"
)

const (
	lockName  = "lock"
	extension = ".ndjson"
	// redriveExtension is the extension of letters that are being redriven, or whose
	// redrive died.
	redriveExtension = extension + ".redrive"
)

// Letter is a dead letter: a rejected record with its lane.
type Letter = letter.Letter

// Store is a directory of dead letters. Its methods may be called concurrently.
type Store struct {
	dir      string
	maxBytes int64
	disk     disk

	mu     sync.Mutex
	counts map[string]*counter // by path
}

// Open opens dir, and creates it with mode 0700 if it is missing. The letters of all
// lanes together may take maxBytes. It returns an error if no letter could be kept there.
func Open(dir string, maxBytes int64) (*Store, error) { return open(dir, maxBytes, osDisk{}) }

func open(dir string, maxBytes int64, disk disk) (*Store, error) {
	if err := statedir.Open(dir); err != nil {
		return nil, fail("open dead letters", dir, err)
	}
	if err := try(dir); err != nil {
		return nil, fail("open dead letters", dir, err)
	}
	return &Store{dir: dir, maxBytes: maxBytes, disk: disk, counts: map[string]*counter{}}, nil
}

// try returns an error if no letter could be kept in dir. Otherwise the first one would be
// the first to tell.
func try(dir string) error {
	f, err := statedir.TryLock(filepath.Join(dir, lockName))
	if err == nil {
		err = f.Close()
	}
	if err != nil && !errors.Is(err, statedir.ErrLocked) { // Another process uses it.
		return err
	}
	return statedir.Sync(dir)
}

// Probe finds out what Open would return, and changes nothing. If Open would create the
// directory, missing is true. A warning says that other users can read it. Probe also
// returns an error if no letter could be kept there.
func Probe(dir string) (missing bool, warning string, err error) {
	missing, warning, err = statedir.Probe(dir)
	if err == nil {
		err = statedir.ProbeLock(filepath.Join(dir, lockName))
	}
	if err != nil {
		err = fail("open dead letters", dir, err)
	}
	return missing, warning, err
}

// Close closes the files that Count keeps open.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for path := range s.counts {
		errs = append(errs, s.forget(path))
	}
	return errors.Join(errs...)
}

// Put buries rejects. Once it has returned nil, a power loss cannot undo it. After an
// error some of them may be buried; the caller may put all of them again. If they do
// not all fit, none is buried and the error is ErrFull. An empty store accepts them
// even if they are larger than maxBytes.
func (s *Store) Put(ctx context.Context, lane string, rejects []sink.Reject) error {
	if len(rejects) == 0 {
		return nil
	}
	var lines bytes.Buffer
	for i := range rejects {
		if err := letter.Encode(&lines, Letter{Lane: lane, Reject: rejects[i]}); err != nil {
			return s.failPut(lane, err)
		}
	}
	if err := s.bury(ctx, lane, &lines); err != nil {
		return s.failPut(lane, err)
	}
	return nil
}

func (s *Store) bury(ctx context.Context, lane string, lines *bytes.Buffer) (err error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	used, err := s.Size()
	if err != nil {
		return err
	}
	// An empty store accepts any size: otherwise a letter larger than maxBytes would
	// stop its lane forever.
	if used > 0 && used+int64(lines.Len()) > s.maxBytes {
		return fmt.Errorf("%w: %d of %d bytes are used and %d more do not fit", ErrFull, used, s.maxBytes, lines.Len())
	}
	return s.append(s.path(lane, extension), lines)
}

// Size returns how many bytes the letters of all lanes take. It does not count a torn
// line that a dead process left; the next Put to that file cuts it off.
func (s *Store) Size() (int64, error) {
	files, err := os.ReadDir(s.dir)
	if err != nil {
		return 0, err
	}
	var total int64
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), extension) && !strings.HasSuffix(f.Name(), redriveExtension) {
			continue
		}
		size, err := sizeOf(filepath.Join(s.dir, f.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // a redrive has just ended
		}
		if err != nil {
			return 0, err
		}
		total += size
	}
	return total, nil
}

// sizeOf returns how many bytes the letters in a file take.
func sizeOf(path string) (size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	for {
		size, err = wholeLines(f)
		if !errors.Is(err, io.EOF) { // EOF: a Put has just cut the file
			return size, err
		}
	}
}

// Path returns the file in dir that holds the letters of lane.
func Path(dir, lane string) string { return filepath.Join(dir, statedir.FileName(lane)+extension) }

// Path returns the file that holds the letters of lane.
func (s *Store) Path(lane string) string { return Path(s.dir, lane) }

// MaxBytes returns how many bytes the letters of all lanes may take.
func (s *Store) MaxBytes() int64 { return s.maxBytes }

func (s *Store) path(lane, extension string) string {
	return filepath.Join(s.dir, statedir.FileName(lane)+extension)
}

// lock stops other processes, and other lanes of this one, from changing files of the
// directory until unlock.
func (s *Store) lock(ctx context.Context) (unlock func() error, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := statedir.Lock(ctx, filepath.Join(s.dir, lockName))
	if err != nil {
		return nil, err
	}
	return f.Close, nil
}

// append adds lines after the last whole line of the file at path, creates the file if
// it is missing, and syncs file and directory. It syncs the directory each time, since
// the process that created the file may have died before its sync.
func (s *Store) append(path string, lines io.Reader) error {
	f, err := s.disk.OpenFile(path)
	if err != nil {
		return err
	}
	err = appendLines(f, lines)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return s.disk.SyncDir(s.dir)
}

// appendLines leaves f unchanged if it fails. It cuts off bytes after the last line
// end: a process died while it wrote them, so their letter was never acknowledged and
// will be buried again.
func appendLines(f diskFile, lines io.Reader) error {
	end, err := wholeLines(f)
	if err != nil {
		return err
	}
	if err := f.Truncate(end); err != nil {
		return err
	}
	_, err = io.Copy(io.NewOffsetWriter(f, end), lines)
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return errors.Join(err, f.Truncate(end))
	}
	return nil
}
