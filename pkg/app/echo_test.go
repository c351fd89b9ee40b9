package app

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/sluice-siem/sluice/pkg/internal/freeport"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

const canary = "Canary-Bird/42+x"

// echoed returns the forms in which a server repeats a credential.
var echoed = map[string]func(header string) string{
	"escaped slashes": func(string) string { return strings.ReplaceAll(canary, "/", `\/`) },
	"escaped hyphens": func(string) string { return strings.ReplaceAll(canary, "-", `\u002d`) },
	"percents":        func(string) string { return url.QueryEscape(canary) },
	"base64":          func(header string) string { return base64.StdEncoding.EncodeToString([]byte(header)) },
	"base64 in JSON": func(header string) string {
		return strings.ReplaceAll(base64.StdEncoding.EncodeToString([]byte(header)), "/", `\/`)
	},
}

// shows reports whether a text contains the canary, or a part that reveals it.
func shows(text string) bool {
	text = strings.ToLower(text)
	for _, header := range []string{canary, "id:" + canary, "Splunk " + canary, "Bearer " + canary} {
		encoded := strings.ToLower(base64.StdEncoding.EncodeToString([]byte(header)))
		if strings.Contains(text, encoded[8:16]) || strings.Contains(text, encoded[len(encoded)-14:len(encoded)-4]) {
			return true
		}
	}
	return strings.Contains(text, "canary") || strings.Contains(text, "bird")
}

func TestShowsFindsTheCanary(t *testing.T) {
	for name, form := range echoed {
		for _, header := range []string{"id:" + canary, "Splunk " + canary} {
			if !shows("got " + form(header)) {
				t.Errorf("shows does not find %s of %s", name, header)
			}
		}
	}
	if shows("got [redacted]") {
		t.Error("shows finds the canary in a text without it")
	}
}

// A credential that a server repeats shows nowhere: not in the log, not on any page of
// the admin server, and not in the output of check.
func TestEchoedCredentialShowsNowhere(t *testing.T) {
	api := httptest.NewServer(simulator.New(simulator.Config{Events: 3}))
	t.Cleanup(api.Close)
	for name, form := range echoed {
		echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			header := r.Header.Get("Authorization")
			if header == "" { // HEC's health check has no credential to repeat.
				return
			}
			text := form(header)
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintf(w, `{"message":"%s","text":"%[1]s","code":4}`, text)
		}))
		t.Cleanup(echo.Close)
		for at, urls := range map[string][2]string{"the source": {echo.URL, echo.URL}, "the sink": {api.URL, echo.URL}} {
			t.Run(name+" by "+at, func(t *testing.T) {
				t.Parallel()
				e := newEchoes(t, urls[0], urls[1])
				if said := e.check(t); !strings.Contains(said, "[redacted]") || shows(said) {
					t.Errorf("check says %s", said)
				}
				for path, page := range e.run(t) {
					if shows(page) {
						t.Errorf("%s has it: %s", path, page)
					}
				}
			})
		}
	}
}

// echoes returns a configuration whose lane cannot continue.
type echoes struct{ file, admin string }

func newEchoes(t *testing.T, api, splunk string) *echoes {
	t.Helper()
	port, err := freeport.Loopback()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	e := &echoes{filepath.Join(dir, "sluice.yaml"), fmt.Sprintf("127.0.0.1:%d", port)}
	text := fmt.Sprintf(`
sources: [{name: acme, type: planetscale, settings: {organization: acme, service_token_id: id, service_token: %[1]q, url: %[2]q}}]
sinks: [{name: splunk, type: splunk_hec, settings: {url: %[3]q, token: %[1]q}}]
state: {settings: {dir: %[4]q}}
admin: {listen: %[5]q}
log: {level: debug}
`, canary, api, splunk, filepath.Join(dir, "state"), e.admin)
	if err := os.WriteFile(e.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return e
}

func (e *echoes) check(t *testing.T) string {
	t.Helper()
	var out, log locked
	if code := execute(t.Context(), []string{"check", "-c", e.file}, nil, &out, &log); code != 1 {
		t.Errorf("check ends with %d", code)
	}
	return out.String() + log.String()
}

// run runs until the lane reports why it is not ready. It returns everything that was
// written until then, by place.
func (e *echoes) run(t *testing.T) map[string]string {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var out, log locked
	ended := make(chan int, 1)
	go func() { ended <- execute(ctx, []string{"run", "-c", e.file}, nil, &out, &log) }()
	said := map[string]string{}
	look := func() error {
		for _, path := range []string{"/readyz", "/", "/metrics", "/healthz"} {
			text, err := fetch("http://" + e.admin + path)
			if err != nil {
				return err
			}
			said[path] = text
		}
		if !strings.Contains(said["/readyz"], "[redacted]") || !strings.Contains(log.String(), "[redacted]") {
			return errors.New("the lane did not say why it is not ready")
		}
		return nil
	}
	if err := backoff.Retry(look, backoff.WithMaxRetries(backoff.NewConstantBackOff(20*time.Millisecond), 1500)); err != nil {
		t.Errorf("%v: %v: %s", err, said, log.String())
	}
	stop()
	if code := <-ended; code != 0 {
		t.Errorf("run ends with %d", code)
	}
	said["log"] = out.String() + log.String()
	return said
}

func fetch(address string) (string, error) {
	answer, err := http.Get(address)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(answer.Body)
	return string(text), errors.Join(err, answer.Body.Close())
}

// locked can be written and read at the same time.
type locked struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
