package source

import (
	"context"

	"github.com/rs/zerolog"
)

// Type is a kind of source that a configuration can name.
type Type struct {
	Name     string
	Settings func() any // a pointer to settings that hold the defaults
	Open     func(ctx context.Context, env OpenEnv, settings any) (Source, error)
}

// OpenEnv is what a source is told when it is opened.
type OpenEnv struct {
	Source string // its name in the configuration
	Log    zerolog.Logger
}

// NewType declares a kind of source by the struct its settings decode into
// (see package setting for what such a struct can say).
func NewType[C any](name string, defaults C, open func(context.Context, OpenEnv, C) (Source, error)) Type {
	return Type{
		Name:     name,
		Settings: func() any { c := defaults; return &c },
		Open: func(ctx context.Context, env OpenEnv, settings any) (Source, error) {
			return open(ctx, env, *settings.(*C))
		},
	}
}

// Retainer can be said by the settings of a source whose readers keep much in
// memory: at most so many bytes each. The memory of the process is bounded by it.
type Retainer interface{ Retains() int64 }
