package checkpoint_test

import (
	"errors"
	"testing"

	"github.com/sluice-siem/sluice/pkg/checkpoint"
	"github.com/sluice-siem/sluice/pkg/source"
)

const former = "acme/former"

// mortal is a disk whose process dies after so many steps.
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

// Wherever the process dies, neither lane begins anew, one of them at most has the
// position, and the rename can be given again.
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

// loadBoth is the position of the new lane, where the former one has none.
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
