package checkpoint

// Disk and DiskFile let a test replace the file system of Save.
type (
	Disk     = disk
	DiskFile = diskFile
)

// OpenOn is Open with another disk for Save.
func OpenOn(dir string, disk Disk) (*Dir, error) { return open(dir, disk) }

// OSDisk is the disk of Open.
var OSDisk Disk = osDisk{}
