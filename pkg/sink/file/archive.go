package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/rs/zerolog"
)

// archive is the file at the path, and how much of it is acknowledged. One goroutine at a
// time uses it.
type archive struct {
	settings Settings
	path     string // as configured, {source} replaced, absolute
	log      zerolog.Logger
	disk     disk
	life     context.Context // its end interrupts a write to a stream

	f            *os.File  // nil: not open
	real         string    // path with a symbolic link at its end resolved
	stream       bool      // a pipe or device, or an inherited file
	acknowledged int64     // offset after the last acknowledged batch
	dirty        bool      // after acknowledged there may be bytes of a batch that was not
	last         time.Time // when the file was last written to; zero if it is empty
	midline      bool      // the last write to a stream ended within a line
}

func newArchive(life context.Context, s Settings, path string, log zerolog.Logger, d disk) *archive {
	return &archive{settings: s, path: path, log: log, disk: d, life: life}
}

// append writes text, which is whole lines, and returns once it is on stable
// storage. The text counts as acknowledged only after acknowledge was called.
func (a *archive) append(text []byte) error {
	if err := a.prepare(len(text)); err != nil {
		return err
	}
	if a.stream {
		return a.appendStream(text)
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

// acknowledge marks the text that was last appended as acknowledged.
func (a *archive) acknowledge(text []byte) {
	if a.stream {
		return
	}
	a.acknowledged += int64(len(text))
	a.dirty = false
	a.last = time.Now()
}

// undo cuts off bytes that were not acknowledged. If it fails, prepare calls it
// again before the next write.
func (a *archive) undo() error {
	info, err := a.f.Stat()
	if err != nil {
		return err
	}
	// Truncating would extend a file that another program has emptied.
	if info.Size() > a.acknowledged {
		if err := a.disk.truncate(a.f, a.acknowledged); err != nil {
			return err
		}
	}
	a.dirty = false
	return nil
}

// prepare makes the file at the path ready for size more bytes: it undoes an
// unacknowledged batch, opens the file, and rotates it if it is full.
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

// follow notices what other programs did to the file. It closes a file that is no
// longer at the path, and measures a file again whose size has changed.
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
		return a.closeFile()
	}
	if !a.stream && ours.Size() != a.acknowledged {
		a.log.Warn().Str("path", a.path).Int64("previous_bytes", a.acknowledged).Int64("bytes", ours.Size()).
			Msg("file was changed by another program")
		return a.measure()
	}
	return nil
}

func (a *archive) closeFile() error {
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
	return errors.Join(err, a.closeFile())
}

// open opens the file at the path, or creates it.
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

// resolve follows a symbolic link at the end of the path, so that rotation renames
// the file and not the link. If the link's target is missing, as after an interrupted
// rotation, the file must be created there.
func resolve(path string) (string, error) {
	info, err := os.Lstat(path)
	if borrowed(path) || err != nil || info.Mode()&os.ModeSymlink == 0 {
		return path, nil // opening the path reports an error of Lstat
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
			err = errors.Join(err, a.closeFile())
		}
	}()
	if err := a.disk.lock(f); err != nil {
		return err
	}
	if err := a.stillThere(); err != nil {
		return err
	}
	// An existing file needs this too: the process that created it may have been
	// killed before its sync.
	if err := a.disk.syncDir(filepath.Dir(a.real)); err != nil {
		return fmt.Errorf("syncing its directory: %w", err)
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
	if err := a.setMode(f, mode); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// setMode sets the mode of a new file, since the umask may have cleared bits. File systems
// without modes refuse that (CIFS, FAT) or take it and do nothing (exFAT). The records are
// as safe there, so it is a warning: the mode decides only who can read them.
func (a *archive) setMode(f *os.File, mode os.FileMode) error {
	err := a.disk.chmod(f, mode)
	if err != nil && !errors.Is(err, syscall.EPERM) && !errors.Is(err, syscall.ENOTSUP) && !errors.Is(err, syscall.ENOSYS) {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if got := info.Mode().Perm(); got != mode.Perm() {
		a.log.Warn().Str("path", a.path).Str("mode", fmt.Sprintf("%#o", got)).Str("wanted", fmt.Sprintf("%#o", mode.Perm())).
			Str("hint", "set the mode of all its files with options of the mount, such as umask, fmask or file_mode").
			Msg("the file system does not keep the mode of the file")
	}
	return nil
}

// stillThere checks, once the lock is held, that the file is still at the path. The
// previous holder of the lock may have rotated it in between.
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
		return errors.New("another file replaced it while it was being opened")
	}
	return nil
}
