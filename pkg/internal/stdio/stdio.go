// Package stdio finds out where a standard descriptor leads: whether it was closed, for
// the sinks that write to one, and what a terminal can show, for all that people read.
package stdio

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Null reports whether f is the null device, which discards everything.
func Null(f *os.File) (bool, error) {
	info, err := f.Stat() // f.Fd would make f block
	if err != nil {
		return false, err
	}
	return NullInfo(info)
}

// NullInfo is Null for a file that is not open.
func NullInfo(info os.FileInfo) (bool, error) {
	null, err := os.Stat(os.DevNull)
	if err != nil {
		return false, err
	}
	device, ok := info.Sys().(*syscall.Stat_t)
	return ok && info.Mode()&os.ModeCharDevice != 0 && device.Rdev == null.Sys().(*syscall.Stat_t).Rdev, nil
}

// Closed reports whether f is a standard descriptor that was closed when the process
// started. The Go runtime then opens the null device in its place, for reading and
// writing, so that no other file gets its number (runtime, checkfds). A shell that
// redirects output to /dev/null opens it for writing only. Some supervisors open it
// for reading and writing, as daemon(3) does; Closed reports that as closed, too.
func Closed(f *os.File) (bool, error) {
	null, err := Null(f)
	if err != nil || !null {
		return false, err
	}
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	if err != nil {
		return false, &os.PathError{Op: "fcntl", Path: f.Name(), Err: err}
	}
	return flags&unix.O_ACCMODE == unix.O_RDWR, nil
}
