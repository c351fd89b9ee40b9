//go:build integration

package app_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// call is a system call that makes a file or its name durable.
type call struct{ name, path string }

var (
	synced  = regexp.MustCompile(`f(?:data)?sync\(\d+<([^>]+)>`) // strace -y shows the path
	renamed = regexp.MustCompile(`rename(?:at2?)?\(.*"([^"]+)"[^"]*$`)
)

// traced runs the site once under strace, and returns what it synced and renamed, in
// order.
func (s *site) traced(t *testing.T) (calls []call) {
	t.Helper()
	cmd := exec.Command("strace", "-f", "-y", "-s", "4096", "-o", s.path("trace"), "-e", "trace=fsync,fdatasync,rename,renameat,renameat2",
		s.binary, "run", "-c", s.path("sluice.yaml"), "--once")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("strace: %v\n%s", err, out)
	}
	trace, err := os.ReadFile(s.path("trace"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(trace)) {
		if m := synced.FindStringSubmatch(line); m != nil {
			calls = append(calls, call{"sync", m[1]})
		} else if m := renamed.FindStringSubmatch(line); m != nil && !strings.Contains(line, "resumed>") {
			calls = append(calls, call{"rename", m[1]})
		}
	}
	return calls
}

// wantOrder requires one call for each of these, in this order.
func wantOrder(t *testing.T, what string, calls []call, want ...call) {
	t.Helper()
	for _, c := range calls {
		if len(want) == 0 {
			return
		}
		if c.name == want[0].name && regexp.MustCompile(`^(?:`+want[0].path+`)$`).MatchString(c.path) {
			want = want[1:]
		}
	}
	if len(want) > 0 {
		t.Errorf("%s: the calls do not include %v in this order:\n%v", what, want[0], calls)
	}
}

// A position is saved after the records before it and their dead letters are on stable
// storage, including the names of their files. The test reads the system calls, because a
// substitute for the file system would not show what reaches the kernel.
func TestWhatIsDeliveredIsSyncedBeforeItsPosition(t *testing.T) {
	s := newSite(t, simulator.Config{Events: 40, Tame: true})
	large := s.api.Draft(time.Time{})
	large.Raw = []byte(simulator.Oversized(string(large.Raw)))
	s.api.Insert(large)
	s.api.Append(1)
	s.fileSink(t, "100ms")
	if err := os.Mkdir(s.path("out"), 0o700); err != nil { // its own directory, since the parent of the state is synced, too
		t.Fatal(err)
	}
	file, err := os.ReadFile(s.path("sluice.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "sluice.yaml", strings.ReplaceAll(string(file), "audit.ndjson", "out/audit.ndjson"))
	calls := s.traced(t)
	state := regexp.QuoteMeta(s.path("state"))
	checkpoint, letters, dir := state+`/[^/]*\.json`, state+`/dead-letters`, regexp.QuoteMeta(s.path("out"))
	saved := []call{{"sync", checkpoint + `\.\d+\.tmp`}, {"rename", checkpoint}, {"sync", state}}
	// The position at which the lane begins is saved before anything is read.
	wantOrder(t, "checkpoint", calls, append(append([]call{}, saved...), saved...)...)
	last := len(calls)
	for i, c := range calls {
		if c.name == "rename" && regexp.MustCompile(`^`+checkpoint+`$`).MatchString(c.path) {
			last = i // the position behind all events
		}
	}
	before := calls[:last]
	records := call{"sync", dir + `/audit\.ndjson`}
	wantOrder(t, "records", before, append(append([]call{}, saved...), records)...)
	wantOrder(t, "name of the file of records", before, call{"sync", dir})
	letter := call{"sync", letters + `/[^/]+`}
	wantOrder(t, "dead letter", before, append(append([]call{}, saved...), letter)...)
	wantOrder(t, "name of the file of dead letters", before, call{"sync", letters})
}
