// Package transform says how events become records, and holds what the formats
// share: the catalogue, which says of every action what it is, and Resolve, which
// says who did what to what in an event.
//
// The catalogue is data, catalogue.json, of which docs/mapping.md is made; a file
// of a user's can be laid over it. An action it does not list is described by
// rules and delivered like all others: nothing here refuses an event.
//
// A format appends the bytes of a record to a buffer it is given. It copies
// from the event, never re-marshals it, and escapes whatever a user of the
// source may have chosen.
package transform

import (
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// Transformer encodes events. It is pure and safe for concurrent use.
type Transformer interface {
	// Transform returns the record of e. Its Body is dst with the encoded event
	// appended, so with an empty dst of enough capacity nothing is allocated. An
	// error means that this event cannot be encoded within the limits at all; it
	// becomes a dead letter.
	Transform(dst []byte, e *source.Event) (sink.Record, error)
}

// Format is an encoding that a configuration can name.
type Format struct {
	Name      string
	MediaType string
	Settings  func() any // a pointer to settings that hold the defaults
	Least     int        // what Options.MaxBytes must be for ordinary events to fit; see AtLeast
	New       func(Options) (Transformer, error)

	// Explain says of each field of a record's body which rule made it, in the order
	// of the body; see ExplainedBy. It is nil for a format that cannot.
	Explain func(body []byte) ([]Field, error)
}

// AtLeast returns the format with the number of bytes below which a limit is a
// mistake: even after everything was left out that can be, ordinary events would
// not fit, and would become dead letters one after the other.
func (f Format) AtLeast(bytes int) Format {
	f.Least = bytes
	return f
}

// NewFormat declares a format by the struct its settings decode into (see
// package setting for what such a struct can say), an empty one where it has
// none.
func NewFormat[C any](name, mediaType string, defaults C, open func(Options, C) (Transformer, error)) Format {
	return Format{
		Name:      name,
		MediaType: mediaType,
		Settings:  func() any { c := defaults; return &c },
		New: func(o Options) (Transformer, error) {
			c := defaults
			if o.Settings != nil {
				c = *o.Settings.(*C)
			}
			return open(o, c)
		},
	}
}

// Options are what a format is told at construction.
type Options struct {
	Original bool   // carry the raw event in the record, where the format can
	MaxBytes int    // the largest body; 0 is 1 MiB
	Host     string // name of the machine Sluice runs on
	Version  string // of Sluice
	Settings any    // what Format.Settings returned, changed or not; nil is the defaults

	Catalogue *Catalogue // what is known of actions; nil is the built-in one
}
