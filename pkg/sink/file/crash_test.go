package file_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/file"
)

// TestCrashAtEachByte loses power while a batch is being written, after each byte.
func TestCrashAtEachByte(t *testing.T) {
	const before = "{\"n\":1}\n{\"n\":2}\n"
	const during = "{\"n\":3}\n{\"n\":4,\"text\":\"é\"}\n"
	for _, acknowledged := range []string{"", before} {
		for size := range len(during) + 1 {
			t.Run(fmt.Sprintf("%d bytes after %d", size, len(acknowledged)), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "audit.ndjson")
				write(t, path, acknowledged+during[:size])
				publish(t, open(t, file.Type, at(path)), `{"n":5}`)
				whole := during[:strings.LastIndexByte(during[:size], '\n')+1]
				wantContent(t, path, acknowledged+whole+"{\"n\":5}\n")
			})
		}
	}
}

func TestTornLineOfAnyLengthIsFound(t *testing.T) {
	const chunk = 64 << 10 // of the search
	for _, size := range []int{chunk - 1, chunk, chunk + 1, 3*chunk - 2, 3 * chunk, file.Longest - 1, file.Longest} {
		for _, acknowledged := range []string{"", "a\n"} {
			t.Run(fmt.Sprintf("%d bytes after %q", size, acknowledged), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "audit.ndjson")
				write(t, path, acknowledged+strings.Repeat("x", size))
				var log bytes.Buffer
				snk := openUnclosed(t, file.Type, zerolog.New(&log), at(path))
				publish(t, snk, "b")
				if err := snk.Close(); err != nil {
					t.Fatal(err)
				}
				wantContent(t, path, acknowledged+"b\n")
				if want := fmt.Sprintf(`"bytes":%d`, size); !strings.Contains(log.String(), want) {
					t.Errorf("got log %q, want %s in it", log.String(), want)
				}
			})
		}
	}
}

func TestForeignFileIsNotCut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "database.bin")
	content := strings.Repeat("x", 2*file.Longest)
	write(t, path, content)
	err := open(t, file.Type, at(path)).Publish(t.Context(), batch("a"))
	wantHint(t, err, "the file does not end with a line that a sink wrote", "move "+path+" away")
	wantContent(t, path, content)
}

// run is a sink with its file from start to crash, and the model that it is compared
// with.
type run struct {
	t    *rapid.T
	tb   testing.TB
	path string
	snk  sink.Sink

	durable int64 // size of the file at the last successful fsync
	faults  map[string]int
	want    []string // lines that the file must hold: acknowledged, or whole after the crash
	next    int
}

func (r *run) start() {
	r.snk = openUnclosed(r.tb, file.On(file.Disk{Write: r.write, Sync: r.sync, Truncate: r.truncate}), zerolog.Nop(), at(r.path))
}

// due reports whether a planned fault happens now.
func (r *run) due(fault string) bool {
	if r.faults[fault] == 0 {
		return false
	}
	r.faults[fault]--
	return true
}

func (r *run) write(f *os.File, text []byte) (int, error) {
	if at, planned := r.faults["write"]; planned {
		delete(r.faults, "write")
		n, err := f.Write(text[:min(at, len(text))])
		if err == nil {
			err = syscall.ENOSPC
		}
		return n, err
	}
	return f.Write(text)
}

func (r *run) sync(f *os.File) error {
	if r.due("sync") {
		return syscall.EIO
	}
	size, err := f.Seek(0, io.SeekEnd)
	r.durable = size
	return err
}

func (r *run) truncate(f *os.File, size int64) error {
	if r.due("truncate") {
		return syscall.EIO
	}
	r.durable = min(r.durable, size)
	return f.Truncate(size)
}

func (r *run) publish() {
	r.faults = map[string]int{}
	if rapid.Bool().Draw(r.t, "write fails") {
		r.faults["write"] = rapid.IntRange(0, 40).Draw(r.t, "after bytes")
	}
	r.faults["sync"] = rapid.IntRange(0, 1).Draw(r.t, "failing syncs")
	r.faults["truncate"] = rapid.IntRange(0, 2).Draw(r.t, "failing truncates")
	var bodies []string
	for range rapid.IntRange(0, 4).Draw(r.t, "records") {
		bodies = append(bodies, fmt.Sprintf(`{"n":%d,"pad":"%s"}`, r.next, strings.Repeat("x", r.next%9)))
		r.next++
	}
	if err := r.snk.Publish(r.tb.Context(), batch(bodies...)); err == nil {
		r.want = append(r.want, bodies...)
	}
}

// crash copies the file to a new path, with a random part of the bytes that were not
// synced, and opens it as a new process would.
func (r *run) crash() {
	content := read(r.tb, r.path)
	if int64(len(content)) < r.durable {
		r.t.Fatalf("file of %d bytes, although %d were synced", len(content), r.durable)
	}
	kept := content[:r.durable+rapid.Int64Range(0, int64(len(content))-r.durable).Draw(r.t, "bytes kept")]
	r.stop()
	survivors := strings.SplitAfter(kept, "\n")
	survivors = survivors[:len(survivors)-1]
	for i := range survivors {
		survivors[i] = strings.TrimSuffix(survivors[i], "\n")
	}
	if len(survivors) < len(r.want) || !slices.Equal(survivors[:len(r.want)], r.want) {
		r.t.Fatalf("acknowledged records are lost or torn\n got %q\nwant %q", survivors, r.want)
	}
	r.want = survivors // also whole lines that were not acknowledged
	r.path = filepath.Join(r.tb.TempDir(), "audit.ndjson")
	write(r.tb, r.path, kept)
	r.durable = int64(len(kept))
	r.start()
}

func (r *run) stop() {
	r.faults = map[string]int{}
	if err := r.snk.Close(); err != nil {
		r.t.Fatal(err)
	}
}

// TestAcknowledgedRecordsSurviveCrashes publishes while writes, fsyncs and
// truncations fail, and crashes in between.
func TestAcknowledgedRecordsSurviveCrashes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := &run{t: rt, tb: t, path: filepath.Join(t.TempDir(), "audit.ndjson")}
		write(t, r.path, "")
		r.start()
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			if rapid.IntRange(0, 3).Draw(rt, "step") == 0 {
				r.crash()
			} else {
				r.publish()
			}
		}
		r.faults = map[string]int{}
		publish(t, r.snk, "last")
		r.want = append(r.want, "last")
		r.stop()
		want := strings.Join(append(r.want, ""), "\n")
		if got := read(t, r.path); got != want {
			rt.Fatalf("content of the file\n got %q\nwant %q", got, want)
		}
	})
}
