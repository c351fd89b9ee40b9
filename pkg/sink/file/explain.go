package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sluice-siem/sluice/pkg/internal/statedir"
	"github.com/sluice-siem/sluice/pkg/sink"
)

var errDirectory = errors.New("is a directory")

// explain adds what a person can do. None of these errors is about a record. A
// full disk, a pipe without a reader and a held lock can end by themselves, and
// are tried again at the usual pace.
func explain(err error, path string) error {
	switch {
	case errors.Is(err, errDirectory), errors.Is(err, syscall.EISDIR):
		return sink.Destination(err, fmt.Sprintf("name a file in it, such as %s", filepath.Join(path, "audit.ndjson")))
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return sink.Destination(err, fmt.Sprintf("see that %s exists, owned by the user that runs sluice (uid %d), and that no link there leads nowhere", filepath.Dir(path), os.Geteuid()))
	case errors.Is(err, errAbsent):
		return sink.Destination(err, fmt.Sprintf("start sluice with %s open; to discard records on purpose, write /dev/null", path))
	case errors.Is(err, errNotOurs):
		return sink.Destination(err, fmt.Sprintf("name another path, or move %s away if it is not needed", path))
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return sink.Destination(err, statedir.Advice(err, path))
	case errors.Is(err, statedir.ErrLocked):
		return sink.Hint(err, fmt.Sprintf("another process writes %s, or another lane of this one; give each a path of its own, or stop the other", path))
	case errors.Is(err, syscall.ENXIO), errors.Is(err, syscall.EPIPE):
		return sink.Hint(err, fmt.Sprintf("nothing reads from %s; start what should", path))
	case errors.Is(err, syscall.EFBIG):
		return sink.Hint(err, "the file is as large as the file system, or a limit of the process (ulimit -f), allows; set max_bytes below that")
	}
	if advice := statedir.Advice(err, path); advice != "" {
		return sink.Hint(err, advice)
	}
	return err
}

// look says what is at the path, if it could be appended to or created.
func look(path string) (string, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		dir := filepath.Dir(path)
		return "will be created", access(dir, unix.W_OK|unix.X_OK)
	}
	if err != nil {
		return "", err
	}
	if info.IsDir() {
		return "", &fs.PathError{Op: "append", Path: path, Err: errDirectory}
	}
	if err := access(path, unix.W_OK); err != nil {
		return "", err
	}
	if borrowed(path) || !info.Mode().IsRegular() {
		return "a pipe or device; records are stored by whatever is behind it", nil
	}
	return fmt.Sprintf("%d bytes, to be appended to", info.Size()), nil
}

// access asks with the rights that opening the path would be judged by.
func access(path string, mode uint32) error {
	if err := unix.Faccessat(unix.AT_FDCWD, path, mode, unix.AT_EACCESS); err != nil {
		return &fs.PathError{Op: "access", Path: path, Err: err}
	}
	return nil
}
