package regular_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/sluice-siem/sluice/pkg/internal/regular"
)

// A pipe without a writer would block for good.
func TestOnlyRegularFilesAreRead(t *testing.T) {
	dir := t.TempDir()
	file, pipe, link := filepath.Join(dir, "file"), filepath.Join(dir, "pipe"), filepath.Join(dir, "link")
	for _, err := range []error{os.WriteFile(file, []byte("text"), 0o600), syscall.Mkfifo(pipe, 0o600), os.Symlink(file, link)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]error{
		file: nil, link: nil, pipe: regular.ErrIrregular, "/dev/null": regular.ErrIrregular,
		dir: syscall.EISDIR, filepath.Join(dir, "none"): os.ErrNotExist,
	} {
		got, err := regular.Read(path)
		if !errors.Is(err, want) || want == nil && string(got) != "text" {
			t.Errorf("%s: %q, %v, want %v", path, got, err, want)
		}
	}
}
