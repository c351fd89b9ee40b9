package checkpoint

import (
	"context"
	"errors"
	"io/fs"
	"os"
)

// Holds reports whether the lane has a file, whatever its content.
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

// Forget removes the checkpoint of a lane whose position is now stored elsewhere. Once
// it has returned nil, a power loss cannot bring the checkpoint back.
func (d *Dir) Forget(ctx context.Context, lane string) error {
	path := d.file(lane)
	err := d.mayWrite(ctx)
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

// Holds reports whether the topic has a position of the lane. It ignores the position
// of a sink that stores it in the same topic. It does not take the lane.
func (t *Topic) Holds(ctx context.Context, lane string) (bool, error) {
	return t.lane(lane).Holds(ctx)
}

// Forget returns nil once the topic has no position of the lane, other than that of a
// sink that stores it in the same topic. It may take the lane.
func (t *Topic) Forget(ctx context.Context, lane string) error {
	k := t.lane(lane)
	if err := k.Forget(ctx); err != nil {
		return err
	}
	k.position = nil
	return nil
}
