package app

import (
	"os"
	"runtime/debug"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform/prepare"
)

const (
	baseMemory = 16 << 20
	// laneMemory is, beside the queues of a lane, for the batch that is being
	// published, and for what the collector has not taken back yet.
	laneMemory = 20 << 20
)

// boundMemory has the collector run more often once the heap comes near what the
// lanes may hold together. By itself it lets a heap double, and what a lane
// keeps while it catches up is most of the heap. Where a sink needs more than
// is foreseen here it gets it, and the collector takes more time. GOMEMLIMIT in
// the environment goes before (see package runtime).
func boundMemory(cfg *config.Config, lanes []*pipeline.Lane, stock *prepare.Stock) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetMemoryLimit(memoryFor(cfg, lanes, stock))
}

func memoryFor(cfg *config.Config, lanes []*pipeline.Lane, stock *prepare.Stock) int64 {
	limit := int64(baseMemory)
	for _, l := range lanes {
		limit += laneMemory + l.QueueBytes
	}
	for _, l := range cfg.Lanes() {
		if s, ok := l.Source.Settings.(source.Retainer); ok {
			limit += s.Retains()
		}
	}
	for _, d := range stock.Databases() {
		limit += 2 * d.Bytes() // While one is read again, there are two.
	}
	return limit
}
