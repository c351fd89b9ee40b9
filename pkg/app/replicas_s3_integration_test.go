//go:build integration

package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/s3server"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// Two replicas share their lanes in a bucket of a real store. Each writes a file, and both
// files together have every event, although the owner is killed while it delivers. No
// position goes back.
func TestReplicasShareABucket(t *testing.T) {
	endpoint := s3server.Start(t, "versitygw").Endpoint()
	s := newSite(t, simulator.Config{Events: 300})
	first, second := s.replica(t, endpoint, "first"), s.replica(t, endpoint, "second")
	first.start(t)
	first.await(t, "\n", 300)
	second.start(t)
	s.await(t, "second.log", "sluice started", 1)
	s.wantOwner(t, first, "acme", fmt.Sprint(first.cmd.Process.Pid))
	position := s.position(t, first)
	s.api.Append(200)
	first.await(t, "\n", 301)
	first.kill(t)
	s.api.Append(100)
	second.await(t, "\n", 100)
	s.complete(t, 600)
	if now := s.position(t, second); now < position {
		t.Errorf("the position went back from %s to %s", position, now)
	}
	s.wantOwner(t, second, "acme", fmt.Sprint(second.cmd.Process.Pid))

	// The own log is in the bucket, too, and whoever runs its lane delivers it.
	s.await(t, "second.sluice.ndjson", "sluice.started", 1)

	// Pauses and positions can be set while a replica runs.
	second.command(t, "pause", "acme/archive")
	s.api.Append(50)
	second.command(t, "checkpoint", "set", "--to", "now", "acme/archive")
	second.command(t, "resume", "acme/archive")
	ids := s.api.Append(50)
	second.await(t, ids[len(ids)-1], 1)
	if out := second.command(t, "check"); !strings.Contains(out, "1 replica renewed leases lately") && !strings.Contains(out, "2 replicas renewed leases lately") {
		t.Errorf("check says:\n%s", out)
	}

	// A replica that ends gives its sources back at once.
	third := s.replica(t, endpoint, "third")
	third.start(t)
	s.await(t, "third.log", "sluice started", 1)
	if err := second.stop(); err != nil {
		t.Errorf("the second replica ended: %v", err)
	}
	s.api.Append(20)
	third.await(t, "\n", 20)
	if err := third.stop(); err != nil {
		t.Errorf("the third replica ended: %v", err)
	}
}

// sharing is a replica of a site.
type sharing struct {
	site *site
	name string
	cmd  *exec.Cmd
	done chan error
}

// replica writes the configuration of a replica. Its sink is a file of its own, which shows
// who delivered what.
func (s *site) replica(t *testing.T, endpoint, name string) *sharing {
	t.Helper()
	s.configure(t, "100ms", fmt.Sprintf("  - {name: archive, type: file, settings: {path: %s}}\n", s.path(name+".ndjson")))
	file, err := os.ReadFile(s.path("sluice.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	state := fmt.Sprintf("  type: s3\n  settings:\n    bucket: audit\n    endpoint: %s\n    path_style: true\n    access_key_id: sluicekey\n    secret_access_key: sluice-secret\n    lease: 5s\n", endpoint)
	text := strings.Replace(string(file), fmt.Sprintf("  settings:\n    dir: %s\n", s.path("state")), state, 1)
	s.write(t, name+".yaml", text)
	return &sharing{site: s, name: name, done: make(chan error, 1)}
}

func (r *sharing) start(t *testing.T) {
	t.Helper()
	said, err := os.Create(r.site.path(r.name + ".log"))
	if err != nil {
		t.Fatal(err)
	}
	r.cmd = exec.Command(r.site.binary, "run", "-c", r.site.path(r.name+".yaml"))
	r.cmd.Stderr = said
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		r.done <- r.cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = r.cmd.Process.Kill() // It may have ended.
		<-ended
		if err := said.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			data, _ := os.ReadFile(said.Name())
			t.Logf("%s:\n%s", r.name, data)
		}
	})
}

func (r *sharing) await(t *testing.T, text string, times int) {
	t.Helper()
	r.site.await(t, r.name+".ndjson", text, times)
}

func (r *sharing) kill(t *testing.T) {
	t.Helper()
	if err := r.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-r.done
}

func (r *sharing) stop() error {
	if err := r.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	return <-r.done
}

// command runs a command with the replica's configuration, and returns what it prints.
func (r *sharing) command(t *testing.T, args ...string) string {
	t.Helper()
	at := 1
	if args[0] == "checkpoint" {
		at = 2
	}
	args = slices.Insert(args, at, "-c", r.site.path(r.name+".yaml"))
	var stderr bytes.Buffer
	cmd := exec.Command(r.site.binary, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("sluice %s: %v\n%s%s", strings.Join(args, " "), err, out, stderr.String())
	}
	return string(out)
}

// row is the line of checkpoint list about a lane of a source.
func (s *site) row(t *testing.T, r *sharing, source string) string {
	t.Helper()
	out := r.command(t, "checkpoint", "list")
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, source+"/") {
			return line
		}
	}
	t.Fatalf("no lane of %s:\n%s", source, out)
	return ""
}

func (s *site) wantOwner(t *testing.T, r *sharing, source, want string) {
	t.Helper()
	if line := s.row(t, r, source); !strings.Contains(line, want) {
		t.Errorf("got %q, want owner %s", line, want)
	}
}

// position is the time of the newest event before the position.
func (s *site) position(t *testing.T, r *sharing) string {
	t.Helper()
	return strings.Fields(s.row(t, r, "acme"))[1]
}

// complete waits until the files of the first two replicas together have so many events.
func (s *site) complete(t *testing.T, want int) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		all := map[string]bool{}
		for _, name := range []string{"first.ndjson", "second.ndjson"} {
			data, err := os.ReadFile(s.path(name))
			if err != nil {
				t.Fatal(err)
			}
			for line := range bytes.Lines(data) {
				var record struct{ Event struct{ ID string } }
				if json.Unmarshal(line, &record) == nil { // A line may be half written.
					all[record.Event.ID] = true
				}
			}
		}
		if len(all) >= want {
			if len(all) > want {
				t.Errorf("got %d events, want %d", len(all), want)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %d events, want %d", len(all), want)
		}
		<-time.After(50 * time.Millisecond)
	}
}
