package pipeline

import "time"

// Histogram counts durations.
type Histogram struct {
	Count   uint64
	Sum     float64            // seconds
	Buckets map[float64]uint64 // cumulative, by upper bound in seconds
}

// buckets is how many buckets a histogram has, beside that of all durations.
const buckets = 16

// publishBounds are upper bounds in seconds: from a local file to an indexer that
// acknowledges late.
var publishBounds = [buckets]float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180}

// latenessBounds are upper bounds in seconds: from one second to two days. Among them are the
// lengths of overlap that audits advise.
var latenessBounds = [buckets]float64{1, 5, 15, 60, 120, 300, 600, 900, 1800, 3600, 7200, 4 * 3600, 6 * 3600, 12 * 3600, 24 * 3600, 48 * 3600}

// tally is a Histogram as it is filled; counts are not cumulative.
type tally struct {
	bounds *[buckets]float64
	count  uint64
	sum    float64
	counts [buckets]uint64
}

func (t *tally) observe(d time.Duration) {
	t.count++
	t.sum += d.Seconds()
	for i, bound := range t.bounds {
		if d.Seconds() <= bound {
			t.counts[i]++
			return
		}
	}
}

func (t *tally) snapshot() Histogram {
	h := Histogram{Count: t.count, Sum: t.sum, Buckets: make(map[float64]uint64, len(t.bounds))}
	var below uint64
	for i, bound := range t.bounds {
		below += t.counts[i]
		h.Buckets[bound] = below
	}
	return h
}
