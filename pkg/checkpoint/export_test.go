package checkpoint

// Disk and DiskFile let a test stand in for the file system under Save.
type (
	Disk     = disk
	DiskFile = diskFile
)

// OpenOn is Open with Save on another disk.
func OpenOn(dir string, disk Disk) (*Dir, error) { return open(dir, disk) }

// OSDisk is the disk of Open.
var OSDisk Disk = osDisk{}
