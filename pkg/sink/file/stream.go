package file

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluice-siem/sluice/pkg/internal/stdio"
)

// openStream opens a pipe or a device. It does not wait for a pipe to have a
// reader (fifo(7): without one, opening it fails with ENXIO), and writing to it
// can be interrupted.
func (a *archive) openStream() error {
	f, err := os.OpenFile(a.path, os.O_WRONLY|os.O_APPEND|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	null, err := stdio.Null(f)
	if err == nil && null && borrowed(a.path) {
		err = errAbsent
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	if null {
		a.log.Warn().Str("path", a.path).Msg("the path is the null device: records are discarded and count as delivered")
	}
	a.f, a.stream, a.dirty = f, true, false
	return nil
}

// errAbsent is about a path such as /dev/stdout. The Go runtime puts the null
// device in the place of a standard descriptor that was closed.
var errAbsent = errors.New("leads to the null device, so records would go nowhere")

// pour writes to a stream. What has gone into it cannot be taken back: where a
// write stopped within a line the next one begins with a line end, so that the
// torn line stays alone.
func (a *archive) pour(text []byte) error {
	f := a.f
	// A file that knows no deadline does not block either.
	stop := context.AfterFunc(a.life, func() { _ = f.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	if a.midline {
		if err := a.put([]byte{'\n'}); err != nil {
			return err
		}
	}
	return a.put(text)
}

// put closes the stream when it fails, so that the next attempt finds out
// whether, for instance, a pipe has a reader again.
func (a *archive) put(text []byte) error {
	n, err := a.disk.write(a.f, text)
	if n > 0 {
		a.midline = text[n-1] != '\n'
	}
	if err == nil && n < len(text) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return errors.Join(err, a.letGo())
	}
	return nil
}
