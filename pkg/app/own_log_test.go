package app

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/lookout"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// Anybody can say to be behind sudo.
func TestOnlyRootIsBehindSudo(t *testing.T) {
	t.Setenv("SUDO_USER", "mallory")
	t.Setenv("SUDO_UID", "4711")
	if who := callerAs(0); who == nil || *who != (ownlog.Party{ID: "4711", Type: "user", Name: "mallory"}) {
		t.Errorf("root behind sudo is %+v", who)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if who := callerAs(1000); who == nil || who.Name != me.Username || who.ID != me.Uid {
		t.Errorf("a user who is not root is %+v, want %s", who, me.Username)
	}
}

// run --once delivers that it started: it is written before the lanes look for the end.
func TestRunOnceDeliversThatItStarted(t *testing.T) {
	api := simulator.New(simulator.Config{Events: 3})
	for range 3 {
		dir := t.TempDir()
		written := func() bool {
			found, err := filepath.Glob(filepath.Join(dir, "state/own-log/*.ndjson"))
			if err != nil || len(found) != 1 {
				return false
			}
			text, err := os.ReadFile(found[0])
			return err == nil && bytes.Contains(text, []byte("sluice.started"))
		}
		var early atomic.Bool
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !written() {
				early.Store(true)
			}
			api.ServeHTTP(w, r)
		}))
		defer server.Close()
		file := filepath.Join(dir, "sluice.yaml")
		text := fmt.Sprintf(`
sources: [{name: acme, type: planetscale, settings: {organization: acme, url: "%[2]s", service_token_id: id, service_token: secret}}]
state: {settings: {dir: %[1]s/state}}
sinks: [{name: archive, type: file, format: raw, settings: {path: %[1]s/own.ndjson}}]
admin: {listen: "127.0.0.1:0"}
`, dir, server.URL)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if code := execute(t.Context(), []string{"run", "--once", "-c", file}, nil, &out, &out); code != 0 {
			t.Fatalf("run ended with %d: %s", code, out.String())
		}
		if early.Load() {
			t.Error("a lane read before it was written that sluice started")
		}
		got, err := os.ReadFile(filepath.Join(dir, "own.sluice.ndjson"))
		if err != nil || !strings.Contains(string(got), "sluice.started") {
			t.Fatalf("got %q, %v, want that it started; the log was\n%s", got, err, out.String())
		}
	}
}

// The own log has no lane in tail, and map reads its events by their type.
func TestCommandsAndOwnEvents(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "sluice.yaml")
	text := fmt.Sprintf(`
sources: [{name: acme, type: planetscale, settings: {organization: acme, service_token_id: id, service_token: secret}}]
state: {settings: {dir: %[1]s/state}}
sinks:
  - {name: archive, type: file, format: raw, where: "false", settings: {path: %[1]s/all.ndjson}}
  - {name: pager, type: file, format: text, own_events: only, settings: {path: %[1]s/own.log}}
`, dir)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	const event = `{"id":"own:1","time":"2026-03-14T15:09:26Z","action":"sluice.lane_unready","subject":{"type":"lane","name":"acme/siem"},"text":"Lane acme/siem is not ready: refused"}`
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"tail", "-c", file, "--sink", "pager"}, 2, "gets only own events"},
		{[]string{"map", "--source-type", "sluice", "--format", "cef"}, 0, "|Own Log|"},
		{[]string{"map", "--source-type", "sluice", "-c", file, "--sink", "archive"}, 0, event},
		{[]string{"map", "--source-type", "sluice", "-c", file, "--sink", "pager"}, 0, "Lane acme/siem is not ready: refused"},
	} {
		var out bytes.Buffer
		if code := execute(t.Context(), c.args, strings.NewReader(event+"\n"), &out, &out); code != c.code || !strings.Contains(out.String(), c.want) {
			t.Errorf("%q ended with %d and wrote %q, want %d and %q", c.args, code, out.String(), c.code, c.want)
		}
	}
}

// slowLog takes an event after a while.
type slowLog struct {
	takes time.Duration
	taken int
}

func (l *slowLog) Append(ctx context.Context, _ ownlog.Event) error {
	select {
	case <-time.After(l.takes):
		l.taken++
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// The lanes wait for the event that says that sluice started, and not for long.
func TestStartedIsWrittenBeforeTheLanesStart(t *testing.T) {
	for takes, want := range map[time.Duration]int{time.Second: 1, time.Hour: 0} {
		synctest.Test(t, func(t *testing.T) {
			began, own := time.Now(), &slowLog{takes: takes}
			sayStarted(t.Context(), lookout.New(lookout.Settings{Log: own}), ownlog.New(ownlog.Started, thisProcess, ""))
			if own.taken != want || time.Since(began) > 5*time.Second {
				t.Errorf("a log that takes %s has %d events after %s, want %d", takes, own.taken, time.Since(began), want)
			}
		})
	}
}
