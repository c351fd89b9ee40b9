package statedir_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/sluice-siem/sluice/pkg/internal/statedir"
)

// What root makes in the daemon's directory belongs to the daemon. Root does not give away
// what was there before: another user may have linked it there.
func TestWhatRootMakesBelongsToTheOwnerOfTheDirectory(t *testing.T) {
	dir, owner := t.TempDir(), os.Geteuid()
	there := filepath.Join(dir, "there")
	if err := os.WriteFile(there, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if owner == 0 {
		owner = 65532
		if err := os.Chown(dir, owner, owner); err != nil {
			t.Fatal(err)
		}
	}
	lock, err := statedir.TryLock(filepath.Join(dir, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	file, err := statedir.OpenFile(there)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := statedir.Open(filepath.Join(dir, "a", "b")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"lock": owner, "a": owner, "a/b": owner, "there": os.Geteuid()} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := int(info.Sys().(*syscall.Stat_t).Uid); got != want || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s belongs to uid %d with mode %#o, want uid %d alone", name, got, info.Mode().Perm(), want)
		}
	}
}

func TestOpenFileRefusesALink(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Symlink(filepath.Join(dir, "elsewhere"), link); err != nil {
		t.Fatal(err)
	}
	if _, err := statedir.OpenFile(link); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("got error %v, want %v", err, syscall.ELOOP)
	}
	if _, err := statedir.CreateFile(link); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got error %v, want %v", err, fs.ErrExist)
	}
}
