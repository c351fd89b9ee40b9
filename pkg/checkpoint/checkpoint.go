// Package checkpoint stores the positions of lanes: in a directory, with one file for
// each lane, that one process holds at a time; or, for replicas, in a Kafka topic.
//
// Its guarantee is small and must hold whenever the power fails. Load returns the last
// saved position or, if the process died while saving, the one before it. It returns
// none only if none was ever saved, or if Forget removed it because a sink stores it.
// Anything else that it finds (half a file, an edited one, one of another lane or of a
// later version) is an error with a path and a hint: a guessed position would skip
// events or deliver a whole log again, and nobody would notice.
//
// Save therefore writes a new file, syncs it, renames it over the old one and syncs
// the directory, in that order. Do not write the files in any other way; people use
// `sluice checkpoint set`.
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
// The position is on one line, however long it is. sha256 is the hash of the five
// lines before it, including line ends (head -n 5 FILE | sha256sum). The whole file
// must be byte for byte what Save would write for its values.
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

// leftover matches a file that a process left behind when it died in Save. It matches
// no lane's file.
var leftover = regexp.MustCompile(`\.json\.\d+\.tmp$`)

// Dir is a directory of checkpoints, held by this process until Close. Its methods may
// be called concurrently, but a lane must be saved by one caller at a time.
type Dir struct {
	path   string
	lock   *os.File
	disk   statedir.Disk
	closed atomic.Bool
}

// Open locks dir, and creates it with mode 0700 if it is missing. While another process
// holds it, the error is ErrInUse and names that process; a lock ends with its process,
// however it dies. Open removes half-written files of dead processes,
// and nothing else that has their names.
func Open(dir string) (*Dir, error) { return open(dir, statedir.OSDisk{}) }

func open(dir string, disk statedir.Disk) (*Dir, error) {
	if err := statedir.Open(dir); err != nil {
		return nil, fail("open state directory", dir, err)
	}
	lock, err := hold(dir)
	if err != nil {
		return nil, err
	}
	d := &Dir{path: dir, lock: lock, disk: disk}
	if err := d.removeLeftovers(); err != nil {
		return nil, errors.Join(fail("open state directory", dir, err), lock.Close())
	}
	return d, nil
}

// Probe finds out what Open would return, and changes nothing. If Open would create the
// directory, missing is true. A warning says that other users can read it.
func Probe(dir string) (missing bool, warning string, err error) {
	missing, warning, err = statedir.Probe(dir)
	if err != nil {
		return missing, "", fail("open state directory", dir, err)
	}
	if err := probeHolder(dir); err != nil {
		return missing, "", err
	}
	return missing, warning, nil
}

func (d *Dir) removeLeftovers() error {
	files, err := os.ReadDir(d.path)
	if err != nil {
		return err
	}
	for _, f := range files {
		if !leftover.MatchString(f.Name()) || !f.Type().IsRegular() {
			continue
		}
		if err := os.Remove(filepath.Join(d.path, f.Name())); err != nil {
			return err
		}
	}
	return nil
}

// Close unlocks the directory.
func (d *Dir) Close() error {
	if d.closed.Swap(true) {
		return nil
	}
	return statedir.Release(d.lock)
}

// Load returns the position that lane saved last, nil if it never saved one or Forget
// removed it. The error is source.ErrUnusable if the file is not what this lane saved;
// any other error is about reading the file, and may pass.
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

// Save saves pos, a JSON value of at most 768 kB, as the position of lane. Once it has
// returned nil, a power loss cannot undo it. If the lock of the directory was removed
// or replaced, another process may run the lane, and nothing is saved. After an error
// either the old or the new position is on disk, complete.
func (d *Dir) Save(ctx context.Context, lane string, pos source.Position) error {
	path := d.file(lane)
	if err := d.mayWrite(ctx); err != nil {
		return fail("save checkpoint", path, err)
	}
	data, err := encode(lane, time.Now(), pos)
	if err == nil {
		err = statedir.Replace(d.disk, path, data)
	}
	if err != nil {
		return fail("save checkpoint", path, err)
	}
	return nil
}

// mayWrite returns an error if ctx has ended, or if this process no longer holds the
// directory.
func (d *Dir) mayWrite(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if d.closed.Load() {
		return fs.ErrClosed
	}
	return statedir.Held(d.lock)
}

func (d *Dir) file(lane string) string {
	return filepath.Join(d.path, statedir.FileName(lane)+extension)
}

// Checkpoint is a saved position.
type Checkpoint struct {
	Lane     string // from the file's name if the file cannot be read
	Path     string
	Saved    time.Time
	Position source.Position
	Err      error // why the file cannot be used; nil if it can
}

// List returns every checkpoint in dir, sorted by file name. It does not lock dir, and
// may be called while another process saves.
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

// maxPosition is the largest position: that of a source (see source.Position), and 256 kB
// for what a lane keeps of its log (see evidence.State). maxFile is the largest file, with room for the fields around the position.
const (
	maxPosition = 768 << 10
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
