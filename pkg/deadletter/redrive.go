package deadletter

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/sluice-siem/sluice/pkg/internal/letter"
)

// Limits of one call of a Publish. A single letter may be larger.
const (
	batchLetters = 1000
	batchBytes   = 4 << 20
)

// Publish publishes letters again and returns those to keep: the refused ones, with their
// new reason and time, and after an error also those that it did not publish. An error
// without letters keeps all of them. Publish may use the letters until it returns.
type Publish func(ctx context.Context, letters []Letter) (kept []Letter, err error)

// Redrive passes the letters of lane to publish, in the order in which they were
// buried, and removes the published ones; n is their number. Letters that are buried
// meanwhile wait for the next redrive. If publish fails, Redrive keeps all remaining
// letters and returns the error. While it runs, it needs up to twice the size of the
// letters on disk, in addition to maxBytes.
//
// If a redrive dies, the next one starts with all letters of the dead one, so some
// may be published twice.
func (s *Store) Redrive(ctx context.Context, lane string, publish Publish) (n int, err error) {
	n, resumed, err := s.redrive(ctx, lane, publish)
	if err == nil && resumed {
		var more int
		more, _, err = s.redrive(ctx, lane, publish)
		n += more
	}
	if err != nil {
		return n, fail("redrive dead letters of lane "+lane, s.path(lane, extension), err)
	}
	return n, nil
}

// redrive redrives the letters of one file. resumed reports that the file is of a
// redrive that died.
func (s *Store) redrive(ctx context.Context, lane string, publish Publish) (n int, resumed bool, err error) {
	claimed, resumed, err := s.claim(ctx, lane)
	if claimed == nil || err != nil {
		return 0, resumed, err
	}
	defer claimed.Close()
	rest, err := s.scratch()
	if err != nil {
		return 0, resumed, err
	}
	defer rest.Close()
	r := &redriving{publish: publish, rest: bufio.NewWriter(rest)}
	if err := r.run(ctx, claimed); err != nil {
		return r.published, resumed, err
	}
	// The rest must be put back even if ctx has ended.
	if err := s.putBack(context.WithoutCancel(ctx), lane, rest); err != nil {
		return r.published, resumed, errors.Join(r.err, err)
	}
	if r.err == nil && r.unreadable > 0 {
		r.err = fmt.Errorf("%w: %d lines were left unchanged", ErrUnreadable, r.unreadable)
	}
	return r.published, resumed, r.err
}

// scratch creates a file without a name. It vanishes when it is closed, at the latest
// with the process.
func (s *Store) scratch() (*os.File, error) {
	f, err := os.CreateTemp(s.dir, "redrive-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// claim renames the file with the letters of lane, unless a dead redrive has done so,
// and locks it. file is nil if there are no letters. claim opens and locks the file,
// and putBack removes it, under the lock of the directory. Otherwise one redrive could
// hold a file that another one has just removed, and then remove the next file.
func (s *Store) claim(ctx context.Context, lane string) (file *os.File, resumed bool, err error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return nil, false, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	path := s.path(lane, redriveExtension)
	_, err = os.Stat(path)
	resumed = err == nil
	if errors.Is(err, fs.ErrNotExist) {
		err = s.disk.Rename(s.path(lane, extension), path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	if file, err = os.OpenFile(path, os.O_RDWR, 0); err != nil {
		return nil, false, err
	}
	if err := tryClaim(file); err != nil {
		return nil, false, errors.Join(err, file.Close())
	}
	return file, resumed, nil
}

// putBack appends the rest to the letters of lane and then removes the claimed file.
// In this order a power loss in between duplicates letters and loses none.
func (s *Store) putBack(ctx context.Context, lane string, rest *os.File) (err error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	size, err := rest.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if size > 0 {
		if err := s.append(s.path(lane, extension), io.NewSectionReader(rest, 0, size)); err != nil {
			return err
		}
	}
	if err := s.disk.Remove(s.path(lane, redriveExtension)); err != nil {
		return err
	}
	return s.disk.SyncDir(s.dir)
}

// redriving is a pass over the claimed letters.
type redriving struct {
	publish Publish
	rest    *bufio.Writer // letters to keep

	letters    []Letter // to be published next
	lines      []byte   // of letters, as they were stored
	published  int
	unreadable int
	err        error // of publish; it ends the publishing
}

// run publishes letters and writes the others to rest. Its error means that rest is
// not complete.
func (r *redriving) run(ctx context.Context, claimed io.Reader) error {
	for line, err := range lines(claimed) {
		if err == nil {
			err = r.add(ctx, line)
		}
		if err != nil {
			return err
		}
	}
	if err := r.flush(ctx); err != nil {
		return err
	}
	return r.rest.Flush()
}

func (r *redriving) add(ctx context.Context, line []byte) error {
	if r.err != nil {
		return r.keepLines(line)
	}
	l, err := letter.Decode(line)
	if err != nil {
		r.unreadable++
		return r.keepLines(line)
	}
	r.letters = append(r.letters, l)
	r.lines = append(r.lines, line...)
	if len(r.letters) < batchLetters && len(r.lines) < batchBytes {
		return nil
	}
	return r.flush(ctx)
}

func (r *redriving) flush(ctx context.Context) error {
	if len(r.letters) == 0 {
		return nil
	}
	letters, lines := r.letters, r.lines
	r.letters, r.lines = nil, nil
	var kept []Letter
	r.err = ctx.Err()
	if r.err == nil {
		kept, r.err = r.publish(ctx, letters)
	}
	if r.err != nil && len(kept) == 0 {
		return r.keepLines(lines)
	}
	r.published += len(letters) - len(kept)
	for _, l := range kept {
		if err := letter.Encode(r.rest, l); err != nil {
			return err
		}
	}
	return nil
}

func (r *redriving) keepLines(lines []byte) error {
	_, err := r.rest.Write(lines)
	return err
}
