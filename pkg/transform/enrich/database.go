package enrich

import (
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
	"time"
)

// Database is a file of places or autonomous systems, in memory as it was when it
// was last read. It is safe for concurrent use: lanes share one.
type Database struct {
	path    string
	kind    kind
	current atomic.Pointer[edition]
	pending stamp // of a file that differs from current, as it was at the refresh before
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

// OpenError is of a database that cannot be used.
type OpenError struct {
	Key string // of the configuration
	Err error
}

func (e *OpenError) Error() string { return e.Key + ": " + e.Err.Error() }
func (e *OpenError) Unwrap() error { return e.Err }

// Hint is what can be done about it.
func (e *OpenError) Hint() string {
	if errors.Is(e.Err, fs.ErrNotExist) {
		return "download the database to that path, as with geoipupdate, or correct the path"
	}
	return "a database is a file in the format of MaxMind (.mmdb) that this user may read; download it anew"
}

// Refresh reads the file again if it changed, and tells whether it did. A file
// must be the same at two calls, since one that is being written is not yet
// whole. If it is gone or broken, what was read before stays in use, and the
// error says so at every call. It must not be called concurrently.
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

// Built is when its maker built the database.
func (d *Database) Built() time.Time { return d.current.Load().reader.Metadata.BuildTime().UTC() }

// Bytes is what the database takes in memory.
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
