package deadletter

// Disk and DiskFile let a test replace the file system of Put and Redrive.
type (
	Disk     = disk
	DiskFile = diskFile
)

// OSDisk is the real one.
var OSDisk Disk = osDisk{}

// OpenOn is Open with another disk.
func OpenOn(dir string, maxBytes int64, disk Disk) (*Store, error) { return open(dir, maxBytes, disk) }
