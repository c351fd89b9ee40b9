package checkpoint_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/sluice-siem/sluice/pkg/checkpoint"
	"github.com/sluice-siem/sluice/pkg/internal/statedir"
	"github.com/sluice-siem/sluice/pkg/source"
)

const former = "acme/former"

// mortal is a disk whose process dies after a number of steps.
type mortal struct {
	checkpoint.Disk
	left int
}

func (m *mortal) step(f func() error) error {
	if m.left--; m.left < 0 {
		return errPower
	}
	return f()
}

func (m *mortal) Rename(from, to string) error {
	return m.step(func() error { return m.Disk.Rename(from, to) })
}
func (m *mortal) Remove(path string) error {
	return m.step(func() error { return m.Disk.Remove(path) })
}
func (m *mortal) SyncDir(dir string) error {
	return m.step(func() error { return m.Disk.SyncDir(dir) })
}
func (m *mortal) Create(path string) (f checkpoint.DiskFile, err error) {
	err = m.step(func() error { f, err = m.Disk.Create(path); return err })
	return f, err
}

func openOn(t *testing.T, dir string, disk checkpoint.Disk) *checkpoint.Dir {
	t.Helper()
	d, err := checkpoint.OpenOn(dir, disk)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Wherever the process dies, neither lane starts anew, at most one of them has the
// position, and the rename can be repeated.
func TestRenameIsInterrupted(t *testing.T) {
	died := 0
	for steps := 0; ; steps++ {
		dir := t.TempDir()
		d := openOn(t, dir, checkpoint.OSDisk)
		if err := d.Save(t.Context(), former, source.Position(`"at"`)); err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		d = openOn(t, dir, &mortal{checkpoint.OSDisk, steps})
		err := d.Rename(t.Context(), former, lane)
		if closing := d.Close(); closing != nil {
			t.Fatal(closing)
		}
		d = openOn(t, dir, checkpoint.OSDisk)
		old, _ := d.Load(t.Context(), former)
		pos, loading := d.Load(t.Context(), lane)
		if (old != nil) == (pos != nil) && !errors.Is(loading, checkpoint.ErrForeign) {
			t.Errorf("after %d steps: the former lane has %q, the new one %q and %v", steps, old, pos, loading)
		}
		if err != nil {
			died++
			if again := d.Rename(t.Context(), former, lane); again != nil && pos == nil {
				t.Errorf("after %d steps: again: %v", steps, again)
			}
		}
		if pos, err = loadBoth(t, d); err != nil || string(pos) != `"at"` {
			t.Errorf("after %d steps and a second rename: got %q and %v", steps, pos, err)
		}
		if closing := d.Close(); closing != nil {
			t.Fatal(closing)
		}
		if err == nil && steps > died {
			break
		}
	}
	if died < 4 {
		t.Errorf("the process died at %d steps, want 4 or more", died)
	}
}

// A file system may keep some of the renames since the directory was last synced, and
// lose the others. Whatever is left of a rename after a power loss, neither lane starts
// anew, and at most one of them has the position.
func TestPowerLossInARename(t *testing.T) {
	for steps := 0; ; steps++ {
		dir := t.TempDir()
		d := openOn(t, dir, checkpoint.OSDisk)
		if err := d.Save(t.Context(), former, source.Position(`"at"`)); err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		disk := &unorderedDisk{mortal: mortal{checkpoint.OSDisk, steps}, synced: contents(t, dir)}
		d = openOn(t, dir, disk)
		err := d.Rename(t.Context(), former, lane)
		if closing := d.Close(); closing != nil {
			t.Fatal(closing)
		}
		for kept := range 1 << len(disk.renames) {
			d := openOn(t, disk.left(t, kept), checkpoint.OSDisk)
			old, _ := d.Load(t.Context(), former)
			pos, loading := d.Load(t.Context(), lane)
			if (old != nil) == (pos != nil) && !errors.Is(loading, checkpoint.ErrForeign) {
				t.Errorf("after %d steps, of the last %d names %b kept: the former lane has %q, the new one %q and %v",
					steps, len(disk.renames), kept, old, pos, loading)
			}
			if closing := d.Close(); closing != nil {
				t.Fatal(closing)
			}
		}
		if err == nil {
			return
		}
	}
}

// unorderedDisk holds the content of a directory when it was last synced, and the renames
// since.
type unorderedDisk struct {
	mortal
	synced  map[string][]byte
	renames []renamed
}

type renamed struct {
	from, to string
	content  []byte
}

func (u *unorderedDisk) Rename(from, to string) error {
	content, reading := os.ReadFile(from)
	if err := u.mortal.Rename(from, to); err != nil {
		return err
	}
	u.renames = append(u.renames, renamed{filepath.Base(from), filepath.Base(to), content})
	return reading
}

func (u *unorderedDisk) SyncDir(dir string) error {
	if err := u.mortal.SyncDir(dir); err != nil {
		return err
	}
	u.keep(u.synced, 1<<len(u.renames)-1)
	u.renames = nil
	return nil
}

// keep renames as chosen by the bits of a number.
func (u *unorderedDisk) keep(names map[string][]byte, chosen int) {
	for i, r := range u.renames {
		if chosen>>i&1 == 1 {
			delete(names, r.from)
			names[r.to] = r.content
		}
	}
}

// left returns a directory with what is left after a power loss.
func (u *unorderedDisk) left(t *testing.T, chosen int) (dir string) {
	names := maps.Clone(u.synced)
	u.keep(names, chosen)
	dir = t.TempDir()
	for name, content := range names {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func contents(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("got files %q, %v", files, err)
	}
	all := map[string][]byte{}
	for _, file := range files {
		if all[filepath.Base(file)], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// loadBoth returns the position of the new lane, and checks that the old one has none.
func loadBoth(t *testing.T, d *checkpoint.Dir) (source.Position, error) {
	t.Helper()
	if old, err := d.Load(t.Context(), former); err != nil || old != nil {
		t.Errorf("the former lane has %q and %v", old, err)
	}
	return d.Load(t.Context(), lane)
}

func TestRenameIsRefused(t *testing.T) {
	d := openOn(t, t.TempDir(), checkpoint.OSDisk)
	defer d.Close()
	if err := d.Rename(t.Context(), former, lane); !errors.Is(err, checkpoint.ErrNone) {
		t.Errorf("without a checkpoint: got %v, want %v", err, checkpoint.ErrNone)
	}
	for name, pos := range map[string]string{former: `"former"`, lane: `"own"`} {
		if err := d.Save(t.Context(), name, source.Position(pos)); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Rename(t.Context(), former, lane); !errors.Is(err, checkpoint.ErrExists) {
		t.Errorf("onto a checkpoint: got %v, want %v", err, checkpoint.ErrExists)
	}
	for name, want := range map[string]string{former: `"former"`, lane: `"own"`} {
		if pos, err := d.Load(t.Context(), name); err != nil || string(pos) != want {
			t.Errorf("lane %s: got %q and %v, want %s", name, pos, err, want)
		}
	}
}

// Nothing is renamed in a directory that another process may hold.
func TestRenameWithoutTheLock(t *testing.T) {
	dir := t.TempDir()
	d := openOn(t, dir, checkpoint.OSDisk)
	defer d.Close()
	save(t, d, former, `"at"`)
	if err := os.Remove(filepath.Join(dir, "lock")); err != nil {
		t.Fatal(err)
	}
	if err := d.Rename(t.Context(), former, lane); !errors.Is(err, statedir.ErrLost) {
		t.Errorf("got %v, want %v", err, statedir.ErrLost)
	}
	if got := load(t, d, former); got != `"at"` {
		t.Errorf("the former lane has %s, want its position", got)
	}
}
