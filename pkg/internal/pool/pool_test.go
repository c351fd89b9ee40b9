package pool_test

import (
	"runtime"
	"testing"
	"unsafe"
	"weak"

	"github.com/sluice-siem/sluice/pkg/internal/pool"
)

func TestABufferIsEmptyAndLargeEnough(t *testing.T) {
	for _, size := range []int{0, 1, 4 << 10, 4<<10 + 1, 5 << 10, 5<<10 + 1, 100_000, 7<<20 + 1, 8 << 20, 8<<20 + 1, 32 << 20} {
		for range 3 {
			b := pool.Get(size)
			if most := max(4<<10, size*5/4); len(b) != 0 || cap(b) < size || cap(b) > most {
				t.Errorf("Get(%d): got length %d and capacity %d, want at most %d", size, len(b), cap(b), most)
			}
			pool.Put(append(b, make([]byte, size)...))
		}
	}
}

// A buffer that outgrew its size class has the capacity that append gave it.
func TestABufferThatHasGrownIsLargeEnoughForItsClass(t *testing.T) {
	pool.Put(make([]byte, 0, 10_000))
	for _, size := range []int{8 << 10, 10_000, 10 << 10, 12 << 10} {
		if b := pool.Get(size); cap(b) < size {
			t.Errorf("Get(%d): got capacity %d", size, cap(b))
		}
	}
}

func TestABufferIsLentAgain(t *testing.T) {
	// With the race detector sync.Pool forgets some at random.
	for range 100 {
		b := pool.Get(100_000)
		at := unsafe.SliceData(b[:1])
		pool.Put(b)
		if again := pool.Get(99_000); unsafe.SliceData(again[:1]) == at {
			return
		}
	}
	t.Error("no buffer was lent again")
}

func TestWhatNobodyBorrowsIsGivenBack(t *testing.T) {
	for _, size := range []int{4 << 10, 1 << 20, 8 << 20} {
		b := pool.Get(size)
		kept := weak.Make(unsafe.SliceData(b[:1]))
		pool.Put(b)
		b = nil
		runtime.GC()
		runtime.GC()
		if kept.Value() != nil {
			t.Errorf("a buffer of %d bytes is still held after two collections", size)
		}
	}
}

func TestALargeBufferIsNotKept(t *testing.T) {
	for range 100 {
		b := make([]byte, 0, 9<<20)
		at := unsafe.SliceData(b[:1])
		pool.Put(b)
		if again := pool.Get(8 << 20); unsafe.SliceData(again[:1]) == at {
			t.Fatal("a buffer of 9 MiB is kept")
		}
	}
}
