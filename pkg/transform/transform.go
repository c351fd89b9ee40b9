// Package transform defines how events become records, and holds what the formats
// share: the catalogue, which describes every action, and Resolve, which finds who did
// what to what in an event.
//
// The catalogue is data. Each type of source has its own, common.json holds what is
// common to all, and a user's file may override both. Rules describe an action that the
// catalogue does not list, and it is delivered like all others: nothing here refuses an
// event.
//
// A format appends the bytes of a record to the buffer that it gets. It copies from the
// event, never re-marshals it, and escapes every text that a user of the source may have
// chosen.
//
// # Files
//
// The catalogue is read in entry, built in build and asked through catalogue,
// action, category and class. role and party say who did what to what. Formats use
// encode, record, options and text; explain shows people the rule behind a field.
package transform

import (
	"strings"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// Transformer encodes events. It is pure and safe for concurrent use.
type Transformer interface {
	// Transform returns the record of e. Its Body is dst with the encoded event
	// appended: if dst has enough capacity, nothing is allocated. An error means that
	// the event cannot be encoded within the limits. It becomes a dead letter.
	Transform(dst []byte, e *source.Event) (sink.Record, error)
}

// Format is an encoding that a configuration can name.
type Format struct {
	Name      string
	MediaType string
	Settings  func() any // a pointer to settings that hold the defaults
	Least     int        // what Options.MaxBytes must be for ordinary events to fit; see AtLeast
	New       func(Options) (Transformer, error)

	// Explain returns the fields of a record's body, in its order, each with the rule
	// that made it; see ExplainedBy. It is nil if the format cannot explain records.
	Explain func(p *source.Product, body []byte) ([]Field, error)
}

// JSON reports whether records of the format are JSON (RFC 6839, section 3.1).
func (f Format) JSON() bool {
	return f.MediaType == "application/json" || strings.HasSuffix(f.MediaType, "+json")
}

// AtLeast returns the format with a least limit in bytes. A smaller limit is a mistake:
// ordinary events would not fit even with everything optional left out, and would become
// dead letters.
func (f Format) AtLeast(bytes int) Format {
	f.Least = bytes
	return f
}

// NewFormat declares a format. defaults is the struct that its settings decode into (see
// package setting), or an empty struct if it has no settings.
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

// Options are what a format gets at construction.
type Options struct {
	Original bool   // carry the raw event in the record, where the format can
	MaxBytes int    // the largest body; 0 is 1 MiB
	Host     string // name of the machine Sluice runs on
	Version  string // of Sluice
	Width    int    // of the screen that shows the records, in columns; 0 if there is none
	Settings any    // what Format.Settings returned, changed or not; nil is the defaults

	Product   source.Product // whose log the events are from
	Catalogue *Catalogue     // what is known of their actions; nil is the common one
}
