//go:build integration

package splunkhec_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/internal/counterpart"
	"github.com/sluice-siem/sluice/pkg/internal/freeport"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/splunkhec"
)

// TestOpenTelemetryTakesEveryRecord publishes the corpora of ECS and CEF to OpenTelemetry's
// HEC receiver, with and without its extension that acknowledges events.
func TestOpenTelemetryTakesEveryRecord(t *testing.T) {
	for _, tt := range []struct {
		receiver []string // arguments
		ack      string
		delivery string // what Check says about it
	}{
		{nil, "auto", "no indexer acknowledgement"},
		{nil, "off", "acknowledgement is off"},
		{[]string{"ack"}, "auto", "acknowledgement is on"},
		{[]string{"ack"}, "required", "acknowledgement is on"},
	} {
		t.Run(fmt.Sprintf("extension %v, ack %s", tt.receiver, tt.ack), func(t *testing.T) {
			receiver := startOpenTelemetry(t, tt.receiver...)
			r := &rig{settings: defaults(receiver.url), transport: (*setting.TLS)(nil).Transport(splunkhec.NewTransport())}
			r.settings.Ack = tt.ack
			r.settings.Index = "security"
			snk := r.open(t)
			line, err := snk.(sink.Checker).Check(t.Context())
			if err != nil || !strings.Contains(line, tt.delivery) {
				t.Errorf("Check: %q, %v; want %q", line, err, tt.delivery)
			}
			records := corpora(t)
			if err := snk.Publish(t.Context(), records); err != nil {
				t.Fatal(err)
			}
			want := map[string]taken{}
			for _, record := range records {
				want[record.ID] = expectedOf(t, record)
			}
			if diff := cmp.Diff(want, receiver.next(t, len(records))); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

// corpora returns a record for each golden file of ECS, which is a JSON object, and of CEF,
// which is text. Its id is the file's name.
func corpora(t *testing.T) []sink.Record {
	t.Helper()
	var records []sink.Record
	for pattern, mediaType := range map[string]string{"ecs/testdata/golden/*.json": "application/json", "cef/testdata/golden/*.cef": "text/plain"} {
		files, err := filepath.Glob("../../transform/" + pattern)
		if err != nil || len(files) < 20 {
			t.Fatalf("%d files like %s: %v", len(files), pattern, err)
		}
		for _, file := range files {
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			records = append(records, sink.Record{
				ID: filepath.Base(file), Organization: "acme", Action: "branch.created", Time: time.UnixMilli(1773500966535),
				MediaType: mediaType, Body: []byte(strings.TrimSuffix(string(body), "\n")),
			})
		}
	}
	return records
}

// taken is an event that the receiver took.
type taken struct {
	Metadata, Fields map[string]any
	Time             time.Time
	Event            any
}

func expectedOf(t *testing.T, r sink.Record) taken {
	t.Helper()
	var event any = string(r.Body)
	if r.MediaType == "application/json" {
		if err := json.Unmarshal(r.Body, &event); err != nil {
			t.Fatal(err)
		}
	}
	return taken{
		Metadata: map[string]any{"host.name": "forwarder", "com.splunk.sourcetype": "planetscale:audit", "com.splunk.index": "security", "com.splunk.source": "sluice"},
		Fields:   map[string]any{"sluice_event_id": r.ID, "sluice_organization": "acme", "sluice_action": "branch.created"},
		Time:     r.Time.UTC(), Event: event,
	}
}

// openTelemetry is a receiver that runs.
type openTelemetry struct {
	url   string
	lines chan []byte
}

func startOpenTelemetry(t *testing.T, args ...string) *openTelemetry {
	t.Helper()
	port, err := freeport.Loopback()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(counterpart.Script("otelhec"), append([]string{"exec", fmt.Sprint(port)}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	o := &openTelemetry{url: fmt.Sprintf("http://127.0.0.1:%d", port), lines: make(chan []byte, 10_000)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(o.lines)
		for lines := bufio.NewReader(out); ; {
			line, err := lines.ReadBytes('\n')
			if err != nil {
				return
			}
			o.lines <- line
		}
	}()
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		<-ended
		_ = cmd.Wait() // It was killed.
	})
	if line := <-o.lines; string(line) != "listening\n" { // nil if it has ended
		t.Fatalf("the receiver said %q", line)
	}
	return o
}

// next returns the next n events by their ids. The receiver printed them before it answered.
func (o *openTelemetry) next(t *testing.T, n int) map[string]taken {
	t.Helper()
	all := map[string]taken{}
	deadline := time.After(time.Minute)
	for len(all) < n {
		select {
		case line := <-o.lines:
			var e taken
			if err := json.Unmarshal(line, &e); err != nil {
				t.Fatalf("%v: %q", err, line)
			}
			e.Time = e.Time.Round(time.Millisecond) // the receiver's is a float64
			all[e.Fields["sluice_event_id"].(string)] = e
		case <-deadline:
			t.Fatalf("%d events after a minute, want %d", len(all), n)
		}
	}
	return all
}
