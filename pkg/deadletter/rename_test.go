package deadletter_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/deadletter"
)

const renamed = "acme/renamed"

func TestRename(t *testing.T) {
	rename := func(t *testing.T, s *deadletter.Store) {
		t.Helper()
		if err := s.Rename(t.Context(), lane, renamed); err != nil {
			t.Fatal(err)
		}
		wantIDs(t, filepath.Dir(s.Path(lane)), lane, "")
	}
	t.Run("gives the letters to the other lane, unchanged, and can be repeated", func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, dir, large)
		rename(t, s)
		put(t, s, lane, "a", "b")
		want := letters(t, dir, lane)
		for range 2 {
			rename(t, s)
			if diff := cmp.Diff(want, letters(t, dir, renamed)); diff != "" {
				t.Errorf("letters (-want +got):\n%s", diff)
			}
		}
		if got, err := s.Count(renamed); err != nil || got != 2 {
			t.Errorf("got %d letters, %v, want 2", got, err)
		}
		var published []deadletter.Letter
		if n, err := s.Redrive(t.Context(), renamed, collect(&published)); n != 2 || err != nil || ids(published) != "a b" {
			t.Errorf("redrive: got %d letters %q, %v, want a b", n, ids(published), err)
		}
	})
	t.Run("puts them behind the letters of that lane, those of a dead redrive first", func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, dir, large)
		put(t, s, renamed, "a")
		put(t, s, lane, "b")
		path := filepath.Join(dir, "acme+siem.ndjson")
		if err := os.Rename(path, path+".redrive"); err != nil {
			t.Fatal(err)
		}
		put(t, s, lane, "c")
		rename(t, s)
		wantIDs(t, dir, renamed, "a b c")
		if diff := cmp.Diff([]string{"acme+renamed.ndjson", "lock"}, files(t, dir)); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
	})
	t.Run("leaves out a torn line of a dead process", func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, dir, large)
		put(t, s, renamed, "a")
		if err := os.WriteFile(filepath.Join(dir, "acme+siem.ndjson"), []byte(`{"version":1,`), 0o600); err != nil {
			t.Fatal(err)
		}
		rename(t, s)
		put(t, s, renamed, "b")
		wantIDs(t, dir, renamed, "a b")
	})
	t.Run("is refused while a redrive holds the letters", func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, dir, large)
		put(t, s, lane, "a")
		_, err := s.Redrive(t.Context(), lane, func(_ context.Context, all []deadletter.Letter) ([]deadletter.Letter, error) {
			err := open(t, dir, large).Rename(t.Context(), lane, renamed)
			if !errors.Is(err, deadletter.ErrBusy) || hint(err) == "" || !strings.Contains(err.Error(), "lane "+lane+" to lane "+renamed) {
				t.Errorf("got error %v, want ErrBusy with the lanes and a hint", err)
			}
			return all, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		wantIDs(t, dir, lane, "a")
	})
	t.Run("does not follow a symbolic link", func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, dir, large)
		put(t, s, renamed, "a")
		if err := os.Symlink(filepath.Join(dir, "acme+renamed.ndjson"), filepath.Join(dir, "acme+siem.ndjson")); err != nil {
			t.Fatal(err)
		}
		if err := s.Rename(t.Context(), lane, renamed); !errors.Is(err, syscall.ELOOP) {
			t.Errorf("got error %v, want ELOOP", err)
		}
		wantIDs(t, dir, renamed, "a")
	})
}

// TestRenameRemovesLast checks that letters are synced at their new place before they are
// removed from the old one.
func TestRenameRemovesLast(t *testing.T) {
	for name, want := range map[string][]string{
		"to a lane without letters": {"rename", "sync directory"},
		"to a lane with letters":    {"open", "write", "sync", "close", "sync directory", "remove", "sync directory"},
	} {
		t.Run(name, func(t *testing.T) {
			disk := &watchedDisk{Disk: deadletter.OSDisk}
			s, err := deadletter.OpenOn(t.TempDir(), large, disk)
			if err != nil {
				t.Fatal(err)
			}
			put(t, s, lane, "a")
			if strings.HasSuffix(name, "with letters") {
				put(t, s, renamed, "b")
			}
			disk.done = nil
			if err := s.Rename(t.Context(), lane, renamed); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, disk.done); diff != "" {
				t.Errorf("operations (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRenameIsInterrupted lets each operation fail in turn. Every letter is still there,
// and a second rename ends with all of them under the new name.
func TestRenameIsInterrupted(t *testing.T) {
	for _, failing := range []string{"rename", "open", "write", "sync", "close", "remove", "sync directory"} {
		t.Run(failing, func(t *testing.T) {
			dir := t.TempDir()
			disk := &watchedDisk{Disk: deadletter.OSDisk}
			s, err := deadletter.OpenOn(dir, large, disk)
			if err != nil {
				t.Fatal(err)
			}
			put(t, s, lane, "a")
			path := filepath.Join(dir, "acme+siem.ndjson")
			if err := os.Rename(path, path+".redrive"); err != nil {
				t.Fatal(err)
			}
			put(t, s, lane, "b")
			disk.fail = failing
			if err := s.Rename(t.Context(), lane, renamed); !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("got error %v, want ENOSPC", err)
			}
			disk.fail = ""
			if err := s.Rename(t.Context(), lane, renamed); err != nil {
				t.Fatal(err)
			}
			wantIDs(t, dir, lane, "")
			if got := ids(letters(t, dir, renamed)); got != "a b" && got != "a b b" {
				t.Errorf("got letters %q, want a b, the last one twice at most", got)
			}
		})
	}
}
