package deadletter

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/letter"
	"github.com/sluice-siem/sluice/pkg/internal/statedir"
)

// Lane describes the letters of a lane in a directory.
type Lane struct {
	Name           string
	Letters        int
	Bytes          int64     // of its files, with all that cannot be read
	Oldest, Newest time.Time // when records were refused; zero if no letter can be read
	Unreadable     int       // lines that are not letters; the errors of Letters name them
	Redriving      bool      // a redrive is running, or died and waits for the next one
}

// List returns the lanes with files in dir, sorted by name, except for those that choose
// leaves out; nil chooses all. It reads the letters of the others. It takes no lock, and
// may be called while other processes bury and redrive.
func List(dir string, choose func(lane string) bool) ([]Lane, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, fail("list dead letters", dir, err)
	}
	lanes := map[string]*Lane{}
	for _, f := range files {
		name, redriving, ok := laneOf(f.Name())
		if !ok || choose != nil && !choose(name) {
			continue
		}
		if lanes[name] == nil {
			lanes[name] = &Lane{Name: name}
		}
		if redriving {
			lanes[name].Redriving = true
		}
		path := filepath.Join(dir, f.Name())
		if err := lanes[name].add(path); err != nil {
			return nil, fail("list dead letters", path, err)
		}
	}
	var list []Lane
	for _, name := range slices.Sorted(maps.Keys(lanes)) {
		list = append(list, *lanes[name])
	}
	return list, nil
}

// laneOf returns the lane of a file with letters; ok is false for any other file.
func laneOf(file string) (lane string, redriving, ok bool) {
	base, redriving := strings.CutSuffix(file, redriveExtension)
	if !redriving {
		if base, ok = strings.CutSuffix(file, extension); !ok {
			return "", false, false
		}
	}
	lane, ok = statedir.LaneName(base)
	return lane, redriving, ok
}

func (l *Lane) add(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) { // A redrive has just ended.
		return nil
	}
	if err != nil {
		return err
	}
	l.Bytes += info.Size()
	for read, err := range letters(path) {
		switch {
		case errors.Is(err, ErrUnreadable):
			l.Unreadable++
			continue
		case err != nil:
			return err
		}
		l.Letters++
		if l.Oldest.IsZero() || read.Time.Before(l.Oldest) {
			l.Oldest = read.Time
		}
		if read.Time.After(l.Newest) {
			l.Newest = read.Time
		}
	}
	return nil
}

// Letters returns the dead letters of a lane in dir. Those of a redrive that is running
// or died come first. A line that is not a letter yields an error that wraps
// ErrUnreadable and names the line, and the sequence continues; any other error ends
// it. Letters takes no lock.
func Letters(dir, lane string) iter.Seq2[Letter, error] {
	return func(yield func(Letter, error) bool) {
		for _, ext := range []string{redriveExtension, extension} {
			path := filepath.Join(dir, statedir.FileName(lane)+ext)
			for read, err := range letters(path) {
				if err != nil {
					err = fail("read dead letters", path, err)
				}
				if !yield(read, err) {
					return
				}
			}
		}
	}
}

// letters returns the letters of one file; none if it does not exist.
func letters(path string) iter.Seq2[Letter, error] {
	return func(yield func(Letter, error) bool) {
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err != nil {
			yield(Letter{}, err)
			return
		}
		defer f.Close()
		n := 0
		for data, err := range lines(f) {
			if err != nil {
				yield(Letter{}, err)
				return
			}
			n++
			l, err := letter.Decode(data)
			if err != nil {
				err = fmt.Errorf("line %d: %w: %w", n, ErrUnreadable, err)
			}
			if !yield(l, err) {
				return
			}
		}
	}
}
