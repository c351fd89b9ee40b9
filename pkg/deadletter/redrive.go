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
	"github.com/sluice-siem/sluice/pkg/internal/statedir"
)

// What one call of a Publish is handed at most; one letter may be larger.
const (
	batchLetters = 1000
	batchBytes   = 4 << 20
)

// Publish publishes letters anew and returns those that were refused again, with
// the reason and time they are to be kept with. After an error all of them are
// kept. The letters belong to it until it returns.
type Publish func(ctx context.Context, letters []Letter) (refused []Letter, err error)

// Redrive hands the letters of lane to publish, in the order they were buried,
// and removes those that were published, which are n. Letters that are buried in
// the meantime wait for the next redrive. Where publish fails, all that is left
// is kept and its error returned. While it runs, it needs up to twice the room of
// the letters, in addition to what the store may take.
//
// If a redrive dies, the next one begins with all the letters that the dead one
// had taken, so that some may be published twice.
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

// redrive takes one file over and settles it. Resumed says that a dead redrive
// had taken it.
func (s *Store) redrive(ctx context.Context, lane string, publish Publish) (n int, resumed bool, err error) {
	taken, resumed, err := s.take(ctx, lane)
	if taken == nil || err != nil {
		return 0, resumed, err
	}
	defer taken.Close()
	kept, err := s.scratch()
	if err != nil {
		return 0, resumed, err
	}
	defer kept.Close()
	r := &redriving{publish: publish, kept: bufio.NewWriter(kept)}
	if err := r.run(ctx, taken); err != nil {
		return r.published, resumed, err
	}
	// The letters are settled even if ctx has ended.
	if err := s.putBack(context.WithoutCancel(ctx), lane, kept); err != nil {
		return r.published, resumed, errors.Join(r.err, err)
	}
	if r.err == nil && r.unreadable > 0 {
		r.err = fmt.Errorf("%w: lines that were left as they are: %d", ErrUnreadable, r.unreadable)
	}
	return r.published, resumed, r.err
}

// scratch is a file without a name, which goes when it is closed, and so with the
// process at the latest.
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

// take gives the letters of lane a name of their own and locks them, unless a
// redrive has done so already. File is nil if there are none. Opening, locking
// and, in putBack, removing happen under the lock of the directory: otherwise one
// redrive could hold the file that another one has just removed, and remove the
// next.
func (s *Store) take(ctx context.Context, lane string) (file *os.File, resumed bool, err error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return nil, false, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	path := s.path(lane, redriveExtension)
	_, err = os.Stat(path)
	resumed = err == nil
	if errors.Is(err, fs.ErrNotExist) {
		err = os.Rename(s.path(lane, extension), path)
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
	if err := statedir.TryLockFile(file); err != nil {
		if errors.Is(err, statedir.ErrLocked) {
			err = ErrBusy
		}
		return nil, false, errors.Join(err, file.Close())
	}
	return file, resumed, nil
}

// putBack appends what is kept to the letters of lane and forgets what was
// taken, in this order: a power loss in between leaves letters twice, never none.
func (s *Store) putBack(ctx context.Context, lane string, kept *os.File) (err error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	size, err := kept.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if size > 0 {
		if err := s.append(s.path(lane, extension), io.NewSectionReader(kept, 0, size)); err != nil {
			return err
		}
	}
	if err := s.disk.Remove(s.path(lane, redriveExtension)); err != nil {
		return err
	}
	return s.disk.SyncDir(s.dir)
}

// redriving is a pass over the letters that were taken.
type redriving struct {
	publish Publish
	kept    *bufio.Writer

	letters    []Letter // to be published next
	lines      []byte   // as they were stored
	published  int
	unreadable int
	err        error // of publish; nothing more is published then
}

// run publishes what it can and writes the rest to kept. Its error means that
// kept is not complete.
func (r *redriving) run(ctx context.Context, taken io.Reader) error {
	for line, err := range lines(taken) {
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
	return r.kept.Flush()
}

func (r *redriving) add(ctx context.Context, line []byte) error {
	if r.err != nil {
		return r.keep(line)
	}
	l, err := letter.Decode(line)
	if err != nil {
		r.unreadable++
		return r.keep(line)
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
	var refused []Letter
	err := ctx.Err()
	if err == nil {
		refused, err = r.publish(ctx, letters)
	}
	if err != nil {
		r.err = err
		return r.keep(lines)
	}
	r.published += len(letters) - len(refused)
	for _, l := range refused {
		if err := letter.Encode(r.kept, l); err != nil {
			return err
		}
	}
	return nil
}

func (r *redriving) keep(lines []byte) error {
	_, err := r.kept.Write(lines)
	return err
}
