//go:build integration

package app_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// begin starts the site's command with its stderr in a file, and returns a function that
// ends it.
func (s *site) begin(t *testing.T, stderr string) (stop func() error) {
	t.Helper()
	said, err := os.Create(s.path(stderr))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(s.binary, "run", "-c", s.path("sluice.yaml"))
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	stop = func() error {
		if cmd.ProcessState != nil {
			return nil
		}
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			return err
		}
		select {
		case err := <-ended:
			return err
		case <-time.After(30 * time.Second):
			return cmd.Process.Kill()
		}
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
		if err := said.Close(); err != nil {
			t.Error(err)
		}
	})
	return stop
}

// await waits until a file holds a text at least so many times.
func (s *site) await(t *testing.T, name, text string, times int) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		data, err := os.ReadFile(s.path(name))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		n := bytes.Count(data, []byte(text))
		if n >= times {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s holds %q %d times after a minute, want %d:\n%.3000s", name, text, n, times, data)
		}
		<-time.After(50 * time.Millisecond)
	}
}

// The lock of a state directory is removed while an instance runs. A second one
// starts, and resumes from the position of the first. The first reports that and saves
// nothing more. So the position is that of the second, and no event is lost.
func TestASecondInstanceAfterTheLockWasRemoved(t *testing.T) {
	s := newSite(t, simulator.Config{Events: 200})
	s.fileSink(t, "100ms")
	stopFirst := s.begin(t, "first.log")
	s.await(t, "audit.ndjson", "\n", 200)
	if err := os.Remove(s.path("state/lock")); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(s.path("sluice.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "sluice.yaml", strings.ReplaceAll(string(file), "audit.ndjson", "second.ndjson"))
	stopSecond := s.begin(t, "second.log")
	s.await(t, "second.log", "lane started", 1)
	s.api.Append(100)
	s.await(t, "first.log", "the lock was removed or replaced while this process held it", 1)
	s.await(t, "second.ndjson", "\n", 100)
	s.api.Append(50)
	s.await(t, "second.ndjson", "\n", 150)
	if err := stopFirst(); err != nil {
		t.Logf("the first instance ended: %v", err) // It could not save.
	}
	s.api.Append(50)
	s.await(t, "second.ndjson", "\n", 200)
	if err := stopSecond(); err != nil {
		t.Errorf("the second instance ended: %v", err)
	}
	if cmd, stderr := s.command("--once"); cmd.Run() != nil {
		t.Errorf("a third instance: %v: %s", cmd.ProcessState, stderr)
	}
	all := map[string]int{}
	for _, name := range []string{"audit.ndjson", "second.ndjson"} {
		for id, n := range s.events(t, name) {
			if n != 1 {
				t.Errorf("%s holds event %s %d times", name, id, n)
			}
			all[id]++
		}
	}
	if want := len(places(s.api)); len(all) != want {
		t.Errorf("%d events were delivered, want %d", len(all), want)
	}
}

// events returns how often each id occurs in a file of ECS.
func (s *site) events(t *testing.T, name string) map[string]int {
	t.Helper()
	data, err := os.ReadFile(s.path(name))
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]int{}
	for line := range bytes.Lines(data) {
		var record struct{ Event struct{ ID string } }
		if err := json.Unmarshal(line, &record); err != nil {
			t.Fatalf("%s: %v: %.200s", name, err, line)
		}
		ids[record.Event.ID]++
	}
	return ids
}
