package checkpoint

import "github.com/sluice-siem/sluice/pkg/internal/statedir"

// Disk and DiskFile let a test replace the file system of Save.
type (
	Disk     = statedir.Disk
	DiskFile = statedir.DiskFile
)

// OpenOn is Open with another disk for Save.
func OpenOn(dir string, disk Disk) (*Dir, error) { return open(dir, disk) }

// OSDisk is the disk of Open.
var OSDisk Disk = statedir.OSDisk{}
