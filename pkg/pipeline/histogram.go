package pipeline

import "time"

// Histogram counts durations of Publish.
type Histogram struct {
	Count   uint64
	Sum     float64            // seconds
	Buckets map[float64]uint64 // cumulative, by upper bound in seconds
}

// bounds are upper bounds in seconds: from a local file to an indexer that
// acknowledges late.
var bounds = [...]float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180}

// tally is a Histogram as it is filled; counts are not cumulative.
type tally struct {
	count  uint64
	sum    float64
	counts [len(bounds)]uint64
}

func (t *tally) observe(d time.Duration) {
	t.count++
	t.sum += d.Seconds()
	for i, bound := range bounds {
		if d.Seconds() <= bound {
			t.counts[i]++
			return
		}
	}
}

func (t *tally) snapshot() Histogram {
	h := Histogram{Count: t.count, Sum: t.sum, Buckets: make(map[float64]uint64, len(bounds))}
	var below uint64
	for i, bound := range bounds {
		below += t.counts[i]
		h.Buckets[bound] = below
	}
	return h
}
