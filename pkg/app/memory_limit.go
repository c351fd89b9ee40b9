package app

import (
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/internal/memory"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/source"
)

const (
	defaultMemory = 128 << 20

	// baseMemory is what the process needs beside what lanes hold: heapMemory, and the
	// program itself, whose pages the collector does not count.
	baseMemory = 32 << 20

	// heapMemory is for caches, and for garbage that is not collected yet.
	heapMemory = 4 << 20

	// idleMemory is what an idle lane needs: its position, its ids and its counters.
	idleMemory = 64 << 10
)

// memoryOf is what all lanes may hold together: what the configuration says, otherwise the
// default, or less if the process is in a cgroup that leaves less.
func memoryOf(cfg *config.Config) int64 {
	if cfg.Memory > 0 {
		return cfg.Memory
	}
	limit, err := memlimit.FromCgroup()
	if err != nil || limit > defaultMemory+baseMemory { // There is no cgroup, or it has no limit.
		return defaultMemory
	}
	return max(int64(limit)-baseMemory, config.LeastMemory)
}

// memoryLimit is the limit of the garbage collector. Without a limit the heap can double,
// and during a catch-up most of the heap is live.
type memoryLimit struct {
	budget *memory.Budget
	lanes  map[string]int64 // by name, what a lane could hold if there was no budget
	most   int64            // the sum, and what idle lanes and the console need
	idle   int64            // bytes of the budget that idle lanes and the console need
	beyond int64            // bytes that they need and that the budget has no room for

	databases int64 // bytes of all databases
	needed    int64 // what the process needs by the latest measure
	set       int64 // the limit that was set last; 0 if none was
}

// newMemoryLimit takes what so many idle lanes need from the budget, before any lane runs.
// So many lanes leave less for a burst. Half of the budget is turns, which stay.
func newMemoryLimit(size int64, lanes int) memoryLimit {
	m := memoryLimit{budget: memory.New(size), lanes: map[string]int64{}}
	m.reserveIdle(lanes)
	return m
}

// reserveIdle takes what so many more idle lanes need from the budget. If they are fewer, it
// gives that back.
func (m *memoryLimit) reserveIdle(more int) {
	for range more {
		m.reserve(idleMemory)
	}
	for range -more {
		m.giveBack(idleMemory)
	}
}

// giveBack undoes reserve.
func (m *memoryLimit) giveBack(bytes int64) {
	m.most -= bytes
	if m.beyond >= bytes {
		m.beyond -= bytes
		return
	}
	m.budget.Share().Shrink(bytes)
	m.idle -= bytes
}

// forget counts lanes no more.
func (m *memoryLimit) forget(lanes []string) {
	for _, name := range lanes {
		m.most -= m.lanes[name]
		delete(m.lanes, name)
	}
}

// reserve takes bytes from the budget for good, as far as it has room for them.
func (m *memoryLimit) reserve(bytes int64) {
	m.most += bytes
	if m.budget.Share().Grow(bytes) {
		m.idle += bytes
	} else {
		m.beyond += bytes
	}
}

// add counts a lane, once however often it is built.
func (m *memoryLimit) add(l *pipeline.Lane, settings any, databases int64) {
	most := l.QueueBytes
	if s, ok := settings.(source.Retainer); ok {
		most += s.Retains()
	}
	m.most += most - m.lanes[l.Name]
	m.lanes[l.Name] = most
	m.databases = databases
	m.apply()
}

// leaveRoom raises the limit if the process needs more than was counted, as with
// positions that name thousands of events. Otherwise the collector would run without end.
// It leaves a quarter of what is in use for garbage, and half as much as is in use while
// lanes hold little: then memory is plenty, and the collector a large part of the CPU.
func (m *memoryLimit) leaveRoom(use memoryUse) {
	garbage := use.live / 4
	if usage := m.budget.Usage(); usage.Held-m.idle < usage.Size/8 {
		garbage = use.live / 2
	}
	m.needed = use.beside + use.live + garbage
	m.apply()
}

// apply sets the limit. It is soft: if more is needed, the collector works more.
// GOMEMLIMIT in the environment takes precedence (see package runtime). To set the limit
// stops the world and waits until the collection under way has ended, while all other
// lanes wait to be built. So a change of less than an eighth is left for later.
func (m *memoryLimit) apply() {
	limit := max(m.bytes(), m.needed)
	if change := max(limit-m.set, m.set-limit); os.Getenv("GOMEMLIMIT") == "" && change > m.set/8 {
		debug.SetMemoryLimit(limit)
		m.set = limit
	}
}

// bytes is what the process needs by what was counted.
func (m *memoryLimit) bytes() int64 {
	return heapMemory + min(m.budget.Usage().Size, m.most) + m.beyond + 2*m.databases // During a reload the old and the new one are in memory.
}
