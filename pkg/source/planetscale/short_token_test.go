package planetscale_test

import (
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
)

// A simulator on this machine takes any token.
func TestAShortTokenIsWarnedAbout(t *testing.T) {
	for _, c := range []struct {
		url, token string
		warns      bool
	}{
		{"https://api.planetscale.com", "any", true},
		{"https://api.planetscale.com", "anything", false},
		{"http://127.0.0.1:8080", "any", false},
	} {
		var log strings.Builder
		s := planetscale.Defaults
		s.Organization, s.URL, s.AccessToken = "acme", c.url, setting.NewSecret(c.token)
		src, err := planetscale.New(s, planetscale.Options{Log: zerolog.New(&log)})
		if err != nil {
			t.Fatal(err)
		}
		if err := src.Close(); err != nil {
			t.Error(err)
		}
		if got := strings.Contains(log.String(), "access_token has fewer than 6 characters"); got != c.warns || strings.Contains(log.String(), `any"`) {
			t.Errorf("%s with token %s: got log %q", c.url, c.token, log.String())
		}
	}
}
