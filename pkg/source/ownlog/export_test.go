package ownlog

// Disk and DiskFile let a test replace the file system of Files.
type (
	Disk     = disk
	DiskFile = diskFile
)

// OpenFilesOn is OpenFiles with another disk and other limits.
func OpenFilesOn(dir string, disk Disk, bytes int64, segments int) (*Files, error) {
	return openFiles(dir, disk, limits{bytes, segments})
}

// OSDisk is the disk of OpenFiles.
var OSDisk Disk = osDisk{}
