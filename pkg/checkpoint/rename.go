package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

var (
	// ErrNone is about a lane that has no checkpoint.
	ErrNone = errors.New("there is no checkpoint")
	// ErrExists is about a lane that has one.
	ErrExists = errors.New("there is a checkpoint")
)

// Rename makes the checkpoint of lane from that of lane to, which must have none.
//
// A file names its lane, so that renaming it is not enough. It is renamed first
// and replaced then. After a crash in between, the file has the new name and names
// the former lane: Load refuses it with ErrForeign, neither lane begins anew, and
// Rename finishes what it began.
func (d *Dir) Rename(ctx context.Context, from, to string) error {
	if err := ctx.Err(); err != nil {
		return fail("rename checkpoint", d.file(from), err)
	}
	if err := d.rename(from, to); err != nil {
		return fail("rename checkpoint", d.file(from), err)
	}
	return nil
}

func (d *Dir) rename(from, to string) error {
	there, err := read(d.file(to))
	begun := err == nil && there.Lane == from
	if !begun && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w of lane %s: %s", ErrExists, to, d.file(to))
	}
	if !begun {
		if there, err = read(d.file(from)); err == nil && there.Lane != from {
			err = fmt.Errorf("%w %q", ErrForeign, there.Lane)
		}
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: %w", ErrNone, err)
		}
		if err != nil {
			return err
		}
	}
	data, err := encode(to, time.Now(), there.Position)
	if err != nil {
		return err
	}
	if !begun {
		if err := d.disk.Rename(d.file(from), d.file(to)); err != nil {
			return err
		}
		if err := d.disk.SyncDir(d.path); err != nil {
			return err
		}
	} else if _, err := os.Lstat(d.file(from)); err == nil {
		return fmt.Errorf("%w of lane %s: %s", ErrExists, from, filepath.Base(d.file(from)))
	}
	return replace(d.disk, d.file(to), data)
}
