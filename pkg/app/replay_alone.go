package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sluice-siem/sluice/pkg/internal/statedir"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// alone locks the sources of the replay in the state directory until release. Replays of
// one source do not see each other's requests, so two of them would pass
// requests_per_minute. Replicas share no directory: there nothing is locked.
func (r *replay) alone() (release func() error, err error) {
	var locks []*os.File
	unlock := func() (err error) {
		for _, f := range locks {
			err = errors.Join(err, statedir.Release(f))
		}
		return err
	}
	if r.cfg.State.Type != "file" {
		return unlock, nil
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, unlock())
		}
	}()
	if err := statedir.Open(r.cfg.State.Dir); err != nil {
		return nil, lockFailed(r.cfg.State.Dir, err)
	}
	for _, p := range r.parts {
		path := filepath.Join(r.cfg.State.Dir, statedir.FileName(p.lane.Source.Name)+".replay")
		f, err := statedir.TryLock(path)
		if errors.Is(err, statedir.ErrLocked) {
			return nil, besideReplay(p.lane.Source.Name, path)
		}
		if err != nil {
			return nil, lockFailed(path, err)
		}
		locks = append(locks, f)
		if err := statedir.Sign(f); err != nil {
			return nil, lockFailed(path, err)
		}
	}
	return unlock, nil
}

// besideReplay is the error of a replay beside another one of the source.
func besideReplay(source, path string) error {
	by := "another process"
	if h, ok := statedir.ReadHolder(path); ok {
		by = h.String()
	}
	return sink.Hint(fmt.Errorf("source %s is being replayed by %s", source, by),
		"wait for its end: together they would pass the source's requests_per_minute")
}

func lockFailed(path string, err error) error {
	return sink.Hint(fmt.Errorf("lock of the replay: %w", err), statedir.Explain(err, path).Hint)
}
