package ownlog

import (
	"errors"
	"fmt"
	"path/filepath"
)

// makeRoom begins a new segment if the newest one is full, and removes the oldest ones that
// are too many.
func (f *Files) makeRoom() error {
	if f.size >= f.limits.bytes {
		if err := f.begin(segment{f.log, f.next}); err != nil {
			return err
		}
	}
	for len(f.segments) > f.limits.segments {
		if err := f.disk.Remove(filepath.Join(f.dir, f.segments[0].name())); err != nil {
			return err
		}
		f.segments = f.segments[1:]
	}
	return nil
}

// begin creates a segment. It is the newest one once its name survives a loss of power.
// Until then the next look finds it as if another process had created it.
func (f *Files) begin(s segment) error {
	file, err := f.disk.Create(filepath.Join(f.dir, s.name()))
	if err != nil {
		return err
	}
	f.segments = append(f.segments, s)
	return f.follow(file, s)
}

// follow makes an open file the newest segment, of which nothing is settled.
func (f *Files) follow(file diskFile, s segment) error {
	if err := f.disk.SyncDir(f.dir); err != nil {
		return errors.Join(err, file.Close())
	}
	former := f.file
	f.file, f.newest, f.size, f.next, f.cut = file, s, 0, s.first, false
	if former == nil {
		return nil
	}
	return former.Close()
}

// look settles what others appended. The caller holds the lock.
func (f *Files) look() error {
	if changed, err := f.changed(); !changed || err != nil {
		return err
	}
	return f.settle()
}

// changed reports whether something is not settled. It lists the segments.
func (f *Files) changed() (bool, error) {
	if err := f.list(); err != nil {
		return false, err
	}
	if f.segments[len(f.segments)-1] != f.newest {
		return true, nil
	}
	size, err := f.file.Size()
	if err == nil && size < f.size {
		err = fmt.Errorf("%w: %s has %d bytes and had %d", errShortened, f.newest.name(), size, f.size)
	}
	return f.cut || size > f.size, err
}

// list lists the segments. A log that is open has not fewer of them than before, apart
// from the oldest.
func (f *Files) list() error {
	names, err := f.disk.List(f.dir)
	if err != nil {
		return err
	}
	found, err := segmentsOf(names)
	switch {
	case err != nil:
		return err
	case f.log == "":
	case len(found) == 0:
		return errRemoved
	case found[0].log != f.log:
		return fmt.Errorf("%w: log %s is there in place of %s", errRemoved, found[0].log, f.log)
	case found[len(found)-1].first < f.newest.first:
		return fmt.Errorf("%w: %s is gone", errShortened, f.newest.name())
	}
	f.segments = found
	return nil
}

// settle makes what is behind the settled bytes survive a loss of power, as far as it is
// whole lines, and cuts off the rest. The caller holds the lock.
func (f *Files) settle() error {
	if newest := f.segments[len(f.segments)-1]; f.file == nil || newest != f.newest {
		file, err := f.disk.Open(filepath.Join(f.dir, newest.name()))
		if err == nil {
			err = f.follow(file, newest)
		}
		if err != nil {
			return err
		}
	}
	end, err := f.file.Size()
	if err != nil {
		return err
	}
	text, err := read(f.file, f.size, end)
	if err != nil {
		return err
	}
	size, lines := whole(text)
	if size < int64(len(text)) {
		f.cut = true
		if err := f.file.Truncate(f.size + size); err != nil {
			return err
		}
	}
	if _, err := f.file.WriteAt(text[:size], f.size); err != nil {
		return err
	}
	if err := f.file.Sync(); err != nil {
		return err
	}
	f.cut = false
	f.settled(size, lines)
	return nil
}

// settled notes bytes that became part of the log, and wakes who waits for them.
func (f *Files) settled(size, lines int64) {
	f.size += size
	f.next += lines
	close(f.appended)
	f.appended = make(chan struct{})
}
