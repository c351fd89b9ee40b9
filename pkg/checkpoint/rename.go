package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/statedir"
)

var (
	// ErrNone is the error of a lane without a checkpoint.
	ErrNone = errors.New("there is no checkpoint")
	// ErrExists is the error of a lane that already has a checkpoint.
	ErrExists = errors.New("there is a checkpoint")
)

// Rename moves the checkpoint of lane from to lane to, which must have none.
//
// A file contains the name of its lane, so it is renamed first and then replaced.
// After a crash in between, the file has the new name but contains the old lane: Load
// refuses it with ErrForeign, neither lane starts anew, and another Rename finishes the
// work.
func (d *Dir) Rename(ctx context.Context, from, to string) error {
	err := d.mayWrite(ctx)
	if err == nil {
		err = d.rename(from, to)
	}
	if err != nil {
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
	return statedir.Replace(d.disk, d.file(to), data)
}
