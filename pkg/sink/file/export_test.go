package file

import (
	"os"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// Disk replaces operations on the sink's file. For a nil function the operating
// system's is used.
type Disk struct {
	Write    func(f *os.File, text []byte) (int, error)
	Sync     func(f *os.File) error
	SyncDir  func(dir string) error
	Truncate func(f *os.File, size int64) error
	Lock     func(f *os.File) error
	Chmod    func(f *os.File, mode os.FileMode) error
}

// On returns the type with another disk.
func On(d Disk) sink.Type {
	real := osDisk
	if d.Write != nil {
		real.write = d.Write
	}
	if d.Sync != nil {
		real.sync = d.Sync
	}
	if d.SyncDir != nil {
		real.syncDir = d.SyncDir
	}
	if d.Lock != nil {
		real.lock = d.Lock
	}
	if d.Chmod != nil {
		real.chmod = d.Chmod
	}
	if d.Truncate != nil {
		real.truncate = d.Truncate
	}
	return newType(real)
}

// Longest is the largest body.
const Longest = longest
