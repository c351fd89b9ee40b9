package app

import (
	"os"
	"runtime/debug"
)

// heapGrowth is by how many percent the heap may grow before the collector runs.
// What a lane holds while it catches up (walk_buffer and its queues, about
// 70 MiB) is bytes without pointers, which the collector passes over, so that
// running four times as often as with Go's default of 100 costs a few percent of
// CPU, and a catch-up stays within 128 MiB instead of 170.
const heapGrowth = 25

// boundMemory sets heapGrowth, unless the environment decides (GOGC, see package
// runtime).
func boundMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapGrowth)
	}
}
