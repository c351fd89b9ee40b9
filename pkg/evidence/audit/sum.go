package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"

	"github.com/sluice-siem/sluice/pkg/source"
)

// Sum is over the events of an hour. All but the number are modulo the prime 2^61-1.
type Sum struct {
	Events uint64 // how many
	IDs    uint64 // sum of the hashes of their ids
	Bytes  uint64 // sum of the hashes of their raw bytes
	Both   uint64 // sum of the products of the two: it tells which event has other bytes
}

// Mark is what one event adds to a Sum.
type Mark struct{ ID, Bytes uint64 }

// MarkOf returns the mark of an event as its source listed it.
func MarkOf(e *source.Event) Mark {
	id, raw := sha256.Sum256([]byte(e.ID)), e.Sum()
	return Mark{number(id), number(raw)}
}

// number returns the first 61 bits that count of a hash: its first 8 bytes, of which the
// three highest bits are 0.
func number(hash [sha256.Size]byte) uint64 {
	return reduce(binary.BigEndian.Uint64(hash[:8]) & prime)
}

// Add adds an event.
func (s *Sum) Add(m Mark) {
	s.Events++
	s.IDs, s.Bytes, s.Both = add(s.IDs, m.ID), add(s.Bytes, m.Bytes), add(s.Both, times(m.ID, m.Bytes))
}

func (s *Sum) join(o Sum) {
	s.Events += o.Events
	s.IDs, s.Bytes, s.Both = add(s.IDs, o.IDs), add(s.Bytes, o.Bytes), add(s.Both, o.Both)
}

// remove takes an event out.
func (s *Sum) remove(m Mark) { s.subtract(Sum{1, m.ID, m.Bytes, times(m.ID, m.Bytes)}) }

// subtract may leave a negative number of events, as a difference.
func (s *Sum) subtract(o Sum) {
	s.Events -= o.Events
	s.IDs, s.Bytes, s.Both = minus(s.IDs, o.IDs), minus(s.Bytes, o.Bytes), minus(s.Both, o.Both)
}

// prime is a Mersenne prime, 2^61-1.
const prime = 1<<61 - 1

// reduce returns a number below 2^62 modulo the prime.
func reduce(n uint64) uint64 {
	if n >= prime {
		return n - prime
	}
	return n
}

func add(a, b uint64) uint64 { return reduce(a + b) }

func minus(a, b uint64) uint64 { return reduce(a + prime - b) }

func times(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	return add(reduce(low&prime), high<<3|low>>61) // 2^61 is 1
}

// over returns a divided by b, which is not 0.
func over(a, b uint64) uint64 {
	for n := uint64(prime - 2); n > 0; n >>= 1 { // Fermat: b^(prime-2) is 1/b
		if n&1 == 1 {
			a = times(a, b)
		}
		b = times(b, b)
	}
	return a
}
