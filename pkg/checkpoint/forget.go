package checkpoint

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/sluice-siem/sluice/pkg/internal/statedir"
)

// Holds says whether there is a file of the lane, whatever is in it.
func (d *Dir) Holds(ctx context.Context, lane string) (bool, error) {
	path := d.file(lane)
	err := ctx.Err()
	if err == nil {
		_, err = os.Lstat(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fail("look for checkpoint", path, err)
	}
	return true, nil
}

// Forget removes the checkpoint of a lane whose position is kept elsewhere from now
// on. Once it has returned nil, a power loss cannot bring it back.
func (d *Dir) Forget(ctx context.Context, lane string) error {
	path := d.file(lane)
	err := ctx.Err()
	if err == nil && d.closed.Load() {
		err = fs.ErrClosed
	}
	if err == nil {
		err = statedir.Held(d.lock)
	}
	if err == nil {
		err = d.disk.Remove(path)
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = d.disk.SyncDir(d.path)
	}
	if err != nil {
		return fail("forget checkpoint", path, err)
	}
	return nil
}

// Holds says whether the topic has a position of the lane that is not that of a sink
// which keeps it there itself. It takes nothing.
func (t *Topic) Holds(ctx context.Context, lane string) (bool, error) {
	return t.lane(lane).Holds(ctx)
}

// Forget returns nil once the topic has no position of the lane but that of a sink
// which keeps it there itself. It may take the lane.
func (t *Topic) Forget(ctx context.Context, lane string) error {
	k := t.lane(lane)
	if err := k.Forget(ctx); err != nil {
		return err
	}
	k.position = nil
	return nil
}
