package file_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink/file"
)

// contents returns the contents of the files in a directory, in the order of their
// names.
func contents(t testing.TB, dir string) (names, texts []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
		texts = append(texts, read(t, filepath.Join(dir, e.Name())))
	}
	return names, texts
}

func TestRotatesBeforeTheFileWouldBeTooLarge(t *testing.T) {
	dir := t.TempDir()
	snk := open(t, file.Type, func(s *file.Settings) {
		s.Path, s.MaxBytes = filepath.Join(dir, "audit.ndjson"), 10
	})
	publish(t, snk, "1234", "678") // 9 bytes
	publish(t, snk, "")            // the tenth
	publish(t, snk, "a")
	publish(t, snk, "larger than a file")
	publish(t, snk, "b")
	names, texts := contents(t, dir)
	want := []string{"1234\n678\n\n", "a\n", "larger than a file\n", "b\n"}
	if diff := cmp.Diff(want, texts); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	form := regexp.MustCompile(`^audit-\d{8}T\d{6}\.\d{3}Z\.ndjson$`)
	for _, name := range names[:3] {
		if !form.MatchString(name) {
			t.Errorf("got a rotated file %s, want its name like %v", name, form)
		}
	}
	if names[3] != "audit.ndjson" {
		t.Errorf("got files %v, want the last one to be audit.ndjson", names)
	}
}

func TestRotatesInEachPeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // starts on 2000-01-01, a Saturday, at 00:00 UTC
		dir := t.TempDir()
		settings := func(s *file.Settings) {
			s.Path, s.MaxAge = filepath.Join(dir, "audit.ndjson"), setting.Duration(24*time.Hour)
		}
		snk := openUnclosed(t, file.Type, zerolog.Nop(), settings)
		publish(t, snk, "at midnight")
		time.Sleep(24*time.Hour - time.Nanosecond)
		publish(t, snk, "just before the next")
		time.Sleep(time.Nanosecond)
		publish(t, snk, "at the next")
		time.Sleep(72 * time.Hour)
		publish(t, snk, "three quiet days later")
		if err := snk.Close(); err != nil {
			t.Fatal(err)
		}
		names, texts := contents(t, dir)
		if diff := cmp.Diff([]string{"at midnight\njust before the next\n", "at the next\n", "three quiet days later\n"}, texts); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"audit-20000102T000000.000Z.ndjson", "audit-20000105T000000.000Z.ndjson", "audit.ndjson"}, names); diff != "" {
			t.Errorf("names (-want +got):\n%s", diff)
		}
	})
}

// TestPeriodSurvivesARestart opens files that were last written to before or after
// midnight, by their modification time.
func TestPeriodSurvivesARestart(t *testing.T) {
	for _, c := range []struct {
		name    string
		written time.Duration // before now, which is 00:00 UTC and an hour
		want    []string
	}{
		{"written today", 59 * time.Minute, []string{"old\nnew\n"}},
		{"written yesterday", 61 * time.Minute, []string{"old\n", "new\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Hour)
				dir := t.TempDir()
				path := filepath.Join(dir, "audit.ndjson")
				write(t, path, "old\n")
				written := time.Now().Add(-c.written)
				if err := os.Chtimes(path, written, written); err != nil {
					t.Fatal(err)
				}
				snk := openUnclosed(t, file.Type, zerolog.Nop(), func(s *file.Settings) {
					s.Path, s.MaxAge = path, setting.Duration(24*time.Hour)
				})
				publish(t, snk, "new")
				if err := snk.Close(); err != nil {
					t.Fatal(err)
				}
				if _, texts := contents(t, dir); !slices.Equal(texts, c.want) {
					t.Errorf("got files %q, want %q", texts, c.want)
				}
			})
		})
	}
}

// TestRotationOverwritesNothing creates files of other programs under the names of
// the next rotated files. The bubble's clock does not move meanwhile.
func TestRotationOverwritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "audit-20000101T000000.000Z"), "evidence")
		if err := os.Symlink("nowhere", filepath.Join(dir, "audit-20000101T000000.002Z")); err != nil {
			t.Fatal(err)
		}
		snk := openUnclosed(t, file.Type, zerolog.Nop(), func(s *file.Settings) {
			s.Path, s.MaxBytes = filepath.Join(dir, "audit"), 1
		})
		for _, body := range []string{"a", "b", "c"} {
			publish(t, snk, body)
		}
		if err := snk.Close(); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{
			"audit-20000101T000000.000Z": "evidence",
			"audit-20000101T000000.001Z": "a\n",
			"audit-20000101T000000.003Z": "b\n",
			"audit":                      "c\n",
		} {
			wantContent(t, filepath.Join(dir, name), want)
		}
		if got, err := os.Readlink(filepath.Join(dir, "audit-20000101T000000.002Z")); err != nil || got != "nowhere" {
			t.Errorf("got a link to %q, error %v, want it to be left alone", got, err)
		}
	})
}

func TestKeepsTheNewestRotatedFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		others := []string{
			"audit-19990101T000000.000Z.ndjson.gz", "audit-19990101T000000.000Z.log", "audit-19990101.ndjson",
			"audit-x-19990101T000000.000Z.ndjson", "other-19990101T000000.000Z.ndjson", "19990101T000000.000Z.ndjson",
			"audit-19990101T000000.000Z",
		}
		for _, name := range others {
			write(t, filepath.Join(dir, name), "of others")
		}
		var log bytes.Buffer
		snk := openUnclosed(t, file.Type, zerolog.New(&log), func(s *file.Settings) {
			s.Path, s.MaxBytes, s.Keep = filepath.Join(dir, "audit.ndjson"), 1, 2
		})
		for _, body := range []string{"a", "b", "c", "d", "e"} {
			publish(t, snk, body)
		}
		if err := snk.Close(); err != nil {
			t.Fatal(err)
		}
		_, texts := contents(t, dir)
		texts = slices.DeleteFunc(texts, func(text string) bool { return text == "of others" })
		if diff := cmp.Diff([]string{"c\n", "d\n", "e\n"}, texts); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
		for _, name := range others {
			wantContent(t, filepath.Join(dir, name), "of others")
		}
		if got := strings.Count(log.String(), "deleted the oldest rotated file"); got != 2 {
			t.Errorf("got %d deletions in the log, want 2", got)
		}
	})
}

func TestKeepsAllByDefault(t *testing.T) {
	dir := t.TempDir()
	snk := open(t, file.Type, func(s *file.Settings) { s.Path, s.MaxBytes = filepath.Join(dir, "audit.ndjson"), 1 })
	for n := range 20 {
		publish(t, snk, fmt.Sprint(n))
	}
	if names, _ := contents(t, dir); len(names) != 20 {
		t.Errorf("got %d files, want 20", len(names))
	}
}

// TestClockThatWasSetBackDoesNotMixUpTheOrder starts with a rotated file from the
// future.
func TestClockThatWasSetBackDoesNotMixUpTheOrder(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "audit-20991231T235959.999Z.ndjson"), "z\n")
	snk := open(t, file.Type, func(s *file.Settings) {
		s.Path, s.MaxBytes, s.Keep = filepath.Join(dir, "audit.ndjson"), 1, 2
	})
	for _, body := range []string{"a", "b", "c"} {
		publish(t, snk, body)
	}
	names, texts := contents(t, dir)
	if diff := cmp.Diff([]string{"a\n", "b\n", "c\n"}, texts); diff != "" {
		t.Errorf("files %v (-want +got):\n%s", names, diff)
	}
}

// TestRotationRenamesTheFileBehindALink checks that the link stays.
func TestRotationRenamesTheFileBehindALink(t *testing.T) {
	links, files := t.TempDir(), t.TempDir()
	path := filepath.Join(links, "current")
	write(t, filepath.Join(files, "audit.ndjson"), "a\n")
	if err := os.Symlink(filepath.Join(files, "audit.ndjson"), path); err != nil {
		t.Fatal(err)
	}
	publish(t, open(t, file.Type, rotating(path)), "b")
	if _, texts := contents(t, files); !slices.Equal(texts, []string{"a\n", "b\n"}) {
		t.Errorf("got files %q, want the one behind the link rotated", texts)
	}
	wantContent(t, path, "b\n")
}

func TestFileIsCreatedAtTheTargetOfADanglingLink(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "files"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("files/audit.ndjson", filepath.Join(dir, "current")); err != nil {
		t.Fatal(err)
	}
	publish(t, open(t, file.Type, at(filepath.Join(dir, "current"))), "a")
	wantContent(t, filepath.Join(dir, "files", "audit.ndjson"), "a\n")
}

func TestNoticesWhatOtherProgramsDoToTheFile(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(path string) error
		want []string // renamed files first
	}{
		{"renamed", func(path string) error { return os.Rename(path, path+".1") }, []string{"b\n", "a\n"}},
		{"renamed, and another created", func(path string) error {
			return errors.Join(os.Rename(path, path+".1"), os.WriteFile(path, []byte("head\ntorn"), 0o600))
		}, []string{"head\nb\n", "a\n"}},
		{"removed", os.Remove, []string{"b\n"}},
		{"emptied in place", func(path string) error { return os.Truncate(path, 0) }, []string{"b\n"}},
		{"appended to", func(path string) error { return os.WriteFile(path, []byte("a\nforeign\n"), 0o600) }, []string{"a\nforeign\nb\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "audit.ndjson")
			d := &faulty{lines: -1}
			snk := open(t, file.On(file.Disk{Write: d.write}), at(path))
			publish(t, snk, "a")
			if err := c.do(path); err != nil {
				t.Fatal(err)
			}
			publish(t, snk, "b")
			d.fill(t, 1)
			if err := snk.Publish(t.Context(), batch("c", "undone")); !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("got error %v, want %v", err, syscall.ENOSPC)
			}
			if _, texts := contents(t, dir); !slices.Equal(texts, c.want) {
				t.Errorf("got files %q, want %q", texts, c.want)
			}
		})
	}
}

// TestUndoDoesNotExtendAnEmptiedFile lets another program empty the file before the
// sink has cut off unacknowledged bytes.
func TestUndoDoesNotExtendAnEmptiedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.ndjson")
	d := &faulty{lines: -1}
	snk := open(t, file.On(file.Disk{Write: d.write, Truncate: func(f *os.File, size int64) error {
		if size > 0 {
			return errors.New("truncating fails") // so that the file stays dirty
		}
		return f.Truncate(size)
	}}), at(path))
	publish(t, snk, "acknowledged")
	d.fill(t, 1)
	if err := snk.Publish(t.Context(), batch("a", "bc")); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("got error %v of a Publish to a full disk, want %v", err, syscall.ENOSPC)
	}
	d.repair(t)
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	publish(t, snk, "a", "bc")
	wantContent(t, path, "a\nbc\n")
}

// TestRotationLosesNoLine publishes batches of any size with any limit, restarts in
// between, and compares the concatenated files.
func TestRotationLosesNoLine(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		limit := rapid.Int64Range(1, 60).Draw(rt, "max_bytes")
		settings := func(s *file.Settings) {
			s.Path, s.MaxBytes = filepath.Join(dir, "audit.ndjson"), setting.Size(limit)
		}
		snk := openUnclosed(t, file.Type, zerolog.Nop(), settings)
		var want strings.Builder
		batches := map[string]bool{}
		for n := range rapid.IntRange(1, 12).Draw(rt, "publishes") {
			text := strings.Repeat("x", rapid.IntRange(0, 30).Draw(rt, "size"))
			publish(t, snk, fmt.Sprint(n), text)
			line := fmt.Sprintf("%d\n%s\n", n, text)
			batches[line] = true
			want.WriteString(line)
			if rapid.IntRange(0, 4).Draw(rt, "restart") == 0 {
				if err := snk.Close(); err != nil {
					rt.Fatal(err)
				}
				snk = openUnclosed(t, file.Type, zerolog.Nop(), settings)
			}
		}
		if err := snk.Close(); err != nil {
			rt.Fatal(err)
		}
		_, texts := contents(t, dir)
		if got := strings.Join(texts, ""); got != want.String() {
			rt.Fatalf("got %q, want %q", got, want.String())
		}
		for _, text := range texts {
			if int64(len(text)) > limit && !batches[text] {
				rt.Fatalf("a file of %d bytes holds more than one batch, with a limit of %d", len(text), limit)
			}
		}
	})
}
