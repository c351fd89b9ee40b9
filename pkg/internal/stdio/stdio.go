// Package stdio tells where a descriptor that a process was started with leads,
// for the sinks that write to one.
package stdio

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Null reports whether f is the null device, which accepts and forgets everything.
func Null(f *os.File) (bool, error) {
	null, err := os.Stat(os.DevNull)
	if err != nil {
		return false, err
	}
	info, err := f.Stat() // f.Fd would make f block
	if err != nil {
		return false, err
	}
	device, ok := info.Sys().(*syscall.Stat_t)
	return ok && info.Mode()&os.ModeCharDevice != 0 && device.Rdev == null.Sys().(*syscall.Stat_t).Rdev, nil
}

// Closed reports whether f is a standard descriptor that was closed when the
// process was started. The Go runtime then opens the null device in its place, for
// reading and writing (runtime, checkfds), so that no other file gets its number.
// Who redirects output to /dev/null opens that for writing only. Some supervisors
// open it for reading and writing, as daemon(3) does; that is taken for closed, too.
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
