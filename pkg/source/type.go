package source

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/rs/zerolog"
)

// Type is a kind of source that a configuration can name. It holds everything that differs
// between the logs of two products. NewType sets the first three fields.
type Type struct {
	Name     string
	Settings func() any // a pointer to settings that hold the defaults
	Open     func(ctx context.Context, env OpenEnv, settings any) (Source, error)

	// Product describes whose log it is.
	Product Product

	// Catalogue describes the actions of the log. It is JSON with the keys of a user's
	// own catalogue (see docs/mapping.md), and overrides the common catalogue of verbs.
	// It may be empty.
	Catalogue []byte

	// Parse reads an answer of the API, or a single event, that did not come over the
	// network. Every element becomes an event. One that cannot be decoded is kept raw,
	// with the reason in Problem. Parse fails for an answer that is not a list of events.
	// The events share memory with data, which must not change while they are in use.
	Parse func(data []byte, organization string) ([]Event, error)
}

// OpenEnv describes to a source its place in the configuration.
type OpenEnv struct {
	Source string // its name in the configuration
	Log    zerolog.Logger

	// Beside returns the usage of another process that reads the log with the same
	// credential and whose requests go first; false if it is not known at the moment. A
	// source asks before each request. Nil: there is no such process.
	Beside func(context.Context) (Usage, bool)
}

// NewType declares a kind of source by the struct that its settings decode into (see
// package setting for what such a struct may hold). The caller sets the other fields.
func NewType[C any](name string, defaults C, open func(context.Context, OpenEnv, C) (Source, error)) Type {
	return Type{
		Name:     name,
		Settings: func() any { c := defaults; return &c },
		Open: func(ctx context.Context, env OpenEnv, settings any) (Source, error) {
			return open(ctx, env, *settings.(*C))
		},
	}
}

var goodName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// Validate reports every mistake that the author of the type made. The catalogue is
// validated where it is read.
func (t *Type) Validate() error {
	var errs []error
	if !goodName.MatchString(t.Name) {
		errs = append(errs, fmt.Errorf("the name %q is not a word of a-z, 0-9 and _ that begins with a letter", t.Name))
	}
	if t.Settings == nil || t.Open == nil {
		errs = append(errs, errors.New("the field Settings or Open is missing; make the type with source.NewType"))
	}
	if t.Parse == nil {
		errs = append(errs, errors.New("the field Parse is missing; the commands map and deadletter redrive read raw events with it"))
	}
	return errors.Join(append(errs, t.Product.Validate())...)
}

// Retainer may be implemented by the settings of a source whose readers hold much memory.
// Retains returns the most bytes that one reader holds. The process bounds its memory by
// it.
type Retainer interface{ Retains() int64 }

// Organizer may be implemented by the settings of a source that reads the log of one
// organization. Its events name that organization.
type Organizer interface{ OrganizationName() string }
