package deadletter_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/deadletter"
)

func refuseAll(_ context.Context, letters []deadletter.Letter) ([]deadletter.Letter, error) {
	return letters, nil
}

// collect is a Publish that takes everything.
func collect(into *[]deadletter.Letter) deadletter.Publish {
	return func(_ context.Context, letters []deadletter.Letter) ([]deadletter.Letter, error) {
		*into = append(*into, letters...)
		return nil, nil
	}
}

func files(t testing.TB, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range list {
		names = append(names, f.Name())
	}
	return names
}

// numbers returns ids from 0 up.
func numbers(n int) []string {
	var ids []string
	for i := range n {
		ids = append(ids, fmt.Sprint(i))
	}
	return ids
}

var errDown = errors.New("the destination is down")

func TestRedrive(t *testing.T) {
	t.Run("publishes letters in order and removes them", func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, dir, large)
		put(t, s, lane, "a", "b")
		put(t, s, lane, "c")
		want := letters(t, dir, lane)
		var got []deadletter.Letter
		n, err := s.Redrive(t.Context(), lane, collect(&got))
		if n != 3 || err != nil {
			t.Fatalf("got %d, %v, want 3, nil", n, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("published (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"lock"}, files(t, dir)); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
	})
	t.Run("has nothing to do for a lane without letters", func(t *testing.T) {
		n, err := open(t, t.TempDir(), large).Redrive(t.Context(), lane, func(context.Context, []deadletter.Letter) ([]deadletter.Letter, error) {
			t.Error("publish was called")
			return nil, nil
		})
		if n != 0 || err != nil {
			t.Errorf("got %d, %v, want 0, nil", n, err)
		}
	})
	t.Run("keeps records that are refused again, with the new reason, also in a full store", func(t *testing.T) {
		dir := t.TempDir()
		put(t, open(t, dir, large), lane, "a", "b", "c")
		s := open(t, dir, 1)
		n, err := s.Redrive(t.Context(), lane, func(_ context.Context, all []deadletter.Letter) ([]deadletter.Letter, error) {
			all[1].Reason = "still too large"
			return all[1:2], nil
		})
		if n != 2 || err != nil {
			t.Fatalf("got %d, %v, want 2, nil", n, err)
		}
		wantIDs(t, dir, lane, "b")
		if got, want := letters(t, dir, lane)[0].Reason, "still too large"; got != want {
			t.Errorf("got reason %q, want %q", got, want)
		}
	})
	t.Run("publishes in batches, and after a failure keeps the rest and the refused records", func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, dir, large)
		put(t, s, lane, numbers(2500)...)
		calls := 0
		n, err := s.Redrive(t.Context(), lane, func(_ context.Context, all []deadletter.Letter) ([]deadletter.Letter, error) {
			if calls++; calls == 2 {
				return nil, errDown
			}
			return all[:1], nil
		})
		if n != 999 || !errors.Is(err, errDown) || calls != 2 {
			t.Fatalf("got %d, %v after %d calls, want 999 and the error of the second", n, err, calls)
		}
		left := letters(t, dir, lane)
		if got, want := len(left), 1501; got != want {
			t.Fatalf("got %d letters left, want %d", got, want)
		}
		if got, want := ids(left[:3]), "0 1000 1001"; got != want {
			t.Errorf("got letters %s first, want %s", got, want)
		}
	})
	t.Run("keeps what a batch left when it failed, and not what it published", func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, dir, large)
		put(t, s, lane, "a", "b", "c")
		n, err := s.Redrive(t.Context(), lane, func(_ context.Context, all []deadletter.Letter) ([]deadletter.Letter, error) {
			return all[1:], errDown
		})
		if n != 1 || !errors.Is(err, errDown) {
			t.Errorf("got %d, %v, want 1, %v", n, err, errDown)
		}
		wantIDs(t, dir, lane, "b c")
	})
	t.Run("limits the bytes of a batch too", func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, dir, large)
		for i := range 6 {
			r := reject(fmt.Sprint(i))
			r.Raw = bytes.Repeat([]byte("x"), 3<<20)
			if err := s.Put(t.Context(), lane, append(rejects(), r)); err != nil {
				t.Fatal(err)
			}
		}
		var sizes []int
		_, err := s.Redrive(t.Context(), lane, func(_ context.Context, all []deadletter.Letter) ([]deadletter.Letter, error) {
			sizes = append(sizes, len(all))
			return nil, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]int{2, 2, 2}, sizes); diff != "" {
			t.Errorf("batches (-want +got):\n%s", diff)
		}
	})
	t.Run("leaves letters that are buried meanwhile to the next redrive", func(t *testing.T) {
		dir := t.TempDir()
		s, daemon := open(t, dir, large), open(t, dir, large)
		put(t, s, lane, "a")
		n, err := s.Redrive(t.Context(), lane, func(_ context.Context, all []deadletter.Letter) ([]deadletter.Letter, error) {
			put(t, daemon, lane, "b")
			return all, nil
		})
		if n != 0 || err != nil {
			t.Fatalf("got %d, %v, want 0, nil", n, err)
		}
		wantIDs(t, dir, lane, "b a")
	})
	t.Run("refuses a second redrive of the lane, but not of another lane", func(t *testing.T) {
		dir := t.TempDir()
		s, second := open(t, dir, large), open(t, dir, large)
		put(t, s, lane, "a")
		put(t, s, "acme/other", "b")
		_, err := s.Redrive(t.Context(), lane, func(_ context.Context, all []deadletter.Letter) ([]deadletter.Letter, error) {
			if _, err := second.Redrive(t.Context(), lane, refuseAll); !errors.Is(err, deadletter.ErrBusy) || hint(err) == "" {
				t.Errorf("got error %v, want ErrBusy with a hint", err)
			}
			var got []deadletter.Letter
			if n, err := second.Redrive(t.Context(), "acme/other", collect(&got)); n != 1 || err != nil {
				t.Errorf("other lane: got %d, %v, want 1, nil", n, err)
			}
			return nil, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		wantIDs(t, dir, lane, "")
	})
	t.Run("continues with the letters of a dead redrive, and then with the rest", func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, dir, large)
		put(t, s, lane, "a", "b")
		path := filepath.Join(dir, "acme+siem.ndjson")
		if err := os.Rename(path, path+".redrive"); err != nil {
			t.Fatal(err)
		}
		put(t, s, lane, "c")
		var got []deadletter.Letter
		n, err := s.Redrive(t.Context(), lane, collect(&got))
		if n != 3 || err != nil || ids(got) != "a b c" {
			t.Errorf("got %d letters %q, %v, want 3, a b c", n, ids(got), err)
		}
		if diff := cmp.Diff([]string{"lock"}, files(t, dir)); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
	})
	t.Run("keeps and reports unreadable lines", func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, dir, large)
		put(t, s, lane, "a")
		path := filepath.Join(dir, "acme+siem.ndjson")
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append([]byte("edited by hand\n"), good...), 0o600); err != nil {
			t.Fatal(err)
		}
		var got []deadletter.Letter
		n, err := s.Redrive(t.Context(), lane, collect(&got))
		if n != 1 || !errors.Is(err, deadletter.ErrUnreadable) || !strings.Contains(err.Error(), path) {
			t.Errorf("got %d, %v, want 1 and ErrUnreadable with the path", n, err)
		}
		left, err := os.ReadFile(path)
		if err != nil || string(left) != "edited by hand\n" {
			t.Errorf("got %q left, %v, want the line that cannot be read", left, err)
		}
	})
	t.Run("ends with its context and keeps the rest", func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, dir, large)
		put(t, s, lane, numbers(1100)...)
		ctx, cancel := context.WithCancel(t.Context())
		n, err := s.Redrive(ctx, lane, func(context.Context, []deadletter.Letter) ([]deadletter.Letter, error) {
			cancel()
			return nil, nil
		})
		if n != 1000 || !errors.Is(err, context.Canceled) {
			t.Errorf("got %d, %v, want 1000, context.Canceled", n, err)
		}
		if got, want := len(letters(t, dir, lane)), 100; got != want {
			t.Errorf("got %d letters left, want %d", got, want)
		}
	})
	t.Run("returns an error if it cannot put letters back, and loses none", func(t *testing.T) {
		dir := t.TempDir()
		disk := &watchedDisk{Disk: deadletter.OSDisk}
		s, err := deadletter.OpenOn(dir, large, disk)
		if err != nil {
			t.Fatal(err)
		}
		put(t, s, lane, "a", "b")
		disk.fail = "write"
		if _, err := s.Redrive(t.Context(), lane, refuseAll); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("got %v, want the disk's %v", err, syscall.ENOSPC)
		}
		wantIDs(t, dir, lane, "a b")
		disk.fail = ""
		var got []deadletter.Letter
		if _, err := s.Redrive(t.Context(), lane, collect(&got)); err != nil || ids(got) != "a b" {
			t.Errorf("got letters %q, %v, want a b", ids(got), err)
		}
	})
}

// errDied simulates the death of the process: it does nothing more, and its locks are
// released.
var errDied = errors.New("the process died")

// TestNoLetterIsLost buries, redrives and renames in any order, with a destination that refuses and
// fails, and a process that dies at any step. It checks one rule: every buried letter is
// published or still there.
func TestNoLetterIsLost(t *testing.T) {
	root := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(root, "")
		if err != nil {
			rt.Fatal(err)
		}
		m := &model{dir: dir, buried: map[string]bool{}, published: map[string]bool{}}
		rt.Repeat(map[string]func(*rapid.T){
			"bury":           m.bury,
			"die in burying": m.dieInBurying,
			"redrive":        m.redrive,
			"rename":         m.rename,
		})
		m.check(rt) // a letter that is lost stays lost
	})
}

type model struct {
	dir       string
	next      int
	buried    map[string]bool // that Put has acknowledged
	published map[string]bool
}

func (m *model) open(t *rapid.T, disk deadletter.Disk) *deadletter.Store {
	s, err := deadletter.OpenOn(m.dir, large, disk)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (m *model) names(t *rapid.T) []string {
	var names []string
	for range rapid.IntRange(1, 3).Draw(t, "letters") {
		m.next++
		names = append(names, fmt.Sprint(m.next))
	}
	return names
}

func (m *model) bury(t *rapid.T) {
	names := m.names(t)
	if err := m.open(t, &mortalDisk{Disk: deadletter.OSDisk, steps: 100}).Put(context.Background(), lane, rejects(names...)); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		m.buried[name] = true
	}
}

func (m *model) dieInBurying(t *rapid.T) {
	diesOn(t, func(disk deadletter.Disk) error {
		return m.open(t, disk).Put(context.Background(), lane, rejects(m.names(t)...))
	})
}

func (m *model) redrive(t *rapid.T) {
	diesOn(t, func(disk deadletter.Disk) error {
		_, err := m.open(t, disk).Redrive(context.Background(), lane, func(_ context.Context, all []deadletter.Letter) (refused []deadletter.Letter, err error) {
			switch rapid.SampledFrom([]string{"publish", "fail", "fail after the first", "die"}).Draw(t, "the destination") {
			case "fail":
				return nil, errDown
			case "fail after the first":
				m.published[all[0].Record.ID] = true
				return all[1:], errDown
			case "die":
				panic(errDied)
			}
			for _, letter := range all {
				if rapid.Bool().Draw(t, "refused") {
					refused = append(refused, letter)
				} else {
					m.published[letter.Record.ID] = true
				}
			}
			return refused, nil
		})
		if errors.Is(err, errDown) {
			return nil
		}
		return err
	})
}

func (m *model) rename(t *rapid.T) {
	from, to := lane, renamed
	if rapid.Bool().Draw(t, "back") {
		from, to = to, from
	}
	diesOn(t, func(disk deadletter.Disk) error { return m.open(t, disk).Rename(context.Background(), from, to) })
}

// diesOn runs f with a disk on which the process may die at any step.
func diesOn(t *rapid.T, f func(deadletter.Disk) error) {
	defer func() {
		if died := recover(); died != nil && died != errDied {
			panic(died)
		}
	}()
	disk := &mortalDisk{Disk: deadletter.OSDisk, t: t, steps: rapid.IntRange(0, 12).Draw(t, "steps until it dies")}
	if err := f(disk); err != nil {
		t.Fatal(err)
	}
}

func (m *model) check(t *rapid.T) {
	stored := map[string]bool{}
	for _, name := range []string{lane, renamed} {
		for letter, err := range deadletter.Letters(m.dir, name) {
			if err != nil {
				t.Fatal(err)
			}
			stored[letter.Record.ID] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.buried)) {
		if !stored[name] && !m.published[name] {
			t.Errorf("letter %s is neither there nor published", name)
		}
	}
}

// mortalDisk ends the process after a number of steps. It syncs nothing: the bytes that a
// dead process wrote stay.
type mortalDisk struct {
	deadletter.Disk
	t     *rapid.T
	steps int
}

type mortalFile struct {
	deadletter.DiskFile
	disk *mortalDisk
}

func (d *mortalDisk) step() {
	if d.steps--; d.steps < 0 {
		panic(errDied)
	}
}

func (d *mortalDisk) OpenFile(path string) (deadletter.DiskFile, error) {
	d.step()
	f, err := d.Disk.OpenFile(path)
	return &mortalFile{f, d}, err
}

func (d *mortalDisk) Rename(from, to string) error {
	d.step()
	return d.Disk.Rename(from, to)
}

func (d *mortalDisk) Remove(path string) error {
	d.step()
	return d.Disk.Remove(path)
}

func (d *mortalDisk) SyncDir(string) error {
	d.step()
	return nil
}

func (f *mortalFile) Truncate(size int64) error {
	f.disk.step()
	return f.DiskFile.Truncate(size)
}

func (f *mortalFile) WriteAt(p []byte, off int64) (int, error) {
	if f.disk.steps == 0 {
		if _, err := f.DiskFile.WriteAt(p[:rapid.IntRange(0, len(p)).Draw(f.disk.t, "bytes written")], off); err != nil {
			return 0, err
		}
	}
	f.disk.step()
	return f.DiskFile.WriteAt(p, off)
}

func (f *mortalFile) Sync() error {
	f.disk.step()
	return nil
}
