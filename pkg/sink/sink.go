// Package sink says what a destination is: something that takes responsibility
// for batches of records, and tells precisely which it did not take.
//
// A custom sink is a type with Publish and Close, declared with NewType and
// handed to app.WithSink. The conformance suite in package sinktest holds it
// against the contract below. What a sink should not do: retry (the lane does,
// with back-off and for as long as it takes), buffer between calls, or log
// what it returns as an error.
package sink

import (
	"context"
	"time"

	"github.com/rs/zerolog"
)

// Record is an event encoded for a sink.
type Record struct {
	ID           string // the event's: the same in every sink and at every attempt
	Organization string
	Action       string
	Key          string    // records of one key belong in order
	Format       string    // such as "ecs"
	MediaType    string    // of Body, such as "application/json"
	Time         time.Time // when the event happened
	Severity     int       // 0 to 10
	Late         bool
	Unmapped     bool   // the catalogue has no entry for the action
	Truncated    bool   // values were shortened or left out to keep to a limit; Body says so too
	Body         []byte // without a line end
}

// Sink is a destination, opened for one lane. Its methods are never called
// concurrently, except that Close may be called while a Publish that outlived
// its time hangs: both must then return.
type Sink interface {
	// Publish returns nil once the destination has taken responsibility for
	// every record of the batch, in the sense that the sink documents. An empty
	// batch is nil. Any error that is neither Permanent nor a BatchError leaves
	// the outcome unknown, and all records are published again.
	//
	// The batch and the bytes in it belong to the caller; the sink may read them
	// until Publish returns, and not after: other records will stand there. When
	// ctx ends, Publish returns soon.
	Publish(ctx context.Context, batch []Record) error

	// Close releases what the sink holds. It is called once.
	Close() error
}

// Checker is a Sink that can tell whether it would work: the destination is
// reachable and accepts the credentials. Check publishes nothing. The string
// says in a line what was seen.
type Checker interface {
	Check(ctx context.Context) (string, error)
}

// Limiter is a Sink with limits of its own. A zero in Limits is the default.
type Limiter interface{ Limits() Limits }

// Limits bound what one Publish is handed.
type Limits struct {
	Records     int           // records in a batch; default 10,000
	Bytes       int           // bytes of bodies in a batch; default 4 MiB
	RecordBytes int           // bytes of one body, for the encoder to keep to; default 1 MiB
	Timeout     time.Duration // the least time a Publish must be given; default none
}

// Env is what a sink is told when it is opened.
type Env struct {
	Lane   string // such as "acme/siem"
	Source string // name of the source in the configuration
	Log    zerolog.Logger

	// Confirm is for a Ledger, which asks it before it takes the lane: an error says
	// that the lane belongs to another instance. Nil: nobody decides that.
	Confirm func(context.Context) error
}

// Reject is a record that was refused for good, on its way to the dead letters.
type Reject struct {
	Record Record
	Raw    []byte // the event as the source sent it
	Reason string
	Time   time.Time // when it was refused
}

// WithoutOriginal can be said by the settings of a sink whose destination handles
// large records badly: records then go without the event as the source sent it,
// unless the configuration asks for that by original: true.
type WithoutOriginal interface{ WithoutOriginal() }

// KeepsRejects can be said by the settings of a sink that keeps the dead letters of
// its lanes itself: where, such as "topic audit.dead-letters". Empty: it does not.
type KeepsRejects interface{ KeepsRejects() string }

// Exclusive can be said by the settings of a sink whose destination only one
// lane may write: a name of it, such as a path, for the source's lane. Two lanes
// that give the same one are refused when the configuration is read. An empty name
// claims nothing.
type Exclusive interface{ Exclusive(source string) string }
