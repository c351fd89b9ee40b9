// Package sink defines what a destination is: it takes responsibility for batches
// of records, and reports exactly which records it did not take.
//
// A custom sink is a type with Publish and Close, declared with NewType and
// passed to app.WithSink. The conformance suite in package sinktest checks it
// against the contract below. A sink should not retry (the lane retries, with
// back-off, for as long as it takes), buffer between calls, or log an error that it
// returns.
package sink

import (
	"cmp"
	"context"
	"time"

	"github.com/rs/zerolog"
)

// Record is an event encoded for a sink.
type Record struct {
	ID           string // of the event: the same in every sink and at every attempt
	Organization string
	Action       string
	Key          string    // records with the same key must stay in order
	Format       string    // such as "ecs"
	MediaType    string    // of Body, such as "application/json"
	Time         time.Time // when the event happened
	Severity     int       // 0 to 10
	Late         bool      // as in source.Event, like the next two
	Replayed     bool
	OwnToken     bool
	Epoch        uint64 // how often the lane was taken; 0 without evidence, as is Sequence
	Sequence     uint64 // how many records stand before it in the lane's log
	Unmapped     bool   // the catalogue has no entry for the action
	Truncated    bool   // values were shortened or left out to fit a limit; Body is marked too
	Object       bool   // Body is one JSON object in UTF-8: its format promises that
	Body         []byte // without a line end
}

// Sink is a destination, opened for one lane. Its methods are never called
// concurrently, with one exception: Close may be called while a Publish hangs
// beyond its timeout. Both must then return.
type Sink interface {
	// Publish returns nil once the destination has taken responsibility for
	// every record of the batch; the sink documents what that means. For an empty
	// batch it returns nil. After any error that is neither Permanent nor a
	// BatchError the outcome is unknown, and the lane publishes all records again.
	//
	// The batch and its bytes belong to the caller. The sink may read them only until
	// Publish returns: the caller reuses the memory. When ctx ends, Publish returns
	// soon.
	Publish(ctx context.Context, batch []Record) error

	// Close releases what the sink holds. It is called once.
	Close() error
}

// Checker is a Sink that can check whether it would work: whether the destination
// is reachable and accepts the credentials. Check publishes nothing. The string
// describes what it found, in one line. Check fails only if Publish would fail. What it
// logs at level warn through Env.Log, people see beside that line.
type Checker interface {
	Check(ctx context.Context) (string, error)
}

// Limiter is a Sink with limits of its own. A zero in Limits means the default.
type Limiter interface{ Limits() Limits }

// Limits bound the batch of one Publish.
type Limits struct {
	Records     int           // records in a batch; default 10,000
	Bytes       int           // bytes of all bodies in a batch; default 4 MiB
	RecordBytes int           // bytes of one body, which the encoder keeps to; default 1 MiB
	Timeout     time.Duration // the least time that a Publish needs; default none

	// OldestEvent is how old an event may be when it is published: the destination
	// refuses older ones, or gives them another time. Default none.
	OldestEvent time.Duration

	// Linger is how long the lane may wait for more, from the first event that waits,
	// before it publishes a batch that is not full. It is for destinations that want few
	// large batches. Default none: the lane publishes what is there.
	Linger time.Duration
}

// WithDefaults returns l with the default for each limit of a batch that l does not set.
func (l Limits) WithDefaults() Limits {
	l.Records = cmp.Or(l.Records, 10_000)
	l.Bytes = cmp.Or(l.Bytes, 4<<20)
	return l
}

// Fitting returns how many of the records, from the first on, fit into one batch. It is at
// least one: if that record exceeds the limit, the sink has to refuse it.
func (l Limits) Fitting(records []Record) int {
	size := 0
	for n := range records {
		if size += len(records[n].Body); n > 0 && (n == l.Records || size > l.Bytes) {
			return n
		}
	}
	return len(records)
}

// Env is what the lane passes to a sink when it opens it.
type Env struct {
	Lane    string // such as "acme/siem"
	Source  string // name of the source in the configuration, or OwnSource
	Dataset string // what the source's log is, such as "acme.audit"
	Log     zerolog.Logger

	// Confirm reports whether the lane belongs to this instance. A Ledger calls it
	// before it takes the lane; an error means that the lane belongs to another
	// instance. Nil: nobody assigns lanes to instances.
	Confirm func(context.Context) error

	// Again means that records are sent a second time, beside the lane, which may run
	// meanwhile. The sink must take nothing that is the lane's: it moves no position,
	// and fences no instance. Sinks that keep nothing for their lane may ignore it.
	Again bool
}

// OwnSource is the name of the source of lanes that deliver the events of Sluice's own log.
// No source of a configuration has it.
const OwnSource = "sluice"

// Reject is a record that the destination refused for good. It becomes a dead
// letter.
type Reject struct {
	Record Record
	Raw    []byte // the event as the source sent it
	Reason string
	Time   time.Time // when it was refused
}

// WithoutOriginal may be implemented by a sink's settings. It leaves the original
// event out of records by default, for destinations that handle large records
// badly. The configuration can ask for it with original: true.
type WithoutOriginal interface{ WithoutOriginal() }

// WithoutEvidence may be implemented by a sink's settings. Its records are messages for
// people, who would see numbers and seals and could not check them. So its lanes have
// neither by default. The configuration can ask for them with evidence: true.
type WithoutEvidence interface{ WithoutEvidence() }

// DefaultFormat may be implemented by a sink's settings. It returns the name of the format
// of its records if the configuration names none; otherwise that is ecs.
type DefaultFormat interface{ DefaultFormat() string }

// NeedsJSON may be implemented by the settings of a sink that takes JSON alone. It returns
// the reason, and after a colon what to write; a configuration with another format is wrong.
type NeedsJSON interface{ NeedsJSON() string }

// Screen may be implemented by a sink that people watch. Columns returns the width of the
// screen, or 0 if there is none.
type Screen interface{ Columns() int }

// KeepsRejects may be implemented by the settings of a sink that stores its lanes'
// dead letters itself. It returns where, such as "topic audit.dead-letters", or ""
// if the sink does not store them.
type KeepsRejects interface{ KeepsRejects() string }

// Exclusive may be implemented by the settings of a sink whose destination only one
// lane may write. It returns a name for the destination of the source's lane, such
// as a path; the source may be OwnSource. Two lanes with the same name are an error in
// the configuration. An empty name claims nothing.
type Exclusive interface{ Exclusive(source string) string }
