package splunkhec_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/splunkhec/hectest"
)

// A server or a proxy returns what was sent, in any form and with any status. No
// error contains the token.
func TestTokenThatIsEchoed(t *testing.T) {
	const canary = "canary-secret/42+x"
	escaped := strings.NewReplacer("-", `\u002d`, "/", `\/`).Replace(canary)
	header := base64.StdEncoding.EncodeToString([]byte("Splunk " + canary))
	for name, body := range map[string]string{
		"HEC's own words":        `{"text":"bad ` + canary + `","code":4}`,
		"HEC's own, escaped":     `{"text":"bad ` + escaped + `","code":4}`,
		"HEC's own, the header":  `{"text":"bad ` + header + `","code":9}`,
		"a proxy's text":         "bad " + canary,
		"a proxy's JSON":         `["bad ` + escaped + `"]`,
		"a proxy's base64":       "bad " + header,
		"where the excerpt ends": strings.Repeat("x", 195) + canary,
		"where a text is cut":    strings.Repeat("\u200b", 8<<10/3) + canary,
		"where HEC's own is cut": `{"text":"` + strings.Repeat(" ", 8<<10-8) + canary + `","code":4}`,
		"where the reading ends": strings.Repeat("\x00", 1<<20-8) + canary,
		"behind others":          strings.Repeat(canary+"\n", 8<<10/len(canary)),
	} {
		for _, status := range []int{200, 400, 401, 403, 404, 407, 413, 429, 500, 503} {
			t.Run(name, func(t *testing.T) {
				script := func(hectest.Request) hectest.Fault {
					return hectest.Fault{Answer: &hectest.Answer{Status: status, Raw: body}}
				}
				bubble(t, hectest.Config{Script: script}, func(t *testing.T, r *rig) {
					r.settings.Token = setting.NewSecret(canary)
					snk := r.open(t)
					published := snk.Publish(t.Context(), batch(1))
					_, checked := snk.(sink.Checker).Check(t.Context())
					for _, err := range []error{published, checked} {
						for _, piece := range []string{"canary", "secret", header[:12], header[8:]} {
							if err != nil && strings.Contains(err.Error()+failure.Hint(err)+r.log.String(), piece) {
								t.Errorf("status %d: got %v with %q in it", status, err, piece)
							}
						}
					}
				})
			})
		}
	}
}

// A path may be a credential. No error, hint, dead letter's reason or line of the log shows
// it: not where the receiver cannot be reached, nor where it repeats the path.
func TestPathThatIsACredential(t *testing.T) {
	const path, bearer = "/api/ingest/hec/CANARY-path%2B1", "CANA:RYTOKEN"
	for _, tt := range []struct {
		name   string
		status int // 0: nobody answers
		format string
	}{
		{"a page that repeats it", 404, `no route for %s and %s`},
		{"JSON that repeats it", 404, `{"status":404,"error":"Not Found","path":%q,"header":%q}`},
		{"an answer of HEC", 403, `{"text":"no route for %s, and %s","code":4}`},
		{"a record that is refused", 400, `{"text":"bad %s %s","code":6}`},
		{"a host that is unknown", 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			over := roundTripper(func(r *http.Request) (*http.Response, error) {
				if tt.status == 0 {
					return nil, &net.DNSError{Err: "no such host", Name: r.URL.Hostname(), IsNotFound: true}
				}
				body := fmt.Sprintf(tt.format, r.URL.Path, r.Header.Get("Authorization"))
				return &http.Response{StatusCode: tt.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}, nil
			})
			r := &rig{settings: defaults("https://siem.example.com" + path + "/v1/services/collector"), transport: over}
			r.settings.Token, r.settings.AuthScheme = setting.NewSecret(bearer), "Bearer"
			snk := r.open(t)
			published := snk.Publish(t.Context(), batch(1))
			_, checked := snk.(sink.Checker).Check(t.Context())
			for _, err := range []error{published, checked} {
				text := fmt.Sprint(err, failure.Hint(err), &r.log)
				if strings.Contains(text, "CANA") || strings.Contains(text, "RYTOKEN") || published == nil {
					t.Errorf("got %s", text)
				}
			}
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
