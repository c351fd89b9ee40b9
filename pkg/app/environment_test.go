package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// legacySyslog is a configuration that sends raw events under headers of RFC 3164.
const legacySyslog = `
sources:
  - {name: acme, type: planetscale, settings: {organization: acme, access_token: token, url: "%s"}}
state: {settings: {dir: state}}
sinks:
  - {name: siem, type: syslog, own_events: false, format: raw, settings: {address: "tcp://%s", protocol: rfc3164, framing: newline, settle: 0s}}
admin: {listen: "127.0.0.1:0"}
`

// inZone delivers one event with TZ set. It returns the message that the receiver got, and
// the log.
func inZone(t *testing.T, tz string, command func(dir string) *exec.Cmd) (message, log string) {
	t.Helper()
	api := httptest.NewServer(simulator.New(simulator.Config{Events: 1, Tame: true, AccessToken: "token"}))
	defer api.Close()
	receiver, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer receiver.Close()
	got := make(chan string, 1)
	go func() {
		defer close(got)
		if conn, err := receiver.Accept(); err == nil {
			text, _ := io.ReadAll(conn) // the test compares what came
			got <- string(text)
			_ = conn.Close()
		}
	}()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "sluice.yaml"), fmt.Appendf(nil, legacySyslog, api.URL, receiver.Addr()), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := command(dir)
	cmd.Env = append(os.Environ(), "TZ="+tz, "ZONEINFO=")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	return <-got, stderr.String()
}

// sluiceOnce runs this test's own sluice in the directory.
func sluiceOnce(dir string) *exec.Cmd {
	cmd := exec.Command("sluice", "run", "-c", "sluice.yaml", "--once")
	cmd.Dir = dir
	return cmd
}

// wantStamp requires that the time in a header of RFC 3164 is that of the event, in a zone.
func wantStamp(t *testing.T, message, zone string) {
	t.Helper()
	header, body, _ := strings.Cut(message, " sluice: ")
	var event struct {
		At time.Time `json:"created_at"`
	}
	if err := json.Unmarshal([]byte(strings.TrimSpace(body)), &event); err != nil {
		t.Fatalf("%v in %q", err, message)
	}
	in, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	if want := event.At.In(in).Format(time.Stamp); !strings.Contains(header, ">"+want+" ") {
		t.Errorf("got the header %q, want %s, the time in %s", header, want, zone)
	}
}

func TestTZ(t *testing.T) {
	const warning = "names no time zone, so local times are in UTC"
	for _, tt := range []struct {
		tz, zone string
		warns    bool
	}{
		{"Europe/Berlin", "Europe/Berlin", false},
		{":Asia/Tokyo", "Asia/Tokyo", false},
		{"UTC", "UTC", false},
		{"Etc/UTC", "UTC", false},
		{"", "UTC", false},
		{"Nowhere/At_All", "UTC", true},
		{"CET-1CEST,M3.5.0,M10.5.0/3", "UTC", true},
	} {
		t.Run("TZ="+tt.tz, func(t *testing.T) {
			message, log := inZone(t, tt.tz, sluiceOnce)
			wantStamp(t, message, tt.zone)
			if got := regexp.MustCompile(`(?m)^.*TZ: .*` + warning + `.*$`).FindString(log); (got != "") != tt.warns || tt.warns && !strings.Contains(got, tt.tz) {
				t.Errorf("got the warning %q, want one: %v", got, tt.warns)
			}
		})
	}
}
