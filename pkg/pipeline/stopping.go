package pipeline

import (
	"context"
	"time"
)

// stopping tells a lane to stop: first softly, then hard.
type stopping struct {
	soft context.Context // ends when nothing new may begin: no read, no pause, no further attempt
	hard context.Context // ends when the attempt under way must end, too; never before soft
}

// newStopping returns a stopping that turns soft when ctx ends, and hard after grace. The
// returned function ends both at once and releases their resources.
func newStopping(ctx context.Context, grace time.Duration) (stopping, context.CancelFunc) {
	hard, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-hard.Done():
		}
	})
	return stopping{soft: ctx, hard: hard}, func() { stop(); cancel() }
}
