package app

import (
	"bytes"
	"io"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// backlog writes log lines in the background. A stderr that nobody reads, such as a
// full pipe, blocks its writers, and a lane that logs must not stop delivering. If the
// backlog is full, it drops lines. It logs their number with the next line it writes.
//
// zerolog/diode would wait for such a stderr at its close.
type backlog struct {
	to      io.Writer
	lines   chan []byte
	dropped atomic.Int64
	stop    chan struct{}
	done    chan struct{}
}

const (
	backlogLines = 1024
	// closeTimeout is how long a process that ends waits for its last lines to be written.
	closeTimeout = time.Second
)

func newBacklog(to io.Writer) *backlog {
	b := &backlog{to: to, lines: make(chan []byte, backlogLines), stop: make(chan struct{}), done: make(chan struct{})}
	go b.run()
	return b
}

// Write copies the line, since zerolog reuses it. It never blocks, and may be called
// after close.
func (b *backlog) Write(line []byte) (int, error) {
	select {
	case b.lines <- bytes.Clone(line):
	default:
		b.dropped.Add(1)
	}
	return len(line), nil
}

func (b *backlog) run() {
	defer close(b.done)
	for {
		select {
		case line := <-b.lines:
			b.writeOut(line)
		case <-b.stop:
			for len(b.lines) > 0 {
				b.writeOut(<-b.lines)
			}
			return
		}
	}
}

// writeOut writes a line. A failure cannot be reported anywhere.
func (b *backlog) writeOut(line []byte) {
	_, _ = b.to.Write(line)
	if n := b.dropped.Swap(0); n > 0 {
		log := zerolog.New(b.to).With().Timestamp().Logger()
		log.Warn().Int64("lines", n).Msg("log lines were dropped: stderr was not read in time; delivery continued")
	}
}

// close waits up to closeTimeout for the lines that are left.
func (b *backlog) close() {
	close(b.stop)
	select {
	case <-b.done:
	case <-time.After(closeTimeout):
	}
}
