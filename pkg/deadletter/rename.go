package deadletter

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/sluice-siem/sluice/pkg/internal/statedir"
)

// Rename gives the letters of lane from to lane to, behind those that it has. It leaves
// the letters unchanged, so each still names the lane that buried it. If it failed or its
// process died, it can be called again: no letter is lost, but lane to may have some of
// them twice.
func (s *Store) Rename(ctx context.Context, from, to string) error {
	if err := s.rename(ctx, from, to); err != nil {
		return fail(fmt.Sprintf("move dead letters of lane %s to lane %s", from, to), s.path(from, extension), err)
	}
	return nil
}

func (s *Store) rename(ctx context.Context, from, to string) (err error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	// The letters of a redrive that died are the older ones.
	for _, ext := range []string{redriveExtension, extension} {
		if err := s.give(s.path(from, ext), s.path(to, extension)); err != nil {
			return err
		}
	}
	return nil
}

// give moves the letters of one file to another, unless a redrive is running on them.
func (s *Store) give(from, to string) (err error) {
	f, err := os.OpenFile(from, os.O_RDWR|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := tryClaim(f); err != nil {
		return err
	}
	if _, err = os.Lstat(to); errors.Is(err, fs.ErrNotExist) {
		err = s.disk.Rename(from, to)
	} else if err == nil {
		err = s.merge(f, to)
	}
	if err != nil {
		return err
	}
	return s.disk.SyncDir(s.dir)
}

// merge appends the letters of a file to those at path, and then removes the file. In
// this order a power loss in between duplicates letters and loses none.
func (s *Store) merge(f *os.File, path string) error {
	if err := s.append(path, f); err != nil {
		return err
	}
	return s.disk.Remove(f.Name())
}

// tryClaim locks a file with letters for this redrive or rename.
func tryClaim(f *os.File) error {
	err := statedir.TryLockFile(f)
	if errors.Is(err, statedir.ErrLocked) {
		return ErrBusy
	}
	return err
}
