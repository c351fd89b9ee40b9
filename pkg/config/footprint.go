package config

import (
	"crypto/sha256"
	"fmt"
	"hash"
)

// Footprint is what a configuration was read from: its file, the directory and the files
// that sources names, and the file of the catalogue. Files of secrets, certificates and
// databases are no part of it, since whoever uses them reads them again.
//
// It looks at contents, not at times: so it sees a file that an editor replaced, a link
// that leads elsewhere as in a volume of Kubernetes, and a change on a share of a network.
type Footprint struct {
	looks []func() ([]byte, error)
	read  hash.Hash // of what was read
}

// Print tells contents apart.
type Print [sha256.Size]byte

func newFootprint() *Footprint { return &Footprint{read: sha256.New()} }

// Read returns the print of what was read.
func (f *Footprint) Read() Print { return Print(f.read.Sum(nil)) }

// Now reads all again, and returns the print of what is there. It must not be called
// concurrently with Read.
func (f *Footprint) Now() Print {
	sum := sha256.New()
	for _, look := range f.looks {
		data, err := look()
		imprint(sum, data, err)
	}
	return Print(sum.Sum(nil))
}

// look reads what there is at a place, and remembers it.
func (f *Footprint) look(read func() ([]byte, error)) ([]byte, error) {
	data, err := read()
	f.note(data, err, read)
	return data, err
}

// note remembers what was read at a place, and how to read it again.
func (f *Footprint) note(data []byte, err error, again func() ([]byte, error)) {
	f.looks = append(f.looks, again)
	imprint(f.read, data, err)
}

// imprint adds a content, or why it cannot be read.
func imprint(sum hash.Hash, data []byte, err error) {
	fmt.Fprintf(sum, "%d %v\n%s", len(data), err, data)
}
