// Package checkpoint keeps the positions of lanes on disk: one file a lane in a
// directory that one process holds at a time.
//
// What it promises is small and has to hold whenever the power fails. Load gives
// the position that was saved last, whole, or, if the process died while saving,
// the one before it. It gives none only where none was ever saved, or where Forget left it
// to a sink that keeps it. Whatever else it finds (half a file, an edited one, one of another lane or of a later
// version) is an error with a path and a way out: a position that is guessed
// would skip events or deliver a whole log again, and nobody would notice.
//
// Save therefore writes a file of its own, syncs it, renames it over the old one
// and syncs the directory, in that order. Do not write the files in any other
// way; `sluice checkpoint set` is there for people.
//
// A file is JSON that a person can read:
//
//	{
//	  "version": 1,
//	  "lane": "acme/siem",
//	  "saved": "2026-03-01T12:00:00.123456789Z",
//	  "position": {"floor":"2026-03-01T11:49:58Z", …},
//	  "sha256": "…"
//	}
//
// The position is on one line however long it is. sha256 is the hash of the five
// lines before it, line ends included (head -n 5 FILE | sha256sum), and the whole
// file has to be what Save would write for its values, to the byte.
package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/statedir"
	"github.com/sluice-siem/sluice/pkg/source"
)

const extension = ".json"

// leftover matches a file that a process left behind when it died in Save, and
// no lane's file.
var leftover = regexp.MustCompile(`\.json\.\d+\.tmp$`)

// Dir is a directory of checkpoints, held by this process until Close. Its
// methods may be called concurrently; a lane is saved by one caller at a time.
type Dir struct {
	path    string
	warning string
	lock    *os.File
	disk    disk
	closed  atomic.Bool
}

// Open takes hold of dir, creating it with mode 0700 if there is none. While
// another process holds it, the error is ErrInUse and names that process; the
// hold ends with a process, however it dies. Files that a dead one left behind
// half written are removed.
func Open(dir string) (*Dir, error) { return open(dir, osDisk{}) }

func open(dir string, disk disk) (*Dir, error) {
	warning, err := statedir.Open(dir)
	if err != nil {
		return nil, fail("open state directory", dir, err)
	}
	lock, err := hold(dir)
	if err != nil {
		return nil, err
	}
	d := &Dir{path: dir, warning: warning, lock: lock, disk: disk}
	if err := d.removeLeftovers(); err != nil {
		return nil, errors.Join(fail("open state directory", dir, err), lock.Close())
	}
	return d, nil
}

func (d *Dir) removeLeftovers() error {
	files, err := os.ReadDir(d.path)
	if err != nil {
		return err
	}
	for _, f := range files {
		if !leftover.MatchString(f.Name()) {
			continue
		}
		if err := os.Remove(filepath.Join(d.path, f.Name())); err != nil {
			return err
		}
	}
	return nil
}

// Warning is what a person should know about the directory, such as that others
// can read it; empty if nothing.
func (d *Dir) Warning() string { return d.warning }

// Close lets go of the directory.
func (d *Dir) Close() error {
	if d.closed.Swap(true) {
		return nil
	}
	return release(d.lock)
}

// Load is the position that lane saved last, and nil where it never saved one or
// where Forget removed it. An
// error is source.ErrUnusable where the file is not what this lane saved; any other is
// about reading it, and may pass.
func (d *Dir) Load(ctx context.Context, lane string) (source.Position, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("load checkpoint of lane %s: %w", lane, err)
	}
	path := d.file(lane)
	c, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && c.Lane != lane {
		err = fmt.Errorf("%w %q, not to %q", ErrForeign, c.Lane, lane)
	}
	if err != nil {
		return nil, failLoad(path, lane, err)
	}
	return c.Position, nil
}

// Save makes pos, a JSON value of at most 512 kB, the position of lane. Once it
// has returned nil, a power loss cannot undo it. If the lock of the directory was
// removed or replaced, another process may run the lane, and nothing is saved. After an error either position
// may be the one on disk, and each is whole.
func (d *Dir) Save(ctx context.Context, lane string, pos source.Position) error {
	path := d.file(lane)
	err := ctx.Err()
	if err == nil && d.closed.Load() {
		err = fs.ErrClosed
	}
	if err == nil {
		err = statedir.Held(d.lock)
	}
	if err != nil {
		return fail("save checkpoint", path, err)
	}
	data, err := encode(lane, time.Now(), pos)
	if err == nil {
		err = replace(d.disk, path, data)
	}
	if err != nil {
		return fail("save checkpoint", path, err)
	}
	return nil
}

func (d *Dir) file(lane string) string {
	return filepath.Join(d.path, statedir.FileName(lane)+extension)
}

// Checkpoint is a saved position.
type Checkpoint struct {
	Lane     string // from the name of the file if that cannot be read
	Path     string
	Saved    time.Time
	Position source.Position
	Err      error // why the file cannot be used; nil if it can
}

// List is every checkpoint in dir, ordered by file name. It takes no hold of dir
// and may be called while another process saves.
func List(dir string) ([]Checkpoint, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, fail("list checkpoints", dir, err)
	}
	var list []Checkpoint
	for _, f := range files {
		name, isOurs := strings.CutSuffix(f.Name(), extension)
		lane, isLane := statedir.LaneName(name)
		if !isOurs || !isLane {
			continue
		}
		path := filepath.Join(dir, f.Name())
		c, err := read(path)
		if err == nil && c.Lane != lane {
			err = fmt.Errorf("%w %q, not to %q", ErrForeign, c.Lane, lane)
		}
		if err != nil {
			c = Checkpoint{Err: failLoad(path, lane, err)}
		}
		c.Lane, c.Path = lane, path
		list = append(list, c)
	}
	return list, nil
}

// maxPosition is the largest position (see source.Position), and maxFile leaves
// room around it for the rest of a file.
const (
	maxPosition = 512 << 10
	maxFile     = maxPosition + 64<<10
)

func read(path string) (Checkpoint, error) {
	f, err := os.Open(path)
	if err != nil {
		return Checkpoint{}, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return Checkpoint{}, err
	}
	return decode(data)
}
