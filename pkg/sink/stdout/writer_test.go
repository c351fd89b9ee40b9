package stdout_test

import (
	"bytes"
	"errors"
	"sync"
	"testing"
)

var errBroken = errors.New("writer is broken")

// writer is an output that can be broken, stop after some lines, or hang.
type writer struct {
	mu      sync.Mutex
	text    []byte
	writes  int
	lines   int           // whole lines until it fails; -1: it does not fail
	hanging chan struct{} // closed by repair; nil if it does not hang
	reached chan struct{}
}

func newWriter() *writer { return &writer{lines: -1} }

func (w *writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	w.writes++
	hanging := w.hanging
	if w.reached != nil {
		close(w.reached)
		w.reached = nil
	}
	w.mu.Unlock()
	if hanging != nil {
		<-hanging
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(p)
	if w.lines >= 0 {
		n = 0
		for ; w.lines > 0 && n < len(p); w.lines-- {
			n += bytes.IndexByte(p[n:], '\n') + 1
		}
	}
	w.text = append(w.text, p[:n]...)
	if n < len(p) {
		return n, errBroken
	}
	return n, nil
}

func (w *writer) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.text)
}

func (w *writer) fail(_ testing.TB, lines int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = lines
}

func (w *writer) hang(testing.TB) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hanging, w.reached = make(chan struct{}), make(chan struct{})
	return w.reached
}

func (w *writer) repair(testing.TB) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = -1
	if w.hanging != nil {
		close(w.hanging)
		w.hanging = nil
	}
}
