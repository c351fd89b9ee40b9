package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"
)

// archive is what stands at the path, and what of it is settled. It belongs to
// one goroutine.
type archive struct {
	settings Settings
	path     string // as configured, {source} replaced, absolute
	log      zerolog.Logger
	disk     disk
	life     context.Context // when it ends, a write to a stream is interrupted

	f       *os.File  // nil: not open
	real    string    // path without a symbolic link at its end
	stream  bool      // no regular file, or one that is not ours
	settled int64     // size of the file up to the last acknowledged batch
	dirty   bool      // behind settled there may be bytes of ours that were not acknowledged
	last    time.Time // when the file was last written to; zero if it is empty
	midline bool      // the last write to a stream ended within a line
}

func newArchive(life context.Context, s Settings, path string, log zerolog.Logger, d disk) *archive {
	return &archive{settings: s, path: path, log: log, disk: d, life: life}
}

// append writes the text, which is whole lines, and returns once it is on stable
// storage. It counts as unacknowledged until settle is called.
func (a *archive) append(text []byte) error {
	if err := a.prepare(len(text)); err != nil {
		return err
	}
	if a.stream {
		return a.pour(text)
	}
	a.dirty = true
	_, err := a.disk.write(a.f, text)
	if err == nil {
		err = a.disk.sync(a.f)
	}
	if err != nil {
		return errors.Join(err, a.undo())
	}
	return nil
}

// settle acknowledges the text that was last appended.
func (a *archive) settle(text []byte) {
	if a.stream {
		return
	}
	a.settled += int64(len(text))
	a.dirty = false
	a.last = time.Now()
}

// undo cuts off what was not acknowledged. Where that fails it is tried again
// before anything is written.
func (a *archive) undo() error {
	info, err := a.f.Stat()
	if err != nil {
		return err
	}
	// Cutting would extend a file that somebody else has emptied.
	if info.Size() > a.settled {
		if err := a.disk.truncate(a.f, a.settled); err != nil {
			return err
		}
	}
	a.dirty = false
	return nil
}

// prepare sees to it that the file at the path is open, holds nothing that was
// not acknowledged, and has room for size bytes.
func (a *archive) prepare(size int) error {
	if a.f != nil && a.dirty {
		if err := a.undo(); err != nil {
			return err
		}
	}
	if a.f != nil {
		if err := a.follow(); err != nil {
			return err
		}
	}
	if a.f == nil {
		if err := a.open(); err != nil {
			return err
		}
	}
	if now := time.Now(); !a.stream && a.full(size, now) {
		return a.rotate(now)
	}
	return nil
}

// follow notices what others did to the file: it closes one that is not at the
// path any more, and measures one anew that changed its size.
func (a *archive) follow() error {
	ours, err := a.f.Stat()
	if err != nil {
		return err
	}
	there, err := os.Stat(a.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil || !os.SameFile(ours, there) {
		return a.letGo()
	}
	if !a.stream && ours.Size() != a.settled {
		a.log.Warn().Str("path", a.path).Int64("bytes_were", a.settled).Int64("bytes", ours.Size()).
			Msg("the file was changed by another program")
		return a.measure()
	}
	return nil
}

func (a *archive) letGo() error {
	f := a.f
	a.f = nil
	return f.Close()
}

func (a *archive) close() error {
	if a.f == nil {
		return nil
	}
	var err error
	if a.dirty {
		err = a.undo()
	}
	return errors.Join(err, a.letGo())
}

// open opens, or creates, what is at the path.
func (a *archive) open() error {
	real, err := resolve(a.path)
	if err != nil {
		return err
	}
	a.real = real
	info, err := os.Stat(real)
	switch {
	case err == nil && info.IsDir():
		return errDirectory
	case err == nil && (borrowed(a.path) || !info.Mode().IsRegular()):
		return a.openStream()
	case err == nil || errors.Is(err, fs.ErrNotExist):
		return a.openRegular()
	}
	return err
}

// resolve follows a symbolic link at the end of the path, so that rotation
// renames the file and not the link. Where the link leads nowhere, as in between
// when rotation was interrupted, the file is to be created there.
func resolve(path string) (string, error) {
	info, err := os.Lstat(path)
	if borrowed(path) || err != nil || info.Mode()&os.ModeSymlink == 0 {
		return path, nil // opening it says what is wrong
	}
	real, err := filepath.EvalSymlinks(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return real, err
	}
	target, err := os.Readlink(path)
	if err == nil && !filepath.IsAbs(target) {
		target = filepath.Join(filepath.Dir(path), target)
	}
	return target, err
}

func (a *archive) openRegular() (err error) {
	f, err := a.openOrCreate()
	if err != nil {
		return err
	}
	a.f, a.stream, a.dirty = f, false, false
	defer func() {
		if err != nil {
			err = errors.Join(err, a.letGo())
		}
	}()
	if err := a.disk.lock(f); err != nil {
		return err
	}
	if err := a.stillThere(); err != nil {
		return err
	}
	// Its name may have been made by a process that was killed before it could
	// make it durable, so this is not for new files only.
	if err := a.disk.syncDir(filepath.Dir(a.real)); err != nil {
		return fmt.Errorf("making its directory durable: %w", err)
	}
	return a.measure()
}

func (a *archive) openOrCreate() (*os.File, error) {
	const flags = os.O_RDWR | os.O_APPEND
	mode := os.FileMode(a.settings.Mode)
	f, err := os.OpenFile(a.real, flags|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return os.OpenFile(a.real, flags, 0)
	}
	if err != nil {
		return nil, err
	}
	if err := f.Chmod(mode); err != nil { // the umask may have taken bits away
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// stillThere is asked once the lock is held: the process that held it before may
// have rotated the file in between.
func (a *archive) stillThere() error {
	ours, err := a.f.Stat()
	if err != nil {
		return err
	}
	there, err := os.Stat(a.real)
	if err != nil {
		return err
	}
	if !os.SameFile(ours, there) {
		return errors.New("another file took its place while it was opened")
	}
	return nil
}
