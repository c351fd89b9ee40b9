package splunkhec_test

import (
	"encoding/base64"
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
