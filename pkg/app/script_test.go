package app_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/sluice-siem/sluice/pkg/internal/freeport"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
	"github.com/sluice-siem/sluice/pkg/transform/enrich/enrichtest"
)

// TestScripts runs every command as a user does. testdata/script holds what a user types,
// and what a user must see. Each script begins in a directory with sluice.yaml (see
// testdata), which names $URL, $TOKEN and $ADMIN, and with databases of addresses,
// city.mmdb and asn.mmdb.
//
// Scripts have these commands besides those of testscript:
//
//	api [flags]          serves an audit log and sets $URL to its address
//	append N             appends events to that log
//	append huge          appends an event of 1.5 MiB
//	append until FILE    appends events one by one until the file has a line
//	await lines FILE N   waits until the file has so many lines or more
//	await text FILE TEXT waits until the file has that text
//	await status REGEXP  waits until /readyz answers 503 and matches, and writes the answer to readyz
//	await answer REGEXP  waits until the answer of /readyz matches, whatever its status
//	await ready          waits until the sluice at $ADMIN is ready
//	terminate            sends SIGTERM to what runs in the background
//	kafka start TOPIC    runs a cluster, see kafka
//	exits N COMMAND...   runs a command that must end with that exit code
func TestScripts(t *testing.T) {
	city, asn := enrichtest.City(t, "Linköping", enrichtest.Built), enrichtest.ASN(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			address, err := freeAddress()
			if err != nil {
				return err
			}
			env.Setenv("ADMIN", address)
			env.Setenv("PORT", address[strings.LastIndexByte(address, ':')+1:])
			env.Setenv("TOKEN", "token")
			env.Values[scripted{}] = &scripted{}
			config, err := os.ReadFile("testdata/sluice.yaml")
			if err != nil {
				return err
			}
			enrichtest.Put(t, filepath.Join(env.WorkDir, "city.mmdb"), city, enrichtest.Built)
			enrichtest.Put(t, filepath.Join(env.WorkDir, "asn.mmdb"), asn, enrichtest.Built)
			return os.WriteFile(filepath.Join(env.WorkDir, "sluice.yaml"), config, 0o600)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"api": serveAPI, "append": appendEvents, "await": await, "terminate": terminate, "exits": exits, "kafka": kafka,
		},
	})
}

// scripted is what the commands of a script share.
type scripted struct {
	api   *simulator.Server
	kafka *kfake.Cluster
}

func freeAddress() (string, error) {
	port, err := freeport.Loopback()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), err
}

func serveAPI(ts *testscript.TestScript, _ bool, args []string) {
	c := simulator.Config{Tame: true}
	flags := flag.NewFlagSet("api", flag.ContinueOnError)
	flags.IntVar(&c.Events, "events", 7, "")
	flags.TextVar(&c.Access, "access", simulator.Granted, "")
	ts.Check(flags.Parse(args))
	c.AccessToken = "token"
	api := simulator.New(c)
	server := httptest.NewServer(api)
	ts.Defer(server.Close)
	ts.Setenv("URL", server.URL)
	ts.Value(scripted{}).(*scripted).api = api
}

func appendEvents(ts *testscript.TestScript, _ bool, args []string) {
	api := ts.Value(scripted{}).(*scripted).api
	switch args[0] {
	case "huge":
		d := api.Draft(time.Now())
		d.Raw = slices.Replace(d.Raw, 1, 1, fmt.Appendf(nil, `"padding":%q,`, strings.Repeat("x", 3<<19))...)
		api.Insert(d)
	case "until":
		ts.Check(patiently(func() error {
			api.Append(1)
			return hasLines(ts.MkAbs(args[1]), 1)
		}))
	default:
		n, err := strconv.Atoi(args[0])
		ts.Check(err)
		api.Append(n)
	}
}

// patiently tries until there is no error, for a minute.
func patiently(attempt func() error) error {
	return backoff.Retry(attempt, backoff.NewExponentialBackOff(
		backoff.WithMaxInterval(100*time.Millisecond), backoff.WithMaxElapsedTime(time.Minute)))
}

func await(ts *testscript.TestScript, _ bool, args []string) {
	attempt := func() error { return isReady(ts.Getenv("ADMIN")) }
	switch args[0] {
	case "lines":
		n, err := strconv.Atoi(args[2])
		ts.Check(err)
		attempt = func() error { return hasLines(ts.MkAbs(args[1]), n) }
	case "status":
		attempt = func() error { return keepUnready(ts.Getenv("ADMIN"), args[1], ts.MkAbs("readyz")) }
	case "answer":
		attempt = func() error { return answers(ts.Getenv("ADMIN"), args[1]) }
	case "text":
		attempt = func() error { return hasText(ts.MkAbs(args[1]), args[2]) }
	}
	ts.Check(patiently(attempt))
}

func isReady(address string) error {
	answer, err := http.Get("http://" + address + "/readyz")
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		err = errors.New(answer.Status)
	}
	return errors.Join(err, answer.Body.Close())
}

// keepUnready requires that a sluice is not ready, and that its answer matches. It keeps
// the answer in a file.
func keepUnready(address, pattern, path string) error {
	answer, err := http.Get("http://" + address + "/readyz")
	if err != nil {
		return err
	}
	body, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close(), os.WriteFile(path, body, 0o600)); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusServiceUnavailable || !regexp.MustCompile(pattern).Match(body) {
		return fmt.Errorf("%s: %s, want %s", answer.Status, body, pattern)
	}
	return nil
}

// answers requires that the answer of /readyz matches, whatever its status.
func answers(address, pattern string) error {
	answer, err := http.Get("http://" + address + "/readyz")
	if err != nil {
		return err
	}
	body, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return err
	}
	if !regexp.MustCompile(pattern).Match(body) {
		return fmt.Errorf("%s, want %s", body, pattern)
	}
	return nil
}

func hasLines(path string, n int) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if got := bytes.Count(data, []byte("\n")); got < n {
		return fmt.Errorf("%s has %d lines", path, got)
	}
	return nil
}

func hasText(path, text string) error {
	data, err := os.ReadFile(path)
	if err == nil && !bytes.Contains(data, []byte(text)) {
		err = fmt.Errorf("%s has no %s", path, text)
	}
	return err
}

func terminate(ts *testscript.TestScript, _ bool, _ []string) {
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Signal(syscall.SIGTERM))
	}
}

func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("got exit code %d, want %d", got, want)
	}
}
