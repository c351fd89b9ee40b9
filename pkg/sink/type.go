package sink

import "context"

// Type is a kind of sink that a configuration can name.
type Type struct {
	Name     string
	Settings func() any // a pointer to settings that hold the defaults
	Open     func(ctx context.Context, env Env, settings any) (Sink, error)
}

// NewType declares a kind of sink by the struct that its settings decode into;
// package setting describes such structs. The lane calls open when it starts, and
// again after it abandoned a Publish. open need not reach the destination: a
// Publish that fails is retried.
func NewType[C any](name string, defaults C, open func(context.Context, Env, C) (Sink, error)) Type {
	return Type{
		Name:     name,
		Settings: func() any { c := defaults; return &c },
		Open: func(ctx context.Context, env Env, settings any) (Sink, error) {
			return open(ctx, env, *settings.(*C))
		},
	}
}
