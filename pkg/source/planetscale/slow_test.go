package planetscale_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source"
)

// link delivers a body at a given rate. Like a connection, it fails once the request's
// time is over.
type link struct {
	ctx  context.Context
	body io.Reader
}

func (l *link) Read(p []byte) (int, error) {
	select {
	case <-time.After(250 * time.Millisecond):
		return l.body.Read(p[:min(len(p), 100<<10)])
	case <-l.ctx.Done():
		return 0, l.ctx.Err()
	}
}

func (l *link) Close() error { return nil }

// TestALargePageOverASlowLinkIsRequestedInParts uses events of 400 kB, and a link that
// delivers as much in a second.
func TestALargePageOverASlowLinkIsRequestedInParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var limits []string
		_, err := ask(t, defaults, func(r *http.Request) *http.Response {
			limit := r.URL.Query().Get("limit")
			limits = append(limits, limit)
			n, err := strconv.Atoi(limit)
			if err != nil {
				t.Error(err)
			}
			a := answer(200, "")
			a.Body, a.ContentLength = &link{r.Context(), strings.NewReader(empty + strings.Repeat(" ", n*400<<10))}, -1
			return a
		})
		if got, want := strings.Join(limits, " "), "100 50 25"; err != nil || got != want {
			t.Errorf("got limits %s, %v, want %s", got, err, want)
		}
	})
}

// TestCursorThatEchoesTheToken uses a server that repeats the token where the reader
// quotes the answer.
func TestCursorThatEchoesTheToken(t *testing.T) {
	const canary = "canary-secret/42+x"
	list := fmt.Sprintf(`{"type":"list","has_next":true,"has_prev":false,"cursor_start":"a","cursor_end":%q,"data":[{"id":"a","audit_action":"branch.created","created_at":"2000-01-01T00:00:00.000Z"}]}`, canary)
	for name, behind := range map[string]func() *http.Response{
		"refused":       func() *http.Response { return answer(404, `{"code":"not_found","message":"Not Found"}`) },
		"a second time": func() *http.Response { return answer(200, list) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := defaults
				s.AccessToken = setting.NewSecret(canary)
				src, err := ask(t, s, func(r *http.Request) *http.Response {
					if r.URL.Query().Get("starting_after") == "" {
						return answer(200, list)
					}
					return behind()
				})
				if err != nil {
					t.Fatal(err)
				}
				pos, err := src.Start(t.Context(), source.Start{})
				if err != nil {
					t.Fatal(err)
				}
				reader, err := src.Open(pos, source.Env{Lane: "acme/siem"})
				if err != nil {
					t.Fatal(err)
				}
				if p, err := reader.Next(t.Context()); err != nil || len(p.Events) > 0 {
					t.Errorf("got %d events and %v, want a page that only saves what was listed", len(p.Events), err)
				}
				for range 10 {
					if _, err := reader.Next(t.Context()); err == nil || strings.Contains(err.Error(), "canary") {
						t.Errorf("got %v, want an error without the token", err)
					}
				}
				if err := reader.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
