package ownlog

import "context"

// Store keeps the lines of the own log, each of which is an event as JSON. It numbers them
// in their order, and never uses a number twice. Several processes may append to the same
// log: the daemon, and commands that a person runs. A Store removes its oldest lines once
// it has reached its bound.
//
// Its methods may be called concurrently.
type Store interface {
	// Log returns the name of the log (see Bounds), "" if it is not known yet.
	Log() string

	// Append returns nil once the line is on stable storage. After an error it may or may
	// not be there. The caller may append the same line again, and it is there once.
	Append(ctx context.Context, line []byte) error

	// Read returns lines from a number on, in their order: some that fit in most bytes, and
	// at least one, if there is one. They are on stable storage. The caller must not change
	// them.
	Read(ctx context.Context, from int64, most int) (Passage, error)

	// Wait returns nil once there may be a line with that number or a later one, at the
	// latest after a second.
	Wait(ctx context.Context, from int64) error

	// Bounds returns which lines there are.
	Bounds(ctx context.Context) (Bounds, error)

	Close() error
}

// Passage is a part of the log.
type Passage struct {
	Lines []Line
	Gone  bool // lines from the requested number on were there and are not any more
}

// Line is an event with its number in the log.
type Line struct {
	Number int64
	Text   []byte // without a line end
}

// Bounds say which lines there are. First equals Next if there are none.
type Bounds struct {
	Log   string // names the log: another log in the same place has another name
	First int64  // number of the oldest line
	Next  int64  // number of the next line to be appended
}
