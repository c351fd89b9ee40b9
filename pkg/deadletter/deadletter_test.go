package deadletter_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/deadletter"
	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/internal/golden"
	"github.com/sluice-siem/sluice/pkg/sink"
)

const (
	lane  = "acme/siem"
	large = 1 << 30
)

var refusedAt = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)

func open(t testing.TB, dir string, maxBytes int64) *deadletter.Store {
	t.Helper()
	s, err := deadletter.Open(dir, maxBytes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func reject(id string) sink.Reject {
	return sink.Reject{
		Record: sink.Record{
			ID: id, Organization: "acme", Action: "branch.created", Key: "acme|1", Format: "ecs",
			MediaType: "application/json", Time: refusedAt.Add(-time.Minute), Severity: 3, Late: true,
			Body: []byte(`{"event":{"id":"` + id + `"}}`),
		},
		Raw:    []byte(`{"id":"` + id + `"}`),
		Reason: "too large",
		Time:   refusedAt,
	}
}

func rejects(ids ...string) []sink.Reject {
	var list []sink.Reject
	for _, id := range ids {
		list = append(list, reject(id))
	}
	return list
}

func put(t testing.TB, s *deadletter.Store, lane string, ids ...string) {
	t.Helper()
	if err := s.Put(t.Context(), lane, rejects(ids...)); err != nil {
		t.Fatal(err)
	}
}

func letters(t testing.TB, dir, lane string) []deadletter.Letter {
	t.Helper()
	var list []deadletter.Letter
	for letter, err := range deadletter.Letters(dir, lane) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, letter)
	}
	return list
}

// ids returns the ids of letters as one word, which is easy to read in a failure.
func ids(letters []deadletter.Letter) string {
	var list []string
	for _, l := range letters {
		list = append(list, l.Record.ID)
	}
	return strings.Join(list, " ")
}

func wantIDs(t testing.TB, dir, lane, want string) {
	t.Helper()
	if got := ids(letters(t, dir, lane)); got != want {
		t.Errorf("letters of %s: got %q, want %q", lane, got, want)
	}
}

func hint(err error) string {
	return failure.Hint(err)
}

func TestFileFormat(t *testing.T) {
	dir := t.TempDir()
	binary := reject("\xff")
	binary.Record.Body = []byte("\xfe\xff")
	binary.Raw = []byte("{\"id\":\"\xff\"}")
	binary.Reason = "not UTF-8:\n<a> \u202e"
	bare := sink.Reject{Record: sink.Record{ID: "sha256:0"}, Raw: []byte("[]"), Reason: "cannot be encoded"}
	if err := open(t, dir, large).Put(t.Context(), lane, []sink.Reject{reject("a"), binary, bare}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "acme+siem.ndjson")
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "letters.golden", string(got))
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := info.Mode().Perm(), fs.FileMode(0o600); got != want {
		t.Errorf("got mode %o, want %o", got, want)
	}
}

func TestLetterSurvives(t *testing.T) {
	root := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		anyBytes := rapid.SliceOf(rapid.OneOf(rapid.Byte(), rapid.ByteRange(' ', '~')))
		anyText := rapid.OneOf(rapid.String(), rapid.Map(anyBytes, func(b []byte) string { return string(b) }))
		anyTime := rapid.Map(rapid.Int64Range(-62167219200, 253402300799), func(s int64) time.Time { return time.Unix(s, 7).UTC() })
		want := sink.Reject{
			Record: sink.Record{
				ID: anyText.Draw(rt, "id"), Organization: anyText.Draw(rt, "organization"),
				Action: anyText.Draw(rt, "action"), Key: anyText.Draw(rt, "key"),
				Format: "cef", MediaType: "text/plain", Time: anyTime.Draw(rt, "time"),
				Severity: rapid.IntRange(0, 10).Draw(rt, "severity"), Late: rapid.Bool().Draw(rt, "late"),
				Replayed: rapid.Bool().Draw(rt, "replayed"), OwnToken: rapid.Bool().Draw(rt, "own token"),
				Epoch: rapid.Uint64().Draw(rt, "epoch"), Sequence: rapid.Uint64().Draw(rt, "sequence"),
				Body: anyBytes.Draw(rt, "body"),
			},
			Raw: anyBytes.Draw(rt, "raw"), Reason: rapid.String().Draw(rt, "reason"), Time: anyTime.Draw(rt, "refused"),
		}
		dir, err := os.MkdirTemp(root, "")
		if err != nil {
			rt.Fatal(err)
		}
		s, err := deadletter.Open(dir, large)
		if err != nil {
			rt.Fatal(err)
		}
		if err := s.Put(t.Context(), lane, []sink.Reject{want}); err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff([]deadletter.Letter{{Lane: lane, Reject: want}}, letters(t, dir, lane)); diff != "" {
			rt.Errorf("letter (-want +got):\n%s", diff)
		}
	})
}

// A letter is a file that anyone may have changed since, so what its format promised of
// the body no longer holds.
func TestLetterPromisesNoObject(t *testing.T) {
	dir := t.TempDir()
	promised := reject("a")
	promised.Record.Object = true
	if err := open(t, dir, large).Put(t.Context(), lane, []sink.Reject{promised}); err != nil {
		t.Fatal(err)
	}
	if got := letters(t, dir, lane); len(got) != 1 || got[0].Record.Object {
		t.Errorf("got %+v, want one letter whose record promises nothing", got)
	}
}

func TestPut(t *testing.T) {
	t.Run("lanes keep apart and letters in order, also after a restart", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "state", "dead-letters")
		put(t, open(t, dir, large), lane, "a", "b")
		s := open(t, dir, large)
		put(t, s, "acme/other", "c")
		put(t, s, lane, "d")
		wantIDs(t, dir, lane, "a b d")
		wantIDs(t, dir, "acme/other", "c")
		wantIDs(t, dir, "acme/none", "")
	})
	t.Run("without rejects no file is created", func(t *testing.T) {
		dir := t.TempDir()
		put(t, open(t, dir, large), lane)
		list, err := deadletter.List(dir, nil)
		if err != nil || len(list) != 0 {
			t.Errorf("got %v, %v, want no lanes", list, err)
		}
	})
	t.Run("a time that JSON cannot represent does not stop a record from being buried", func(t *testing.T) {
		dir := t.TempDir()
		r := reject("a")
		r.Record.Time = time.Date(0, 1, 1, 0, 0, 0, 0, time.FixedZone("", 3600))
		if err := open(t, dir, large).Put(t.Context(), lane, []sink.Reject{r}); err != nil {
			t.Fatal(err)
		}
		if got := letters(t, dir, lane)[0].Record.Time; !got.IsZero() {
			t.Errorf("got time %v, want the zero time", got)
		}
	})
	t.Run("the limit is for all lanes, and a call is buried as a whole or not at all", func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, dir, large)
		put(t, s, lane, "a")
		one, err := s.Size()
		if err != nil {
			t.Fatal(err)
		}
		s = open(t, dir, 3*one)
		put(t, s, "acme/other", "b") // its name is a byte longer
		err = s.Put(t.Context(), lane, rejects("c", "d"))
		if !errors.Is(err, deadletter.ErrFull) {
			t.Fatalf("got error %v, want ErrFull", err)
		}
		for _, want := range []string{dir, fmt.Sprintf("of %d bytes", 3*one), lane} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("error %q does not say %q", err, want)
			}
		}
		for _, want := range []string{"sluice deadletter redrive", "max_bytes"} {
			if !strings.Contains(hint(err), want) {
				t.Errorf("hint %q does not say %q", hint(err), want)
			}
		}
		wantIDs(t, dir, lane, "a")
		s = open(t, dir, 3*one+1)
		put(t, s, lane, "c")
		if got, err := s.Size(); err != nil || got != s.MaxBytes() {
			t.Errorf("got size %d, %v, want %d", got, err, s.MaxBytes())
		}
		if err := s.Put(t.Context(), "third/lane", rejects("d")); !errors.Is(err, deadletter.ErrFull) {
			t.Errorf("got error %v, want ErrFull", err)
		}
	})
	t.Run("an empty store takes letters that are larger than its limit, and is full then", func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, dir, 10)
		put(t, s, lane, "a", "b")
		wantIDs(t, dir, lane, "a b")
		if err := s.Put(t.Context(), lane, rejects("c")); !errors.Is(err, deadletter.ErrFull) {
			t.Errorf("got error %v, want ErrFull", err)
		}
		wantIDs(t, dir, lane, "a b")
	})
	t.Run("a torn line of a dead process does not count, in any lane", func(t *testing.T) {
		dir := t.TempDir()
		torn := `{"version":1,"lane":"` + strings.Repeat("x", 10_000)
		for _, name := range []string{"acme+siem.ndjson", "former+siem.ndjson", "acme+siem.ndjson.redrive"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(torn), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s := open(t, dir, 10)
		if got, err := s.Size(); err != nil || got != 0 {
			t.Errorf("got size %d, %v, want 0", got, err)
		}
		put(t, s, lane, "a")
		wantIDs(t, dir, lane, "a")
		if err := s.Put(t.Context(), "former/siem", rejects("b")); !errors.Is(err, deadletter.ErrFull) {
			t.Errorf("got error %v, want ErrFull", err)
		}
	})
	t.Run("letters of a redrive that died count", func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, dir, large)
		put(t, s, lane, "a")
		size, err := s.Size()
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "acme+siem.ndjson")
		if err := os.Rename(file, file+".redrive"); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Size(); err != nil || got != size {
			t.Errorf("got size %d, error %v, want %d", got, err, size)
		}
		if got, err := s.Count(lane); err != nil || got != 1 {
			t.Errorf("got %d letters, error %v, want 1", got, err)
		}
	})
	t.Run("a torn line of a dead process is cut off, and nothing before it", func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, dir, large)
		put(t, s, lane, "a")
		file := filepath.Join(dir, "acme+siem.ndjson")
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, append(whole, `{"version":1,"lane":"`+strings.Repeat("x", 10_000)...), 0o600); err != nil {
			t.Fatal(err)
		}
		put(t, s, lane, "b")
		wantIDs(t, dir, lane, "a b")
	})
	t.Run("a symbolic link is not written through", func(t *testing.T) {
		dir := t.TempDir()
		target := filepath.Join(t.TempDir(), "target")
		if err := errors.Join(os.WriteFile(target, []byte("precious"), 0o600), os.Symlink(target, filepath.Join(dir, "acme+siem.ndjson"))); err != nil {
			t.Fatal(err)
		}
		if err := open(t, dir, large).Put(t.Context(), lane, rejects("a")); !errors.Is(err, syscall.ELOOP) {
			t.Errorf("got error %v, want ELOOP", err)
		}
		if got, err := os.ReadFile(target); err != nil || string(got) != "precious" {
			t.Errorf("the target holds %q, error %v", got, err)
		}
	})
	t.Run("lanes and processes may bury at the same time", func(t *testing.T) {
		dir := t.TempDir()
		var group sync.WaitGroup
		for process := range 2 {
			s := open(t, dir, large)
			for _, lane := range []string{"a/a", "b/b"} {
				group.Go(func() {
					for i := range 20 {
						if err := s.Put(t.Context(), lane, rejects(fmt.Sprintf("%d-%d", process, i))); err != nil {
							t.Error(err)
						}
					}
				})
			}
		}
		group.Wait()
		for _, lane := range []string{"a/a", "b/b"} {
			if got, want := len(letters(t, dir, lane)), 40; got != want {
				t.Errorf("lane %s: got %d letters, want %d", lane, got, want)
			}
		}
	})
	t.Run("a context that ended buries nothing", func(t *testing.T) {
		dir := t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := open(t, dir, large).Put(ctx, lane, rejects("a")); !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v, want context.Canceled", err)
		}
		wantIDs(t, dir, lane, "")
	})
}

// TestTornLine lets a process die after each byte of what it buries.
func TestTornLine(t *testing.T) {
	whole := t.TempDir()
	put(t, open(t, whole, large), lane, "a")
	data, err := os.ReadFile(filepath.Join(whole, "acme+siem.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "acme+siem.ndjson")
	s := open(t, dir, large)
	for cut := range len(data) + 1 {
		torn := append(bytes.Clone(data), bytes.ReplaceAll(data, []byte(`"a"`), []byte(`"b"`))[:cut]...)
		if err := os.WriteFile(path, torn, 0o600); err != nil {
			t.Fatal(err)
		}
		before, after := "a", "a c"
		if cut == len(data) {
			before, after = "a b", "a b c"
		}
		wantIDs(t, dir, lane, before)
		put(t, s, lane, "c")
		wantIDs(t, dir, lane, after)
	}
	t.Run("also if it is long and the only one", func(t *testing.T) {
		if err := os.WriteFile(path, bytes.Repeat([]byte("x"), 100_000), 0o600); err != nil {
			t.Fatal(err)
		}
		put(t, s, lane, "c")
		wantIDs(t, dir, lane, "c")
	})
}

// watchedDisk records the operations on files, and fails the chosen one. A write that
// fails has written half of its bytes.
type watchedDisk struct {
	deadletter.Disk
	done []string
	fail string
}

type watchedFile struct {
	deadletter.DiskFile
	disk *watchedDisk
}

func (d *watchedDisk) do(op string) error {
	if op == d.fail {
		return syscall.ENOSPC
	}
	d.done = append(d.done, op)
	return nil
}

func (d *watchedDisk) OpenFile(path string) (deadletter.DiskFile, error) {
	if err := d.do("open"); err != nil {
		return nil, err
	}
	f, err := d.Disk.OpenFile(path)
	return &watchedFile{f, d}, err
}

func (d *watchedDisk) Rename(from, to string) error {
	if err := d.do("rename"); err != nil {
		return err
	}
	return d.Disk.Rename(from, to)
}

func (d *watchedDisk) Remove(path string) error {
	if err := d.do("remove"); err != nil {
		return err
	}
	return d.Disk.Remove(path)
}

func (d *watchedDisk) SyncDir(dir string) error {
	if err := d.do("sync directory"); err != nil {
		return err
	}
	return d.Disk.SyncDir(dir)
}

func (f *watchedFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.disk.do("write"); err != nil {
		n, writeErr := f.DiskFile.WriteAt(p[:len(p)/2], off)
		return n, errors.Join(err, writeErr)
	}
	return f.DiskFile.WriteAt(p, off)
}

func (f *watchedFile) Sync() error {
	if err := f.disk.do("sync"); err != nil {
		return err
	}
	return f.DiskFile.Sync()
}

func (f *watchedFile) Close() error {
	return errors.Join(f.disk.do("close"), f.DiskFile.Close())
}

func TestStableStorage(t *testing.T) {
	t.Run("a letter and its name are synced before Put returns", func(t *testing.T) {
		dir := t.TempDir()
		disk := &watchedDisk{Disk: deadletter.OSDisk}
		s, err := deadletter.OpenOn(dir, large, disk)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"a", "b"} {
			disk.done = nil
			put(t, s, lane, id)
			if diff := cmp.Diff([]string{"open", "write", "sync", "close", "sync directory"}, disk.done); diff != "" {
				t.Errorf("operations (-want +got):\n%s", diff)
			}
		}
	})
	t.Run("a redrive removes letters only after the rest is synced", func(t *testing.T) {
		disk := &watchedDisk{Disk: deadletter.OSDisk}
		s, err := deadletter.OpenOn(t.TempDir(), large, disk)
		if err != nil {
			t.Fatal(err)
		}
		put(t, s, lane, "a")
		disk.done = nil
		if n, err := s.Redrive(t.Context(), lane, refuseAll); n != 0 || err != nil {
			t.Fatalf("got %d, %v, want 0, nil", n, err)
		}
		want := []string{"rename", "open", "write", "sync", "close", "sync directory", "remove", "sync directory"}
		if diff := cmp.Diff(want, disk.done); diff != "" {
			t.Errorf("operations (-want +got):\n%s", diff)
		}
	})
	for _, failing := range []string{"open", "write", "sync", "close", "sync directory"} {
		t.Run("failing "+failing+" is an error and leaves whole lines", func(t *testing.T) {
			dir := t.TempDir()
			disk := &watchedDisk{Disk: deadletter.OSDisk}
			s, err := deadletter.OpenOn(dir, large, disk)
			if err != nil {
				t.Fatal(err)
			}
			put(t, s, lane, "a")
			disk.fail = failing
			err = s.Put(t.Context(), lane, rejects("b"))
			if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(hint(err), "free some space") {
				t.Errorf("got error %v with hint %q, want ENOSPC and what to do", err, hint(err))
			}
			data, err := os.ReadFile(filepath.Join(dir, "acme+siem.ndjson"))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.HasSuffix(data, []byte("\n")) {
				t.Errorf("half a line was left: %q", data)
			}
			if got := ids(letters(t, dir, lane)); got != "a" && got != "a b" {
				t.Errorf("got letters %q, want a and perhaps b", got)
			}
		})
	}
}

func TestCount(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, large)
	want := func(t *testing.T, want int) {
		t.Helper()
		if got, err := s.Count(lane); err != nil || got != want {
			t.Errorf("got %d letters, %v, want %d", got, err, want)
		}
	}
	t.Run("grows with each buried letter", func(t *testing.T) {
		want(t, 0)
		put(t, s, lane, "a", "b")
		want(t, 2)
		put(t, s, lane, strings.Repeat("c", 100_000))
		want(t, 3)
		want(t, 3)
	})
	t.Run("leaves a torn line out, and counts it once it is complete", func(t *testing.T) {
		f, err := os.OpenFile(filepath.Join(dir, "acme+siem.ndjson"), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, strings.Repeat("x", 400)); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		want(t, 3)
		fresh := open(t, dir, large)
		if got, err := fresh.Count(lane); err != nil || got != 3 {
			t.Errorf("got %d letters, %v, want 3", got, err)
		}
		put(t, s, lane, "d", "e")
		if got, err := fresh.Count(lane); err != nil || got != 5 {
			t.Errorf("got %d letters, %v, want 5", got, err)
		}
		want(t, 5)
	})
	t.Run("follows a redrive by another process", func(t *testing.T) {
		refuseLong := func(_ context.Context, all []deadletter.Letter) (refused []deadletter.Letter, err error) {
			want(t, 5)
			for _, l := range all {
				if len(l.Record.ID) > 1 {
					refused = append(refused, l)
				}
			}
			return refused, nil
		}
		if n, err := open(t, dir, large).Redrive(t.Context(), lane, refuseLong); n != 4 || err != nil {
			t.Fatalf("got %d, %v, want 4, nil", n, err)
		}
		want(t, 1)
		put(t, s, lane, "f")
		want(t, 2)
	})
	t.Run("notices a new file of the same name, although it is larger", func(t *testing.T) {
		var published []deadletter.Letter
		if _, err := s.Redrive(t.Context(), lane, collect(&published)); err != nil {
			t.Fatal(err)
		}
		put(t, s, lane, strings.Repeat("g", 200_000), "h", "i")
		want(t, 3)
	})
	t.Run("follows a person who empties the file", func(t *testing.T) {
		if err := os.Truncate(filepath.Join(dir, "acme+siem.ndjson"), 0); err != nil {
			t.Fatal(err)
		}
		want(t, 0)
	})
}

func TestList(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, large)
	put(t, s, lane, "a", "b")
	later := reject("c")
	later.Time = refusedAt.Add(time.Hour)
	if err := s.Put(t.Context(), lane, []sink.Reject{later}); err != nil {
		t.Fatal(err)
	}
	put(t, s, "acme/siem.ndjson-x", "d") // its file stands between those of the first lane
	line, err := os.ReadFile(filepath.Join(dir, "acme+siem.ndjson-x.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	damaged := "nothing\n" + `{"version":2}` + "\n" + string(line)
	for name, content := range map[string]string{"acme+siem.ndjson.redrive": damaged, "Notes.ndjson": "x\n", "redrive-1": "x\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := deadletter.List(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.Stat(filepath.Join(dir, "acme+siem.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	want := []deadletter.Lane{
		{Name: lane, Letters: 4, Bytes: own.Size() + int64(len(damaged)), Oldest: refusedAt, Newest: later.Time, Unreadable: 2, Redriving: true},
		{Name: "acme/siem.ndjson-x", Letters: 1, Bytes: int64(len(line)), Oldest: refusedAt, Newest: refusedAt},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	t.Run("leaves out lanes that are not chosen", func(t *testing.T) {
		got, err := deadletter.List(dir, func(name string) bool { return name != lane })
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want[1:], got); diff != "" {
			t.Errorf("list (-want +got):\n%s", diff)
		}
	})
	t.Run("unreadable lines are named and the letters after them follow", func(t *testing.T) {
		var read, failed []string
		for letter, err := range deadletter.Letters(dir, lane) {
			if err != nil {
				if !errors.Is(err, deadletter.ErrUnreadable) {
					t.Errorf("got error %v, want ErrUnreadable", err)
				}
				failed = append(failed, err.Error())
				continue
			}
			read = append(read, letter.Record.ID)
		}
		if diff := cmp.Diff([]string{"d", "a", "b", "c"}, read); diff != "" {
			t.Errorf("letters (-want +got):\n%s", diff)
		}
		if len(failed) != 2 || !strings.Contains(failed[1], "acme+siem.ndjson.redrive: line 2: ") || !strings.Contains(failed[1], "version 2") {
			t.Errorf("got errors %q, want two with their lines", failed)
		}
	})
}

// TestOpenFindsThatNoLetterCouldBeKept has a directory in which the lock of a Put cannot be
// had: the start fails, and not the first letter.
func TestOpenFindsThatNoLetterCouldBeKept(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "lock"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := deadletter.Open(dir, large); !errors.Is(err, syscall.EISDIR) {
		t.Errorf("got error %v, want that the lock is a directory", err)
	}
}
