package app

import (
	"context"
	"io"
)

// interruptible returns a reader of r that ends with ctx, so that a person can interrupt
// a command which waits for input. The read under way goes on until the process ends.
func interruptible(ctx context.Context, r io.Reader) io.Reader {
	return &interruptibleReader{ctx: ctx, r: r, done: make(chan int, 1)}
}

type interruptibleReader struct {
	ctx  context.Context
	r    io.Reader
	buf  [4096]byte // of the read under way
	left []byte     // of buf
	done chan int
	err  error
}

func (i *interruptibleReader) Read(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	if len(i.left) == 0 && i.err == nil {
		go func() {
			n, err := i.r.Read(i.buf[:])
			i.err = err
			i.done <- n
		}()
		select {
		case n := <-i.done:
			i.left = i.buf[:n]
		case <-i.ctx.Done():
			return 0, i.ctx.Err()
		}
	}
	n := copy(p, i.left)
	i.left = i.left[n:]
	if len(i.left) == 0 {
		return n, i.err
	}
	return n, nil
}
