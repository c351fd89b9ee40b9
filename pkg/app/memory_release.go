package app

import (
	"cmp"
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"time"
)

const (
	// burstInterval is how often watchMemory looks.
	burstInterval = 15 * time.Second
	// needLooks is for how many looks in a row the process must need more memory than was
	// counted. During a burst a collection finds much in use that is not used for long.
	needLooks = 4
	// leastBurst is what must be allocated in an interval to be a burst. Less garbage is
	// not worth a collection.
	leastBurst = 64 << 20
)

// watchMemory returns memory to the system after a burst, such as the catch-up after a
// start. The runtime by itself leaves garbage until the heap has doubled, and keeps for
// minutes what it freed. It also reports the least that the process used in the last
// minute. It ends with ctx.
func watchMemory(ctx context.Context, report func(memoryUse)) error {
	ticker := time.NewTicker(burstInterval)
	defer ticker.Stop()
	var uses [needLooks]memoryUse
	for b, look := (burst{}), 0; ; look++ {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		now := measureMemory()
		uses[look%needLooks] = now
		report(slices.MinFunc(uses[:], func(a, b memoryUse) int { return cmp.Compare(a.beside+a.live, b.beside+b.live) }))
		if b.ended(now.allocated) {
			// The first collection leaves buffers of a pool that nobody borrows to the
			// second one.
			runtime.GC()
			debug.FreeOSMemory()
		}
	}
}

// memoryUse is what the runtime counts.
type memoryUse struct {
	allocated uint64 // bytes since the process began
	live      int64  // bytes that the last collection found in use
	beside    int64  // bytes of stacks, of the runtime itself, and between objects
}

func measureMemory() memoryUse {
	s := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(s)
	use := memoryUse{allocated: s[0].Value.Uint64(), live: int64(s[1].Value.Uint64()), beside: int64(s[2].Value.Uint64())}
	for _, heap := range s[3:] {
		use.beside -= int64(heap.Value.Uint64())
	}
	return use
}

// burst notices when far less is allocated than before.
type burst struct {
	total uint64 // bytes allocated until the last look
	peak  uint64 // most bytes in an interval since the last burst ended
}

// ended takes how many bytes were allocated since the process began. It is called once an
// interval.
func (b *burst) ended(total uint64) bool {
	now := total - b.total
	b.total, b.peak = total, max(b.peak, now)
	if b.peak < leastBurst || now > b.peak/4 {
		return false
	}
	b.peak = now
	return true
}
