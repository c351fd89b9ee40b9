package app_test

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sluice-siem/sluice/pkg/sink/splunkhec/hectest"
)

const hecToken = "11111111-2222-3333-4444-555555555555"

// TestSplunkScripts is like TestScripts, with a lane to Splunk. Each script begins with a
// file token, and with sluice.yaml, which names $URL, $ADMIN, $SPLUNK and $INDEX. Scripts
// have these commands besides those of TestScripts:
//
//	hec start [-ack]      serves HTTP Event Collector, which has the index security, and sets $SPLUNK
//	hec revoke            stops accepting the token
//	hec restore           accepts the token again
//	hec has N             waits until it has indexed so many events
//	unready TEXT          waits until the sluice at $ADMIN is not ready, with that reason
func TestSplunkScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/splunk",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			address, err := freeAddress()
			if err != nil {
				return err
			}
			env.Setenv("ADMIN", address)
			env.Values[scripted{}] = &scripted{}
			env.Values[splunk{}] = &splunk{}
			config, err := os.ReadFile("testdata/splunk.yaml")
			if err != nil {
				return err
			}
			return errors.Join(
				os.WriteFile(filepath.Join(env.WorkDir, "sluice.yaml"), config, 0o600),
				os.WriteFile(filepath.Join(env.WorkDir, "token"), []byte(hecToken+"\n"), 0o600))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"api": serveAPI, "append": appendEvents, "await": await, "terminate": terminate, "exits": exits,
			"hec": hec, "unready": unready,
		},
	})
}

// splunk is what the commands of a script share.
type splunk struct{ *hectest.Server }

func hec(ts *testscript.TestScript, _ bool, args []string) {
	s := ts.Value(splunk{}).(*splunk)
	switch args[0] {
	case "start":
		c := hectest.Config{Token: hecToken, Indexes: []string{"security"}, AckDelay: 100 * time.Millisecond}
		flags := flag.NewFlagSet("hec", flag.ContinueOnError)
		flags.BoolVar(&c.Ack, "ack", false, "")
		ts.Check(flags.Parse(args[1:]))
		s.Server = hectest.NewServer(c)
		server := httptest.NewServer(s)
		ts.Defer(server.Close)
		ts.Setenv("SPLUNK", server.URL)
	case "revoke":
		s.SetToken("another")
	case "restore":
		s.SetToken(hecToken)
	case "has":
		want, err := strconv.Atoi(args[1])
		ts.Check(err)
		ts.Check(patiently(func() error {
			if got := len(s.Events()); got != want {
				return fmt.Errorf("%d events are indexed, want %d", got, want)
			}
			return nil
		}))
	default:
		ts.Fatalf("hec has no command %s", args[0])
	}
}

func unready(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(patiently(func() error { return isUnready(ts.Getenv("ADMIN"), args[0]) }))
}

// isUnready requires that /readyz is not ready, and why.
func isUnready(address, why string) error {
	answer, err := http.Get("http://" + address + "/readyz")
	if err != nil {
		return err
	}
	body, err := io.ReadAll(answer.Body)
	if answer.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(body), why) {
		err = errors.Join(err, fmt.Errorf("%s: %s", answer.Status, body))
	}
	return errors.Join(err, answer.Body.Close())
}
