package app

import (
	"context"
	"runtime"
	"runtime/metrics"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheEndOfABurst(t *testing.T) {
	const mib = 1 << 20
	for _, tt := range []struct {
		name  string
		mib   []uint64 // allocated in each interval
		ended int      // the interval in which a burst ended; -1 if none did
	}{
		{"nothing happens", []uint64{0, 0, 0}, -1},
		{"too little for a burst", []uint64{60, 10, 0}, -1},
		{"a burst continues", []uint64{400, 200, 101}, -1},
		{"a burst ends", []uint64{10, 400, 100}, 2},
		{"a burst slowly ends", []uint64{400, 250, 150, 99}, 3},
		{"it ends once", []uint64{400, 90, 90, 30}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b burst
			total, got := uint64(0), -1
			for i, n := range tt.mib {
				total += n * mib
				if b.ended(total) {
					if got >= 0 {
						t.Errorf("ended in interval %d and again in %d", got, i)
					}
					got = i
				}
			}
			if got != tt.ended {
				t.Errorf("ended in interval %d, want %d", got, tt.ended)
			}
		})
	}
}

// After a burst the memory is the system's again.
func TestMemoryIsGivenBackAfterABurst(t *testing.T) {
	const size = 256 << 20
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- watchMemory(ctx, func(memoryUse) {}) }()
		large := make([]byte, size)
		for i := 0; i < size; i += 4096 {
			large[i] = 1
		}
		time.Sleep(burstInterval + 1)
		held := heldByHeap()
		runtime.KeepAlive(large)
		large = nil
		time.Sleep(burstInterval)
		synctest.Wait()
		if got := held - heldByHeap(); got < size*9/10 {
			t.Errorf("%d bytes less are held after the burst, want nearly %d", got, size)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// What the process uses is reported without garbage. What it uses for less than a minute
// does not count.
func TestWhatIsUsedIsReported(t *testing.T) {
	const size = 64 << 20
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var used atomic.Int64
		ended := make(chan error)
		go func() { ended <- watchMemory(ctx, func(use memoryUse) { used.Store(use.beside + use.live) }) }()
		look := func(times int) int64 {
			for range times {
				runtime.GC()
				time.Sleep(burstInterval)
				synctest.Wait()
			}
			return used.Load()
		}
		before := look(needLooks)
		large := make([]byte, size)
		briefly := look(needLooks-1) - before
		with := look(1)
		runtime.KeepAlive(large)
		large = nil
		after := look(1)
		if briefly > size/10 {
			t.Errorf("%d bytes that are in use for less than a minute count: %d more are reported", size, briefly)
		}
		if got, want := with-before, int64(size); got < want*9/10 || got > want*11/10 {
			t.Errorf("with %d bytes more in use %d more are reported, want about %d", size, got, want)
		}
		if got := after - before; got > size/10 {
			t.Errorf("without them %d more are reported than before", got)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// heldByHeap is the memory of the heap that the system cannot use.
func heldByHeap() int64 {
	s := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}, {Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(s)
	held := int64(0)
	for i := range s {
		held += int64(s[i].Value.Uint64())
	}
	return held
}
