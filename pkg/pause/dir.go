package pause

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluice-siem/sluice/pkg/internal/statedir"
)

// extension is that of a marker. Its file is named after the lane, as a checkpoint is.
const extension = ".paused"

// Dir is a state directory with markers. It may be used while another process holds the
// directory. Its methods may be called concurrently.
type Dir string

func (d Dir) file(lane string) string {
	return filepath.Join(string(d), statedir.FileName(lane)+extension)
}

// Pause writes a marker. Once it has returned nil, a power loss cannot undo it. The file
// belongs to the owner of the directory if root writes it, so that the user who runs sluice
// can read it.
func (d Dir) Pause(_ context.Context, m Marker) error {
	data, err := encode(m)
	if err == nil {
		err = statedir.Open(string(d))
	}
	if err == nil {
		err = d.removeLeftovers(filepath.Base(d.file(m.Lane)))
	}
	if err == nil {
		err = statedir.Replace(statedir.OSDisk{}, d.file(m.Lane), data)
	}
	return fail("pause lane "+m.Lane, d.file(m.Lane), err)
}

// Resume removes the marker of a lane, whatever is in it. was is false if there was none.
// Once it has returned nil, a power loss cannot bring the marker back.
func (d Dir) Resume(_ context.Context, lane string) (was bool, err error) {
	err = os.Remove(d.file(lane))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = statedir.Sync(string(d))
	}
	return true, fail("resume lane "+lane, d.file(lane), err)
}

// Look returns the marker of a lane, nil if there is none. An error means that it could not
// be found out.
func (d Dir) Look(_ context.Context, lane string) (*Marker, error) {
	path := d.file(lane)
	data, failed := readFile(path)
	if failed == nil {
		m := decode(data, lane)
		return &m, nil
	}
	// It may be there although it cannot be read.
	_, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fail("look whether the lane is paused", path, err)
	}
	m := unusable(lane, failed)
	return &m, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxMarker+1))
	return data, errors.Join(err, f.Close())
}

// leftoverAge is how old a temporary file is that nobody writes any more. A younger one may
// be that of another command, which pauses the same lane at this moment.
const leftoverAge = 10 * time.Minute

// removeLeftovers removes what a process left that died in Pause.
func (d Dir) removeLeftovers(name string) error {
	leftover := regexp.MustCompile("^" + regexp.QuoteMeta(name) + `\.\d+\.tmp$`)
	files, err := os.ReadDir(string(d))
	if err != nil {
		return err
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil || !leftover.MatchString(f.Name()) || time.Since(info.ModTime()) < leftoverAge {
			continue // An error means that it is gone.
		}
		if err := os.Remove(filepath.Join(string(d), f.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func fail(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &statedir.Error{Class: "pause", Op: op, Path: path, Err: err, Hint: statedir.Explain(err, path).Hint}
}
