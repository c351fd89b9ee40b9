package planetscale_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"os"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
)

// A server repeats what it got, in any form and with any status. No error contains the
// token, nor a token that was rotated since.
func TestTokenThatIsEchoed(t *testing.T) {
	const canary, older = "canary-secret/42+x", "former-secret/41+y"
	escape := strings.NewReplacer("-", `\u002d`, "/", `\/`).Replace
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	bodies := map[string]func(token, header string) string{
		"a message":          func(token, _ string) string { return fmt.Sprintf(`{"message":"got %s"}`, token) },
		"an escaped message": func(token, _ string) string { return fmt.Sprintf(`{"message":"got %s"}`, escape(token)) },
		"an error and description": func(token, h string) string {
			return fmt.Sprintf(`{"error":"%s","error_description":"%s"}`, escape(token), escape(h))
		},
		"the header in base64":      func(_, h string) string { return fmt.Sprintf(`{"message":"got %s"}`, escape(b64(h))) },
		"text":                      func(token, _ string) string { return "got " + token },
		"escaped JSON of no object": func(token, _ string) string { return `["` + escape(token) + `"]` },
		"base64 as text":            func(_, h string) string { return "got " + b64(h) },
		"an address":                func(token, _ string) string { return "got " + url.QueryEscape(token) },
		"behind a long text":        func(token, _ string) string { return strings.Repeat("x", 500) + token },
		"at the end of what shows":  func(token, _ string) string { return strings.Repeat("x", 115) + token },
		"where a text is cut":       func(token, _ string) string { return strings.Repeat("\u200b", 8<<10/3) + token },
		"where a message is cut":    func(token, _ string) string { return `{"message":"` + strings.Repeat(" ", 8<<10-8) + token + `"}` },
		"behind others":             func(token, _ string) string { return strings.Repeat(token+"\n", 8<<10/len(token)) },
	}
	statuses := []int{400, 401, 403, 404, 407, 418, 422, 429, 500, 502, 503, 301}
	for name, body := range bodies {
		for _, status := range statuses {
			t.Run(fmt.Sprint(name, " ", status), func(t *testing.T) {
				file := filepath.Join(t.TempDir(), "token")
				write := func(token string) {
					if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				write(older)
				s := planetscale.Defaults
				s.Organization, s.ServiceTokenID, s.ServiceToken = "acme", "id", setting.SecretFile(file)
				echoed := older
				src, err := ask(t, s, func(*http.Request) *http.Response { return answer(status, body(echoed, "id:"+echoed)) })
				want := func(err error) {
					t.Helper()
					for _, piece := range []string{"canary", "former", "secret", b64("id:canary")[:8], b64("id:former")[:8]} {
						if err == nil || strings.Contains(err.Error(), piece) {
							t.Errorf("got %v, want an error without %q", err, piece)
						}
					}
				}
				want(err)
				if status == 429 || status >= 500 {
					return // From here on the budget waits.
				}
				write(canary)
				_, err = src.Check(t.Context())
				want(err) // the error is about the old token
				echoed = canary
				_, err = src.Check(t.Context())
				want(err)
			})
		}
	}
}

// The same holds for an error of the connection.
func TestTokenInAnErrorOfTheConnection(t *testing.T) {
	s := planetscale.Defaults
	s.Organization, s.AccessToken = "acme", setting.NewSecret("canary-secret/42")
	broken := errors.New(`malformed HTTP response "canary-secret\/42"`)
	src, err := planetscale.New(s, planetscale.Options{Transport: failing{broken}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = src.Check(t.Context())
	if !errors.Is(err, broken) || strings.Contains(err.Error(), "canary") {
		t.Errorf("got %v, want the error without the token", err)
	}
	if err := src.Close(); err != nil {
		t.Error(err)
	}
}

// The same holds for a part of the token at the end of a broken answer.
func TestTokenThatBreaksOff(t *testing.T) {
	s := planetscale.Defaults
	s.Organization, s.AccessToken = "acme", setting.NewSecret("canary-secret/42")
	for _, status := range []int{401, 429, 503} {
		_, err := ask(t, s, func(*http.Request) *http.Response {
			a := answer(status, "")
			a.Body = io.NopCloser(io.MultiReader(strings.NewReader("got canary-sec"), iotest.ErrReader(io.ErrUnexpectedEOF)))
			return a
		})
		if err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%d: got %v, want an error without the token", status, err)
		}
	}
}

type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }
