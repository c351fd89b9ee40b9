// Package footprint measures what idle lanes and sinks hold, for tests.
package footprint

import (
	"bytes"
	"runtime"
	"testing/synctest"
)

// Heap returns how many bytes are in use after the pools were emptied.
func Heap() int64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Goroutines returns how many goroutines are in the caller's synctest bubble, once
// all others wait. Goroutines of tests that ended, and of the runtime, are in none. A
// goroutine that begins or ends is counted now and then, so none may.
func Goroutines() int {
	synctest.Wait()
	stacks := make([]byte, 1<<20)
	for {
		n := runtime.Stack(stacks, true)
		if n < len(stacks) {
			return bytes.Count(stacks[:n], []byte(", synctest bubble "))
		}
		stacks = make([]byte, 2*len(stacks))
	}
}
