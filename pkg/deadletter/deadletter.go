// Package deadletter keeps records that a sink refused for good, each with the
// event it was made of and the reason, until a person has dealt with them.
//
// A lane buries a record so that the rest can go on, and moves its position past
// it afterwards. From then on the dead letter is all there is of the event, so
// Put returns only once it is on stable storage, and nothing in this package ever
// removes a letter that was not published. When the store is full, it says so
// and the lane stops; it makes no room by itself.
//
// A directory holds one file a lane, with a letter a line:
//
//	{"version":1,"time":"…","lane":"acme/siem","reason":"…","record":{"id":"…",…,"body":"…"},"raw":"…"}
//
// Time is when the record was refused, body what was sent to the sink and raw the
// event as the source sent it. What is not valid UTF-8 is in body_base64 and
// raw_base64 instead, and an id, action, key or organization like that is
// {"base64":"…"}. A letter may be there twice, if a process died between burying
// it and saving the position; it then has the same record id.
//
// Several processes may use a directory: the daemon buries while
// `sluice deadletter redrive` publishes letters anew. What they do to files
// happens under a lock of the directory, for as long as an append takes.
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
	// redriveExtension is behind extension while the letters are redriven, or
	// after a redrive that died.
	redriveExtension = extension + ".redrive"
)

// Letter is a dead letter: a rejected record and the lane that rejected it.
type Letter = letter.Letter

// Store is a directory of dead letters. Its methods may be called concurrently.
type Store struct {
	dir      string
	maxBytes int64
	warning  string
	disk     disk

	mu     sync.Mutex
	counts map[string]*counter // by path
}

// Open opens dir, creating it with mode 0700 if there is none. Letters of all
// lanes together may take maxBytes there.
func Open(dir string, maxBytes int64) (*Store, error) { return open(dir, maxBytes, osDisk{}) }

func open(dir string, maxBytes int64, disk disk) (*Store, error) {
	warning, err := statedir.Open(dir)
	if err != nil {
		return nil, fail("open dead letters", dir, err)
	}
	return &Store{dir: dir, maxBytes: maxBytes, warning: warning, disk: disk, counts: map[string]*counter{}}, nil
}

// Warning is what a person should know about the directory, such as that others
// can read it; empty if nothing.
func (s *Store) Warning() string { return s.warning }

// Close releases what Count keeps open.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for path := range s.counts {
		errs = append(errs, s.forget(path))
	}
	return errors.Join(errs...)
}

// Put buries rejects. Once it has returned nil, a power loss cannot undo it.
// After an error some of them may be buried; putting them again is harmless. If
// they do not all fit, none is buried and the error is ErrFull. An empty store
// takes all, also if they are larger than maxBytes.
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
	// An empty store takes whatever comes at once: a letter that is larger than
	// maxBytes would otherwise stop its lane for ever.
	if used > 0 && used+int64(lines.Len()) > s.maxBytes {
		return fmt.Errorf("%w: %d of %d bytes are used and %d more do not fit", ErrFull, used, s.maxBytes, lines.Len())
	}
	return s.append(s.path(lane, extension), lines)
}

// Size is how many bytes the letters of all lanes take. What a dead process left of
// a line is none of them: the next Put to its file cuts it off.
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

// sizeOf is how many bytes the letters in a file take.
func sizeOf(path string) (size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	for {
		size, err = wholeLines(f)
		if !errors.Is(err, io.EOF) { // A Put has just cut the file.
			return size, err
		}
	}
}

// MaxBytes is how many bytes the letters of all lanes may take.
func (s *Store) MaxBytes() int64 { return s.maxBytes }

func (s *Store) path(lane, extension string) string {
	return filepath.Join(s.dir, statedir.FileName(lane)+extension)
}

// lock keeps other processes, and other lanes of this one, from changing files
// of the directory until unlock.
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

// append puts lines behind the last whole line of the file at path, creating it
// if there is none, and syncs file and directory. The directory is synced each
// time, since the process that created the file may have died before it did.
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

// appendLines leaves f as it was where it fails. What stands behind the last
// line end was being written when a process died, which therefore was never told
// that it is buried, and will bury it again.
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
