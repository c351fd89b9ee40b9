package statedir

import "golang.org/x/sys/unix"

func faccessat2(dir int, path string, mode uint32, flags int) error {
	return unix.Faccessat2(dir, path, mode, flags)
}
