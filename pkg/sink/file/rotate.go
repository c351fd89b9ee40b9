package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// stamp is the time in the name of a rotated file, in UTC. Names sort by it.
const stamp = "20060102T150405.000Z"

// full reports whether size more bytes must go to a new file.
func (a *archive) full(size int, now time.Time) bool {
	if a.acknowledged == 0 {
		return false
	}
	if limit := a.settings.MaxBytes.Bytes(); limit > 0 && a.acknowledged+int64(size) > limit {
		return true
	}
	age := a.settings.MaxAge.Std()
	return age > 0 && a.last.Before(now.Truncate(age))
}

// rotate renames the file to its final name and creates a new one.
func (a *archive) rotate(now time.Time) error {
	name, err := a.reserve(now)
	if err != nil {
		return fmt.Errorf("rotating: %w", err)
	}
	if err := os.Rename(a.real, name); err != nil {
		return errors.Join(fmt.Errorf("rotating: %w", err), os.Remove(name))
	}
	if err := a.closeFile(); err != nil {
		return fmt.Errorf("closing the rotated file: %w", err)
	}
	if err := a.open(); err != nil { // it syncs the directory, which also makes the rename durable
		return err
	}
	a.prune()
	return nil
}

// reserve creates an empty file with a new name, which the rotated file replaces. A
// rename alone could overwrite another program's file. The name sorts after those
// of all files rotated before, even if the clock was set back, because prune uses
// the order of names as the order of time.
func (a *archive) reserve(now time.Time) (string, error) {
	before, err := a.rotatedFiles()
	if err != nil {
		return "", err
	}
	for at := now; ; at = at.Add(time.Millisecond) {
		name := a.rotated(at)
		if n := len(before); n > 0 && name <= before[n-1].path {
			at = before[n-1].at
			continue
		}
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		return name, f.Close()
	}
}

// rotated returns the path of a file rotated at a time, with the same extension:
// audit-20260102T030405.000Z.ndjson for audit.ndjson.
func (a *archive) rotated(at time.Time) string {
	ext := filepath.Ext(a.real)
	return strings.TrimSuffix(a.real, ext) + "-" + at.UTC().Format(stamp) + ext
}

// prune deletes the oldest rotated files beyond keep. A failure does no harm: it is
// logged, and the next rotation tries again.
func (a *archive) prune() {
	if a.settings.Keep == 0 {
		return
	}
	files, err := a.rotatedFiles()
	if err != nil {
		a.log.Warn().Err(err).Str("path", a.path).Msg("listing rotated files failed; none was deleted")
		return
	}
	for _, f := range files[:max(0, len(files)-a.settings.Keep)] {
		if err := os.Remove(f.path); err != nil {
			a.log.Warn().Err(err).Msg("deleting a rotated file failed")
			continue
		}
		a.log.Info().Str("path", f.path).Int("keep", a.settings.Keep).Msg("deleted the oldest rotated file")
	}
}

type rotatedFile struct {
	path string
	at   time.Time
}

// rotatedFiles lists the rotated files, oldest first.
func (a *archive) rotatedFiles() ([]rotatedFile, error) {
	dir := filepath.Dir(a.real)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	ext := filepath.Ext(a.real)
	stem := strings.TrimSuffix(filepath.Base(a.real), ext) + "-"
	var files []rotatedFile
	for _, e := range entries { // in the order of their names
		text, ok := within(e.Name(), stem, ext)
		at, err := time.Parse(stamp, text)
		if ok && err == nil && e.Type().IsRegular() {
			files = append(files, rotatedFile{filepath.Join(dir, e.Name()), at})
		}
	}
	return files, nil
}

// within returns the part of name between prefix and suffix.
func within(name, prefix, suffix string) (string, bool) {
	name, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return "", false
	}
	return strings.CutSuffix(name, suffix)
}
