package sink

import "context"

// Type is a kind of sink that a configuration can name.
type Type struct {
	Name     string
	Settings func() any // a pointer to settings that hold the defaults
	Open     func(ctx context.Context, env Env, settings any) (Sink, error)
}

// NewType declares a kind of sink by the struct its settings decode into (see
// package setting for what such a struct can say). open is called when a lane
// starts, and again after a Publish had to be abandoned; it need not reach the
// destination, since a Publish that fails is tried again.
func NewType[C any](name string, defaults C, open func(context.Context, Env, C) (Sink, error)) Type {
	return Type{
		Name:     name,
		Settings: func() any { c := defaults; return &c },
		Open: func(ctx context.Context, env Env, settings any) (Sink, error) {
			return open(ctx, env, *settings.(*C))
		},
	}
}
