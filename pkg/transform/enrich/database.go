package enrich

import (
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
	"time"
)

// Database is a database of locations or autonomous systems, in memory as last read. It
// is safe for concurrent use: lanes share one.
type Database struct {
	path    string
	kind    kind
	current atomic.Pointer[edition]
	pending stamp // of a file that differs from current, at the former refresh
}

// OpenCity reads a database of cities or countries.
func OpenCity(path string) (*Database, error) { return open(path, cities) }

// OpenASN reads a database of autonomous systems.
func OpenASN(path string) (*Database, error) { return open(path, systems) }

func open(path string, kind kind) (*Database, error) {
	first, err := read(path, kind)
	if err != nil {
		return nil, &OpenError{Key: "enrich." + string(kind), Err: err}
	}
	d := &Database{path: path, kind: kind}
	d.current.Store(first)
	return d, nil
}

// OpenError means that a database cannot be used.
type OpenError struct {
	Key string // of the configuration
	Err error
}

func (e *OpenError) Error() string { return e.Key + ": " + e.Err.Error() }
func (e *OpenError) Unwrap() error { return e.Err }

// ErrorHint returns what the user can do about it.
func (e *OpenError) ErrorHint() string {
	if errors.Is(e.Err, fs.ErrNotExist) {
		return "download the database to that path, as with geoipupdate, or correct the path"
	}
	return "a database is a file in the format of MaxMind (.mmdb) that this user may read; download it anew"
}

// Refresh reloads the file if it changed, and reports whether it did. It waits until the
// file is the same at two calls, since a file that is being written is incomplete. If the
// file is missing or broken, the former content stays in use, and every call returns an
// error. Refresh must not be called concurrently.
func (d *Database) Refresh() (changed bool, err error) {
	now, err := stampOf(d.path)
	if err != nil {
		return false, d.stays(err)
	}
	switch now {
	case d.current.Load().stamp:
		return false, nil
	case d.pending:
	default:
		d.pending = now
		return false, nil
	}
	next, err := read(d.path, d.kind)
	if err != nil {
		return false, d.stays(err)
	}
	d.current.Store(next)
	return true, nil
}

func (d *Database) stays(err error) error {
	return fmt.Errorf("enrich.%s: the database of %s stays in use: %w", d.kind, d.Built().Format(time.DateOnly), err)
}

// Built returns when the database was built.
func (d *Database) Built() time.Time { return d.current.Load().reader.Metadata.BuildTime().UTC() }

// Bytes returns the size of the database in memory.
func (d *Database) Bytes() int64 { return d.current.Load().stamp.size }

// String describes the database for people.
func (d *Database) String() string {
	return fmt.Sprintf("%s of %s (%s)", d.current.Load().reader.Metadata.DatabaseType, d.Built().Format(time.DateOnly), d.path)
}

func (d *Database) edition() *edition {
	if d == nil {
		return nil
	}
	return d.current.Load()
}
