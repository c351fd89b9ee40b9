package file

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sluice-siem/sluice/pkg/internal/statedir"
	"github.com/sluice-siem/sluice/pkg/internal/stdio"
	"github.com/sluice-siem/sluice/pkg/sink"
)

var errDirectory = errors.New("is a directory")

// explain adds a hint. None of these errors is a fault of a record. A full disk, a
// pipe without a reader and a held lock can clear by themselves, so they are retried
// at the usual pace.
func explain(err error, path string) error {
	switch {
	case errors.Is(err, errDirectory), errors.Is(err, syscall.EISDIR):
		return sink.Destination(err, fmt.Sprintf("name a file in it, such as %s", filepath.Join(path, "audit.ndjson")))
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return sink.Destination(err, fmt.Sprintf("make sure that %s exists, owned by the user that runs sluice (uid %d), and that it holds no dangling symbolic link", filepath.Dir(path), os.Geteuid()))
	case errors.Is(err, errAbsent):
		return sink.Destination(err, fmt.Sprintf("start sluice with %s open; to discard records on purpose, set path to /dev/null", path))
	case errors.Is(err, errNotOurs):
		return sink.Destination(err, fmt.Sprintf("set another path, or move %s away", path))
	case errors.Is(err, statedir.ErrLocked):
		return sink.Hint(err, fmt.Sprintf("another process or another lane writes to %s; give each its own path, or stop the other", path))
	case errors.Is(err, syscall.ENXIO), errors.Is(err, syscall.EPIPE):
		return sink.Hint(err, fmt.Sprintf("no program reads from %s; start the one that should", path))
	case errors.Is(err, syscall.EFBIG):
		return sink.Hint(err, "the file has reached the largest size that the file system or a limit of the process (ulimit -f) allows; set max_bytes below it")
	}
	switch advice := statedir.Explain(err, path); {
	case advice.Stays:
		return sink.Destination(err, advice.Hint)
	case advice.Hint != "":
		return sink.Hint(err, advice.Hint)
	}
	return err
}

// look describes what is at the path, and reports whether it is the null device. It returns
// an error if the path can be neither appended to nor created.
func look(path string) (seen string, null bool, err error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		dir := filepath.Dir(path)
		return "will be created", false, statedir.Access(dir, unix.W_OK|unix.X_OK)
	}
	if err != nil {
		return "", false, err
	}
	if info.IsDir() {
		return "", false, &fs.PathError{Op: "append", Path: path, Err: errDirectory}
	}
	allowed := statedir.Access(path, unix.W_OK)
	if borrowed(path) || !info.Mode().IsRegular() {
		null, err := stdio.NullInfo(info)
		return "a pipe or device; whatever reads it must store the records", null, cmp.Or(allowed, err)
	}
	return fmt.Sprintf("%d bytes; records will be appended", info.Size()), false, allowed
}
