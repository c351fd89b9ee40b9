package deadletter

// Disk and DiskFile let a test stand in for the file system under Put and Redrive.
type (
	Disk     = disk
	DiskFile = diskFile
)

// OSDisk is the real one.
var OSDisk Disk = osDisk{}

// OpenOn is Open on another disk.
func OpenOn(dir string, maxBytes int64, disk Disk) (*Store, error) { return open(dir, maxBytes, disk) }
