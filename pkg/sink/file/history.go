package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// Traces reports whether the file or a rotated file contains anything. It is no
// proof, since a file does not show who wrote it.
func (f *file) Traces(context.Context) (sink.Traces, error) {
	seen := &archive{settings: f.archive.settings, path: f.archive.path}
	var err error
	if seen.real, err = resolve(seen.path); err != nil {
		return sink.Traces{}, explain(err, seen.path)
	}
	info, err := os.Stat(seen.real)
	switch {
	case err == nil && (borrowed(seen.path) || !info.Mode().IsRegular()):
		return sink.Traces{}, nil
	case err == nil && info.Size() > 0:
		return sink.Traces{Found: fmt.Sprintf("file %s holds %d bytes, last written at %s", seen.path, info.Size(), info.ModTime().UTC().Format(time.RFC3339))}, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return sink.Traces{}, explain(err, seen.path)
	}
	rotated, err := seen.rotatedFiles()
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(rotated) == 0 {
		return sink.Traces{}, nil
	}
	if err != nil {
		return sink.Traces{}, explain(err, seen.path)
	}
	return sink.Traces{Found: "there are rotated files, such as " + rotated[len(rotated)-1].path}, nil
}
