package pipeline

import (
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
)

// Status is a snapshot of a lane: the one place that metrics, readiness, the
// status page and the progress line read from.
type Status struct {
	Lane, Source, Sink, Format string

	Ready      bool   // the last read is fresh and the last publish was accepted
	Reason     string // why not ready, for people; empty if ready
	CatchingUp bool   // older events are known to wait

	Reader   source.Progress
	Position source.Description // of the last saved checkpoint
	Lag      time.Duration      // age of the newest delivered event while others wait; 0 when caught up

	Read      uint64            // events handed out by the reader
	Published uint64            // records the destination took
	Rejected  uint64            // records buried as dead letters
	Retries   map[string]uint64 // attempts after a failure, by class

	QueuedPages   [2]int // waiting to be transformed, waiting to be published
	QueuedBytes   int64
	LastPublished time.Time
	Publish       Histogram
}

// Histogram counts durations of Publish.
type Histogram struct {
	Count   uint64
	Sum     float64            // seconds
	Buckets map[float64]uint64 // cumulative, by upper bound in seconds
}
