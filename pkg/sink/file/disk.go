package file

import "os"

// disk is what can fail in the middle of a batch. Tests put their own in its
// place.
type disk struct {
	write    func(f *os.File, text []byte) (int, error)
	sync     func(f *os.File) error
	truncate func(f *os.File, size int64) error
}

var osDisk = disk{write: (*os.File).Write, sync: (*os.File).Sync, truncate: (*os.File).Truncate}
