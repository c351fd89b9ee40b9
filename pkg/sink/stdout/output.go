package stdout

import (
	"errors"
	"io"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sluice-siem/sluice/pkg/internal/stdio"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// output is a writer that lanes share. The lane whose token is in turn may write.
type output struct {
	turn    chan struct{}
	midline bool // the last write ended within a line; guarded by turn

	opening  sync.Mutex
	w        io.Writer // nil until opened, not changed after
	terminal bool
	null     bool // the null device, which discards records
}

func (o *output) open(w io.Writer) error {
	o.opening.Lock()
	defer o.opening.Unlock()
	if o.w != nil {
		return nil
	}
	if f, ok := w.(*os.File); ok {
		f, err := usable(f)
		if err != nil {
			return err
		}
		if o.null, err = stdio.Null(f); err != nil {
			return err
		}
		o.terminal = stdio.Terminal(f)
		w = f
	}
	o.w = w
	return nil
}

var errAbsent = errors.New("was closed when the process started, so records would be lost")

// usable returns f for writing, or an error if f was closed when the process
// started. The hint is about the standard output, the only file that the sink uses.
func usable(f *os.File) (*os.File, error) {
	closed, err := stdio.Closed(f)
	if err != nil {
		return nil, err
	}
	if closed {
		return nil, sink.Hint(&os.PathError{Op: "open", Path: f.Name(), Err: errAbsent},
			"start sluice with its standard output open, or remove the sink of type stdout; to discard records on purpose, redirect the output with >/dev/null")
	}
	return unsignalled(f)
}

// unsignalled returns the file with another descriptor if it is standard output or
// error. On these two, a write to a broken pipe ends a Go process with SIGPIPE
// (os/signal, "SIGPIPE"), and with it the lanes of all other sinks. On another
// descriptor such a write returns an error. The descriptor stays open until the
// process ends.
func unsignalled(f *os.File) (*os.File, error) {
	fd := f.Fd()
	if fd != 1 && fd != 2 {
		return f, nil
	}
	other, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, &os.PathError{Op: "dup", Path: f.Name(), Err: err}
	}
	return os.NewFile(uintptr(other), f.Name()), nil
}

// columns returns the width of the terminal; 0 if it is none or has no width.
func (o *output) columns() int {
	if !o.terminal {
		return 0
	}
	return stdio.Columns(o.w)
}

func (o *output) appendText(dst []byte, r *sink.Record) []byte {
	if !o.terminal {
		return append(dst, r.Body...)
	}
	color := color(r)
	dst = append(dst, color...)
	dst = appendEscaped(dst, r.Body)
	if color != "" {
		dst = append(dst, plain...)
	}
	return dst
}

// write writes the lines in buf. buf starts with an extra line end, which is written
// only if the previous write stopped within a line.
func (o *output) write(buf []byte) error {
	if !o.midline {
		buf = buf[1:]
	}
	if err := o.checkDeleted(); err != nil {
		return err
	}
	n, err := o.w.Write(buf)
	if n > 0 {
		o.midline = buf[n-1] != '\n'
	}
	if err == nil && n < len(buf) {
		return io.ErrShortWrite
	}
	return err
}

var errDeleted = errors.New("the output's file was deleted, so records would be lost when the process ends")

// checkDeleted returns an error if the output's file is in no directory any more.
func (o *output) checkDeleted() error {
	f, ok := o.w.(*os.File)
	if !ok {
		return nil
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok && info.Mode().IsRegular() && s.Nlink == 0 {
		return errDeleted
	}
	return nil
}

func (o *output) describe() (string, error) {
	f, ok := o.w.(*os.File)
	if !ok {
		return "a writer within this program", nil
	}
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	switch {
	case o.terminal:
		return "a terminal; control characters in records are escaped", nil
	case o.null:
		return "the null device; records are discarded", nil
	case info.Mode().IsRegular():
		return "a file, written without fsync; the file sink makes records durable", nil
	case info.Mode()&os.ModeNamedPipe != 0:
		return "a pipe", nil
	}
	return "a device or socket", nil
}
