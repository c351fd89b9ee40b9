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

// Lane is what a directory holds of a lane.
type Lane struct {
	Name           string
	Letters        int
	Bytes          int64
	Oldest, Newest time.Time // when records were refused; zero if no letter can be read
	Unreadable     int       // lines that are no letters; the error of Letters says which
	Redriving      bool      // a redrive is under way, or died and waits for the next
}

// List is what dir holds, ordered by lane. It takes no lock and may be called
// while other processes bury and redrive.
func List(dir string) ([]Lane, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, fail("list dead letters", dir, err)
	}
	lanes := map[string]*Lane{}
	for _, f := range files {
		name, redriving, ok := laneOf(f.Name())
		if !ok {
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

// laneOf is the lane whose letters are in a file; ok is false if it is no such file.
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
	for read, err := range letters(path) {
		switch {
		case errors.Is(err, ErrUnreadable):
			l.Unreadable++
			continue
		case err != nil:
			return err
		}
		l.Letters++
		l.Bytes += int64(read.bytes)
		if l.Oldest.IsZero() || read.Time.Before(l.Oldest) {
			l.Oldest = read.Time
		}
		if read.Time.After(l.Newest) {
			l.Newest = read.Time
		}
	}
	return nil
}

// Letters are the dead letters of a lane in dir, those of a redrive that is under
// way or died first. A line that is no letter is an error that wraps
// ErrUnreadable and names it, and more letters follow; any other error is the
// last. It takes no lock.
func Letters(dir, lane string) iter.Seq2[Letter, error] {
	return func(yield func(Letter, error) bool) {
		for _, ext := range []string{redriveExtension, extension} {
			path := filepath.Join(dir, statedir.FileName(lane)+ext)
			for read, err := range letters(path) {
				if err != nil {
					err = fail("read dead letters", path, err)
				}
				if !yield(read.Letter, err) {
					return
				}
			}
		}
	}
}

// stored is a letter and how long its line is.
type stored struct {
	Letter
	bytes int
}

// letters are those of one file; none if it does not exist.
func letters(path string) iter.Seq2[stored, error] {
	return func(yield func(stored, error) bool) {
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err != nil {
			yield(stored{}, err)
			return
		}
		defer f.Close()
		n := 0
		for data, err := range lines(f) {
			if err != nil {
				yield(stored{}, err)
				return
			}
			n++
			l, err := letter.Decode(data)
			if err != nil {
				err = fmt.Errorf("line %d: %w: %w", n, ErrUnreadable, err)
			}
			if !yield(stored{l, len(data)}, err) {
				return
			}
		}
	}
}
