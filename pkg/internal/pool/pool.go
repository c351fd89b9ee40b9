// Package pool lends byte buffers, so that a buffer which one lane needed for a batch
// serves the next batch of any lane. What nobody borrows is given back: the garbage
// collector frees a buffer that was not borrowed for two of its cycles (see sync.Pool).
package pool

import (
	"math/bits"
	"sync"
)

// The capacities of buffers lie between these powers of two, with three between one power
// and the next. So a buffer is at most a quarter larger than what was asked for. A larger
// buffer is seldom needed and would take the place of many, so it is not kept.
const (
	leastBits = 12 // 4 KiB
	mostBits  = 23 // 8 MiB
	stepBits  = 2
)

// classes are the buffers that nobody borrows, by their capacity.
var classes [(mostBits-leastBits)<<stepBits + 1]sync.Pool

// class is the largest class whose buffers are not larger than size, which is within the
// bounds.
func class(size int) int {
	n := bits.Len(uint(size)) - 1
	step := (size - 1<<n) >> (n - stepBits)
	return (n-leastBits)<<stepBits + step
}

// capacity is that of the buffers of a class.
func capacity(class int) int {
	n := leastBits + class>>stepBits
	return 1<<n + class&(1<<stepBits-1)<<(n-stepBits)
}

// Get lends an empty buffer with room for at least size bytes.
func Get(size int) []byte {
	size = max(size, 1<<leastBits)
	if size > 1<<mostBits {
		return make([]byte, 0, size)
	}
	c := class(size)
	if capacity(c) < size {
		c++
	}
	if b, ok := classes[c].Get().(*[]byte); ok {
		return *b
	}
	return make([]byte, 0, capacity(c))
}

// Put takes a buffer back, also one that has grown since Get. Nobody may use it any more.
func Put(b []byte) {
	if cap(b) < 1<<leastBits || cap(b) > 1<<mostBits {
		return
	}
	b = b[:0]
	classes[class(cap(b))].Put(&b)
}
