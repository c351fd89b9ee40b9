package pause_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/pause"
)

var marker = pause.Marker{Lane: "acme/siem", Since: time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC), By: "root@siem", Reason: "upgrade <5>"}

func look(t *testing.T, d pause.Dir, lane string) *pause.Marker {
	t.Helper()
	m, err := d.Look(t.Context(), lane)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAMarkerStaysUntilTheLaneIsResumed(t *testing.T) {
	d := pause.Dir(filepath.Join(t.TempDir(), "state"))
	if m := look(t, d, marker.Lane); m != nil {
		t.Errorf("before: %+v", m)
	}
	if err := d.Pause(t.Context(), marker); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&marker, look(t, d, marker.Lane)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if m := look(t, d, "acme/other"); m != nil {
		t.Errorf("another lane: %+v", m)
	}
	again := marker
	again.Reason = "later"
	if err := d.Pause(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	if m := look(t, d, marker.Lane); m.Reason != "later" {
		t.Errorf("replaced: %+v", m)
	}
	for _, want := range []bool{true, false} {
		if was, err := d.Resume(t.Context(), marker.Lane); was != want || err != nil {
			t.Errorf("resumed: %t, %v, want %t", was, err, want)
		}
	}
	if m := look(t, d, marker.Lane); m != nil {
		t.Errorf("after: %+v", m)
	}
}

// A marker that cannot be used still pauses its lane, and says what to do.
func TestAMarkerThatCannotBeUsedStillPauses(t *testing.T) {
	good := func(t *testing.T, d pause.Dir, path string) []byte {
		if err := d.Pause(t.Context(), marker); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	for name, spoil := range map[string]func(data []byte) []byte{
		"empty":           func([]byte) []byte { return nil },
		"cut":             func(d []byte) []byte { return d[:len(d)/2] },
		"without its end": func(d []byte) []byte { return d[:len(d)-1] },
		"edited":          func(d []byte) []byte { return []byte(strings.Replace(string(d), "{", "{ ", 1)) },
		"of another lane": func(d []byte) []byte { return []byte(strings.Replace(string(d), "acme/siem", "acme/mime", 1)) },
		"too long":        func(d []byte) []byte { return []byte(strings.Repeat(" ", 9<<10) + string(d)) },
		"of a later version": func(d []byte) []byte {
			return []byte(strings.Replace(string(d), `"version":1`, `"version":2`, 1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := pause.Dir(t.TempDir())
			path := filepath.Join(string(d), "acme+siem.paused")
			if err := os.WriteFile(path, spoil(good(t, d, path)), 0o600); err != nil {
				t.Fatal(err)
			}
			m := look(t, d, marker.Lane)
			if m == nil || m.Err == nil || m.Lane != marker.Lane || !strings.Contains(failure.Hint(m.Err), "sluice resume -c FILE acme/siem") {
				t.Errorf("got %+v", m)
			}
			if was, err := d.Resume(t.Context(), marker.Lane); !was || err != nil {
				t.Errorf("resumed: %t, %v", was, err)
			}
		})
	}
	for name, make := range map[string]func(path string) error{
		"a directory":     func(path string) error { return os.Mkdir(path, 0o700) },
		"a link":          func(path string) error { return os.Symlink("/dev/null", path) },
		"a pipe":          func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a dangling link": func(path string) error { return os.Symlink("nothing", path) },
	} {
		t.Run(name, func(t *testing.T) {
			d := pause.Dir(t.TempDir())
			if err := make(filepath.Join(string(d), "acme+siem.paused")); err != nil {
				t.Fatal(err)
			}
			if m := look(t, d, marker.Lane); m == nil || m.Err == nil {
				t.Errorf("got %+v", m)
			}
		})
	}
}

func TestItIsAnErrorIfNobodyCanSayWhetherALaneIsPaused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if m, err := pause.Dir(file).Look(t.Context(), "a/b"); err == nil {
		t.Errorf("got %+v", m)
	}
}

// What a command left that was killed goes with the next one.
func TestLeftoversAreRemoved(t *testing.T) {
	d := pause.Dir(t.TempDir())
	left := filepath.Join(string(d), "acme+siem.paused.123.tmp")
	young := filepath.Join(string(d), "acme+siem.paused.124.tmp") // Somebody writes it.
	for _, path := range []string{left, young, filepath.Join(string(d), "acme+siem.json.1.tmp")} {
		if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		if at := time.Now().Add(-time.Hour); path != young {
			if err := os.Chtimes(path, at, at); err != nil {
				t.Fatal(err)
			}
		}
	}
	if m := look(t, d, marker.Lane); m != nil {
		t.Errorf("half a marker pauses: %+v", m)
	}
	if err := d.Pause(t.Context(), marker); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if files, _ := os.ReadDir(string(d)); len(files) != 3 {
		t.Errorf("%d files, want the marker, the young one and what is not ours", len(files))
	}
}

func TestTheOwnerOfTheDirectoryOwnsTheMarker(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("only root can give a file away")
		return
	}
	d := pause.Dir(t.TempDir())
	if err := os.Chown(string(d), 12345, 12346); err != nil {
		t.Fatal(err)
	}
	if err := d.Pause(t.Context(), marker); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(string(d), "acme+siem.paused"))
	if err != nil {
		t.Fatal(err)
	}
	if s := info.Sys().(*syscall.Stat_t); s.Uid != 12345 || s.Gid != 12346 || info.Mode().Perm() != 0o600 {
		t.Errorf("uid %d, gid %d, mode %v", s.Uid, s.Gid, info.Mode())
	}
}

func TestAReasonIsBounded(t *testing.T) {
	d, m := pause.Dir(t.TempDir()), marker
	m.Reason = strings.Repeat("x", 501)
	if err := d.Pause(t.Context(), m); err == nil {
		t.Error("a reason of 501 bytes was written")
	}
	m.Reason = strings.Repeat("\x01", 500) // the longest as JSON
	if err := d.Pause(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got := look(t, d, m.Lane); got.Err != nil || got.Reason != m.Reason {
		t.Errorf("got %+v", got)
	}
}

func TestTextsThatAreNotUTF8CanBeRead(t *testing.T) {
	d, m := pause.Dir(t.TempDir()), marker
	m.By, m.Reason = "r\xffot@siem", "upgrade\xc3"
	if err := d.Pause(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got := look(t, d, m.Lane); got.Err != nil || got.By != "r\uFFFDot@siem" || got.Reason != "upgrade\uFFFD" {
		t.Errorf("got %+v", got)
	}
}
