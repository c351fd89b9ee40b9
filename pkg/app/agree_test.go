package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// TestCheckAndRunAgree runs both commands with the same configurations. If check finds that
// something of this machine failed, run refuses to start, in the same words, and the other
// way round. What check warns of, run logs.
func TestCheckAndRunAgree(t *testing.T) {
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	taken := other.Listener
	for name, c := range map[string]struct {
		change  map[string]string // keys of the configuration
		failed  []string          // what both find
		warned  []string
		problem string // of the configuration
	}{
		"nothing": {},
		"a state directory below a file": {change: map[string]string{"state": "file/state"},
			failed: []string{"state directory: DIR/file/state: stat DIR/file/state: not a directory", "dead letters: DIR/file/state/dead-letters: stat DIR/file/state/dead-letters: not a directory"}},
		"a state directory that is a file": {change: map[string]string{"state": "file"},
			failed: []string{"state directory: DIR/file: open directory DIR/file: is not a directory", "dead letters: DIR/file/dead-letters: stat DIR/file/dead-letters: not a directory"}},
		"dead letters below a file": {change: map[string]string{"letters": "file/letters"},
			failed: []string{"dead letters: DIR/file/letters: stat DIR/file/letters: not a directory"}},
		"a directory whose lock is a link": {change: map[string]string{"state": "linked"},
			failed: []string{"state directory: DIR/linked: open DIR/linked/lock: too many levels of symbolic links"}},
		"a directory whose lock is a directory": {change: map[string]string{"state": "odd", "letters": "odd"},
			failed: []string{"state directory: DIR/odd: open DIR/odd/lock: is a directory\nhint: move DIR/odd/lock away", "dead letters: DIR/odd: open DIR/odd/lock: is a directory\nhint: move DIR/odd/lock away"}},
		"a directory that is named as a half-written file": {change: map[string]string{"state": "half"}},
		"an address that is taken": {change: map[string]string{"admin": taken.Addr().String()},
			failed: []string{"admin.listen: listen tcp " + taken.Addr().String() + ": bind: address already in use"}},
		"an address of another machine": {change: map[string]string{"admin": "192.0.2.1:9876"}, // RFC 5737
			failed: []string{"admin.listen: listen tcp 192.0.2.1:9876: bind: cannot assign requested address"}},
		"an address that no name server can know": {change: map[string]string{"admin": "no..host:9876"},
			failed: []string{"admin.listen: listen tcp: lookup no..host: no such host"}},
		"all at once": {change: map[string]string{"state": "file/state", "letters": "file/letters", "admin": taken.Addr().String()},
			failed: []string{"state directory: ", "dead letters: ", "admin.listen: "}},
		"a directory that others can enter": {change: map[string]string{"state": "loose"},
			warned: []string{"state directory: directory DIR/loose has mode 0755, so others than its owner can enter it; chmod 0700 DIR/loose"}},
		"an organization with two names": {change: map[string]string{"again": "twin"},
			warned: []string{"sources acme, twin: all follow organization acme, so a sink that follows them gets each event 2 times"}},
		"a position and dead letters of another lane": {change: map[string]string{"state": "used"},
			warned: []string{"lane acme/former: not in the configuration, but its position is in DIR/used/acme+former.json", "lane acme/former: not in the configuration, but DIR/used/dead-letters holds 0 dead letters of it, and 1 lines that cannot be read"}},
		"a sink that warns when it is opened": {change: map[string]string{"type": "anxious"}, warned: []string{"all is not well"}},
		"a publish_timeout that no Publish keeps": {change: map[string]string{"publish": "1ms"},
			problem: "sinks[0].publish_timeout: is less than 1s"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorkplace(t, c.change)
			checked, checkOut, checkErr := w.execute(t, "check")
			ran, _, runErr := w.execute(t, "run", "--once")
			if checked != ran {
				t.Errorf("check ended with %d, run with %d:\n%s%s%s", checked, ran, checkOut, checkErr, runErr)
			}
			if strings.Contains(checkErr, c.problem) != strings.Contains(runErr, c.problem) || !strings.Contains(runErr, c.problem) {
				t.Errorf("got %q and %q, want %q", checkErr, runErr, c.problem)
			}
			wantAlike(t, c.failed, findings(checkOut, "FAILED"), refused(runErr))
			wantAlike(t, c.warned, findings(checkOut, "warn"), logged(t, runErr))
		})
	}
}

// wantAlike requires that check found what was wanted, and that run told the same.
func wantAlike(t *testing.T, want, check, run []string) {
	t.Helper()
	if diff := cmp.Diff(check, run); diff != "" && want != nil {
		t.Errorf("check (-), run (+):\n%s", diff)
	}
	if len(check) != len(want) || len(run) != len(want) {
		t.Fatalf("check: %q\nrun: %q\nwant: %q", check, run, want)
	}
	for i := range want {
		if !strings.Contains(check[i], want[i]) {
			t.Errorf("got %q, want %q", check[i], want[i])
		}
	}
}

// workplace is a directory with a configuration.
type workplace struct{ dir, file string }

func newWorkplace(t *testing.T, change map[string]string) workplace {
	t.Helper()
	api := httptest.NewServer(simulator.New(simulator.Config{Events: 1, Tame: true}))
	t.Cleanup(api.Close)
	dir := t.TempDir()
	at := func(key, usual string) string {
		if changed, ok := change[key]; ok {
			return changed
		}
		return usual
	}
	path := func(key, usual string) string { return filepath.Join(dir, at(key, usual)) }
	src := "  - {name: %s, type: planetscale, settings: {organization: acme, access_token: token, url: \"" + api.URL + "\"}}\n"
	text := "sources:\n" + fmt.Sprintf(src, "acme")
	if again := change["again"]; again != "" {
		text += fmt.Sprintf(src, again)
	}
	text += fmt.Sprintf(`
sinks:
  - {name: sink, type: %s, own_events: false, publish_timeout: %s}
state: {settings: {dir: %s}}
dead_letters: {dir: %s}
admin: {listen: "%s"}
`, at("type", "quiet"), at("publish", "1m"), path("state", "state"), path("letters", filepath.Join(at("state", "state"), "dead-letters")), at("admin", "127.0.0.1:0"))
	for name, text := range map[string]string{
		"sluice.yaml": text, "file": "", "loose/notes": "", "linked/notes": "", "odd/lock/notes": "", "half/acme+sink.json.12.tmp/notes": "",
		"used/acme+former.json": "{", "used/dead-letters/acme+former.ndjson": "{}\n",
	} {
		err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("elsewhere", filepath.Join(dir, "linked", "lock")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "loose"), 0o755); err != nil {
		t.Fatal(err)
	}
	return workplace{dir, filepath.Join(dir, "sluice.yaml")}
}

// execute runs a command, with DIR in place of the directory's name in what it says.
func (w workplace) execute(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = execute(t.Context(), append(args, "-c", w.file), nil, &out, &errs, WithSink(listening("quiet", "")), WithSink(listening("anxious", "all is not well")))
	return code, strings.ReplaceAll(out.String(), w.dir, "DIR"), strings.ReplaceAll(errs.String(), w.dir, "DIR")
}

// listening is a sink that takes everything.
func listening(name, worry string) sink.Type {
	return sink.NewType(name, struct{}{}, func(_ context.Context, env sink.Env, _ struct{}) (sink.Sink, error) {
		if worry != "" {
			env.Log.Warn().Msg(worry)
		}
		return willing{}, nil
	})
}

type willing struct{}

func (willing) Publish(context.Context, []sink.Record) error { return nil }
func (willing) Close() error                                 { return nil }

// findings returns what check printed with a mark, each with its hint.
func findings(out, mark string) (list []string) {
	for _, m := range regexp.MustCompile(`(?m)^`+mark+` +(.*)\n(?:       (hint: .*)\n)?`).FindAllStringSubmatch(out, -1) {
		list = append(list, m[1]+"\n"+m[2])
	}
	return list
}

// refused returns the errors of run that are about findings, each with its hint.
func refused(stderr string) (list []string) {
	for _, m := range regexp.MustCompile(`(?m)^sluice: error: ((?:state directory|dead letters|admin\.listen): .*)\n(?:sluice: (hint: .*)\n)?`).FindAllStringSubmatch(stderr, -1) {
		list = append(list, m[1]+"\n"+m[2])
	}
	return list
}

// logged returns the warnings in the log of run, as check prints them. That a lane begins is
// no finding.
func logged(t *testing.T, stderr string) (list []string) {
	t.Helper()
	for line := range strings.Lines(stderr) {
		var said struct{ Level, Lane, Message, Hint string }
		if !strings.HasPrefix(line, "{") {
			continue
		}
		if err := json.Unmarshal([]byte(line), &said); err != nil {
			t.Fatal(err)
		}
		if said.Level != "warn" || strings.HasPrefix(said.Message, "lane begins") {
			continue
		}
		if said.Lane != "" {
			said.Message = "lane " + said.Lane + ": " + said.Message
		}
		if said.Hint != "" {
			said.Hint = "hint: " + said.Hint
		}
		list = append(list, said.Message+"\n"+said.Hint)
	}
	return list
}
