package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// patient is a sink that records how much time it is given.
type patient struct{ check, publish *time.Duration }

func left(ctx context.Context) time.Duration {
	deadline, _ := ctx.Deadline()
	return time.Until(deadline).Round(time.Minute)
}

func (p patient) Limits() sink.Limits { return sink.Limits{Timeout: 7 * time.Minute} }

func (p patient) Check(ctx context.Context) (string, error) {
	*p.check = left(ctx)
	return "well", nil
}

func (p patient) Publish(ctx context.Context, _ []sink.Record) error {
	*p.publish = left(ctx)
	return nil
}

func (p patient) Close() error { return nil }

// Publishing a test event may take as long as its sink needs for a confirmation.
func TestCheckWaitsForALateConfirmation(t *testing.T) {
	api := httptest.NewServer(simulator.New(simulator.Config{Events: 1}))
	defer api.Close()
	var checked, published time.Duration
	with := kinds()
	with.Own = source.Type{} // the own log is with the state, which is not here
	with.Sinks = append(with.Sinks, sink.NewType("patient", struct{}{},
		func(context.Context, sink.Env, struct{}) (sink.Sink, error) {
			return patient{&checked, &published}, nil
		}))
	text := `
admin: {listen: "127.0.0.1:0"}
state: {settings: {dir: "` + t.TempDir() + `"}}
sources:
  - {name: acme, type: planetscale, settings: {organization: acme, access_token: token, url: "` + api.URL + `"}}
sinks:
  - {name: late, type: patient}
`
	cfg, err := config.Parse("sluice.yaml", []byte(text), with, lookup(nil))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	c := &command{kinds: with, stdout: &out}
	if err := c.checkAll(t.Context(), cfg, true); err != nil || !strings.Contains(out.String(), "well; test event") {
		t.Errorf("got %v: %s", err, &out)
	}
	if checked > time.Minute || published != 7*time.Minute {
		t.Errorf("Check was given %s and Publish %s, want half a minute and 7m", checked, published)
	}
}

// A client gives a request up after half a minute and says why. The limit of the check must
// not hide that, and says what it is if nothing else is known.
func TestTheLimitOfACheckHidesNoReason(t *testing.T) {
	silent := errors.New("http://siem.test does not answer")
	for name, c := range map[string]struct {
		gives time.Duration // when the client gives up
		err   string
	}{
		"a client that gives up": {30 * time.Second, silent.Error()},
		"one that does not":      {time.Hour, "not done after 45s: context deadline exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, err := within(t.Context(), func(ctx context.Context) (string, error) {
					select {
					case <-ctx.Done():
						return "", ctx.Err()
					case <-time.After(c.gives):
						return "", silent
					}
				})
				if fmt.Sprint(err) != c.err || errors.Is(err, context.DeadlineExceeded) != (failure.Hint(err) != "") {
					t.Errorf("got %v with the hint %q, want %s", err, failure.Hint(err), c.err)
				}
			})
		})
	}
}
