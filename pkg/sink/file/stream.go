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

// openStream opens a pipe or a device, so that writes to it can be interrupted. It
// does not wait for a pipe's reader: without one, opening fails with ENXIO (fifo(7)).
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
		a.warnOfNull()
	}
	a.f, a.stream, a.dirty = f, true, false
	return nil
}

func (a *archive) warnOfNull() {
	a.log.Warn().Str("path", a.path).Msg("path is the null device: records are discarded and count as delivered")
}

// errAbsent is about a path such as /dev/stdout. The Go runtime replaces a closed
// standard descriptor with the null device.
var errAbsent = errors.New("leads to the null device, so records would be lost")

// appendStream writes to a stream. Written bytes cannot be undone. After a write
// that stopped within a line, the next write starts with a line end, so that the
// torn line does not merge with a record.
func (a *archive) appendStream(text []byte) error {
	f := a.f
	// A file without deadlines does not block.
	stop := context.AfterFunc(a.life, func() { _ = f.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	if a.midline {
		if err := a.writeStream([]byte{'\n'}); err != nil {
			return err
		}
	}
	return a.writeStream(text)
}

// writeStream closes the stream when a write fails. The next attempt opens it again,
// and so finds out whether, for example, a pipe has a reader again.
func (a *archive) writeStream(text []byte) error {
	n, err := a.disk.write(a.f, text)
	if n > 0 {
		a.midline = text[n-1] != '\n'
	}
	if err == nil && n < len(text) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return errors.Join(err, a.closeFile())
	}
	return nil
}
