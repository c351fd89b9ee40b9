package checkpoint_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/checkpoint"
	"github.com/sluice-siem/sluice/pkg/source"
)

// TestPowerLoss saves on a disk that loses unsynced changes when the power fails, as far
// as a file system may: bytes of a file, and the last names created or renamed in a
// directory.
func TestPowerLoss(t *testing.T) {
	root := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.IntRange(0, 40).Draw(rt, "steps until the power fails")
		disk := &forgetfulDisk{names: map[string]*inode{}}
		disk.cut = func(n int) int { return rapid.IntRange(0, n).Draw(rt, "bytes written") }
		disk.step = func(string) error {
			if steps--; steps < 0 {
				return errPower
			}
			return nil
		}
		before, err := os.MkdirTemp(root, "before")
		if err != nil {
			rt.Fatal(err)
		}
		saved, trying := saveUntilPowerLoss(t, rt, before, disk)
		after, err := os.MkdirTemp(root, "after")
		if err != nil {
			rt.Fatal(err)
		}
		disk.materialise(rt, after)
		d, err := checkpoint.Open(after)
		if err != nil {
			rt.Fatal(err)
		}
		defer d.Close()
		pos, err := d.Load(t.Context(), lane)
		if got := string(pos); err != nil || got != saved && got != trying {
			rt.Fatalf("got position %.40q, error %v, want %.40q or %.40q", got, err, saved, trying)
		}
		files, err := os.ReadDir(after)
		if err != nil {
			rt.Fatal(err)
		}
		for _, f := range files {
			if strings.HasSuffix(f.Name(), ".tmp") {
				rt.Errorf("%s was left behind", f.Name())
			}
		}
	})
}

// saveUntilPowerLoss returns the last saved position and the one whose Save failed.
func saveUntilPowerLoss(t *testing.T, rt *rapid.T, dir string, disk *forgetfulDisk) (saved, trying string) {
	d, err := checkpoint.OpenOn(dir, disk)
	if err != nil {
		rt.Fatal(err)
	}
	defer d.Close()
	for i := range 5 {
		size := rapid.SampledFrom([]int{0, 10, 5000}).Draw(rt, "size")
		trying = fmt.Sprintf(`"%d%s"`, i, strings.Repeat("x", size))
		err := d.Save(t.Context(), lane, source.Position(trying))
		if errors.Is(err, errPower) {
			return saved, trying
		}
		if err != nil {
			rt.Fatal(err)
		}
		saved = trying
	}
	return saved, trying
}

var errPower = errors.New("the power failed")

// forgetfulDisk has two views of one directory: as processes see it, and as it was last
// synced.
type forgetfulDisk struct {
	step    func(op string) error // what becomes of an operation
	cut     func(n int) int       // how much of a failed write of n bytes is done
	created int
	names   map[string]*inode // as of the last SyncDir
	pending []func(names map[string]*inode)
}

type inode struct {
	disk   *forgetfulDisk
	name   string
	data   []byte
	synced int // bytes that survive
}

func (d *forgetfulDisk) Create(path string) (checkpoint.DiskFile, error) {
	if err := d.step("create"); err != nil {
		return nil, err
	}
	d.created++
	f := &inode{disk: d, name: fmt.Sprintf("%s.%d.tmp", path, d.created)}
	d.pending = append(d.pending, func(names map[string]*inode) { names[f.name] = f })
	return f, nil
}

func (d *forgetfulDisk) Rename(from, to string) error {
	if err := d.step("rename"); err != nil {
		return err
	}
	d.pending = append(d.pending, func(names map[string]*inode) {
		names[to] = names[from]
		delete(names, from)
	})
	return nil
}

func (d *forgetfulDisk) Remove(path string) error {
	if err := d.step("remove"); err != nil {
		return err
	}
	d.pending = append(d.pending, func(names map[string]*inode) { delete(names, path) })
	return nil
}

func (d *forgetfulDisk) SyncDir(string) error {
	if err := d.step("sync dir"); err != nil {
		return err
	}
	d.apply(len(d.pending))
	return nil
}

func (d *forgetfulDisk) apply(n int) {
	for _, change := range d.pending[:n] {
		change(d.names)
	}
	d.pending = nil
}

func (f *inode) Write(p []byte) (int, error) {
	if err := f.disk.step("write"); err != nil {
		n := f.disk.cut(len(p))
		f.data = append(f.data, p[:n]...)
		return n, err
	}
	f.data = append(f.data, p...)
	return len(p), nil
}

func (f *inode) Sync() error {
	if err := f.disk.step("sync"); err != nil {
		return err
	}
	f.synced = len(f.data)
	return nil
}

func (f *inode) Close() error { return f.disk.step("close") }
func (f *inode) Name() string { return f.name }

// materialise writes to dir what is left after a power loss: some of the name changes, in
// their order, and of each file the synced bytes and perhaps more, or zeros instead.
func (d *forgetfulDisk) materialise(t *rapid.T, dir string) {
	d.apply(rapid.IntRange(0, len(d.pending)).Draw(t, "changes of names that survive"))
	for path, f := range d.names {
		kept := rapid.IntRange(f.synced, len(f.data)).Draw(t, "bytes that survive")
		data := f.data[:kept:kept]
		if rapid.Bool().Draw(t, "the length survives") {
			data = append(data, make([]byte, len(f.data)-kept)...)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(path)), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFailedSave uses a disk that fails once and then works again, as a full one does.
func TestFailedSave(t *testing.T) {
	for _, failing := range []string{"create", "write", "sync", "close", "rename", "sync dir"} {
		t.Run(failing, func(t *testing.T) {
			disk := &forgetfulDisk{names: map[string]*inode{}, cut: func(n int) int { return n / 2 }}
			disk.step = func(op string) error {
				if op == failing {
					return errPower
				}
				return nil
			}
			d, err := checkpoint.OpenOn(t.TempDir(), disk)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			if err := d.Save(t.Context(), lane, source.Position(`1`)); !errors.Is(err, errPower) {
				t.Fatalf("got error %v, want the disk's", err)
			}
			disk.apply(len(disk.pending))
			for name := range disk.names {
				if strings.HasSuffix(name, ".tmp") {
					t.Errorf("%s was left behind", name)
				}
			}
		})
	}
}
