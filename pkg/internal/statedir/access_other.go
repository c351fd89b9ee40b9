//go:build !linux

package statedir

import "golang.org/x/sys/unix"

// faccessat2 is a name of Linux: in other systems faccessat takes flags.
func faccessat2(dir int, path string, mode uint32, flags int) error {
	return unix.Faccessat(dir, path, mode, flags)
}
