package pipeline

import "sync"

// The bodies of a page take several times the memory of anything else that a
// page needs, so that memory is used again. It is only once nobody can read it
// any more, which is known where the sink took every record at the first
// attempt: a Publish that failed or was abandoned may have left some of the
// batch behind, in a client that goes on by itself, and a reject is kept.
var spareBodies sync.Pool // of *[]byte

const (
	bodyStep = 64 << 10 // buffers are multiples of this, so that one fits the next page; smaller ones are not kept
	mostBody = 1 << 20  // larger ones are rare, and are not kept either
)

// newBodies returns an empty buffer with room for size bytes at least.
func newBodies(size int) []byte {
	if size < bodyStep {
		return make([]byte, 0, size)
	}
	if spare, ok := spareBodies.Get().(*[]byte); ok && cap(*spare) >= size {
		return (*spare)[:0]
	}
	return make([]byte, 0, (size+bodyStep-1)/bodyStep*bodyStep)
}

// reuse gives back the memory of a page's bodies.
func (p *page) reuse() {
	for _, buf := range p.bodies {
		if bodyStep <= cap(buf) && cap(buf) <= mostBody {
			spareBodies.Put(&buf)
		}
	}
	p.bodies = nil
}
