package console

import (
	"context"
	"time"

	"github.com/sluice-siem/sluice/pkg/pipeline"
)

// Points of a History: one for each ten minutes of a day.
const (
	Span   = 24 * time.Hour
	Every  = 10 * time.Minute
	Points = int(Span / Every)
)

// Point is what a lane did in ten minutes.
type Point struct {
	Known   bool          // the lane was sampled
	Settled uint32        // events that were published, filtered or rejected
	Lag     time.Duration // the largest, in whole seconds
	Unready bool          // it was not ready at some time
}

// History samples the lanes and remembers a day of each. Lanes that the set no longer has
// are forgotten.
type History struct { /* helper w-console */
}

// NewHistory returns an empty history that begins now.
func NewHistory(lanes func() []pipeline.Status) *History { return &History{} }

// Run samples until ctx ends.
func (h *History) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Since returns when the history began.
func (h *History) Since() time.Time { return time.Time{} }

// Lane returns the points of a lane, the oldest first, and the time at which the last one ends.
func (h *History) Lane(lane string) (points [Points]Point, end time.Time) { return points, end }

// Rate returns the events that a lane settled a second, lately.
func (h *History) Rate(lane string) (perSecond float64, known bool) { return 0, false }

// State returns since when a lane has been as ready as it is now.
func (h *History) State(lane string) (since time.Time) { return time.Time{} }
