package config_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// taggedSettings say by their tags alone what they need, but for name.
type taggedSettings struct {
	Common struct {
		URL string `yaml:"url" required:"true" doc:"Address of the server. It begins with https://."`
	} `yaml:",inline"`
	Token   setting.Secret   `yaml:"token" required:"true" doc:"Its token."`
	Mode    string           `yaml:"mode" required:"true"`
	Count   int              `yaml:"count" required:"true"`
	Hosts   []string         `yaml:"hosts" required:"unless group" doc:"Some hosts."`
	Group   string           `yaml:"group" required:"unless hosts"`
	User    string           `yaml:"user" required:"with pass" doc:"User name."`
	Pass    setting.Secret   `yaml:"pass" required:"with user"`
	Key     setting.Secret   `yaml:"key" required:"if mode=signed|sealed"`
	Name    string           `yaml:"name" required:"true"`
	Proxy   *taggedProxy     `yaml:"proxy"`
	Proxies []taggedProxy    `yaml:"proxies"`
	Wait    setting.Duration `yaml:"wait" required:"true"`
}

type taggedProxy struct {
	Host string `yaml:"host" required:"true" doc:"Its host"`
}

func (s *taggedSettings) Validate() []error {
	if s.Name == "" {
		return []error{setting.Invalid("name", errors.New("missing; name the receiver"))}
	}
	return nil
}

func TestRequiredTags(t *testing.T) {
	const good = "url: https://x, token: t, count: 0, hosts: [a], name: n"
	for name, c := range map[string]struct {
		settings string
		problems []string // without place and path
	}{
		"all given":     {good, nil},
		"file of a key": {"url: u, token: t, count: 1, group: g, name: n, mode: signed, key_file: required_test.go", nil},
		"nothing": {"", []string{
			"url: missing; write url: Address of the server",
			"token: missing; write token or token_file: Its token",
			"count: missing; write count",
			"hosts: missing; write hosts, or group",
			"name: missing; name the receiver",
		}},
		"empty": {`url: "", token: t, count: 1, hosts: [], name: n`, []string{
			"url: is empty; write url: Address of the server",
			"hosts: is empty; write hosts, or group",
		}},
		"both of two":            {good + ", group: g", []string{"hosts: given together with group; keep one of them"}},
		"one of a pair":          {good + ", pass: p", []string{"user: missing; write user, which pass needs: User name"}},
		"the other of a pair":    {good + ", user: u", []string{"pass: missing; write pass or pass_file, which user needs"}},
		"a value that needs it":  {good + ", mode: sealed", []string{"key: missing; write key or key_file, which mode sealed needs"}},
		"a value without it":     {good + ", key: k", []string{"key: applies only if mode is signed or sealed; remove the key"}},
		"an inner mapping":       {good + ", proxy: {}, proxies: [{host: h}, {}]", []string{"proxies[1].host: missing; write host: Its host", "proxy.host: missing; write host: Its host"}},
		"a value that is wrong":  {"url: [1], token: t, count: many, hosts: [a], name: n", []string{"count: is not a whole number", "url: is a list"}},
		"a key that is misspelt": {"url: u, tokn: t, count: 1, hosts: [a], name: n", []string{"tokn: unknown key; did you mean token?"}},
		"variables without a value": {
			"url: u, token: t, count: 1, hosts: [a], name: n, mode: \"${NONE}\", key: k", []string{"mode: ${NONE} is not set"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			with := kinds
			with.Sinks = []sink.Type{sink.NewType("tagged", taggedSettings{Mode: "plain", Wait: 1}, openNothing[taggedSettings])}
			text := "sources: [{name: acme, type: planetscale, settings: {organization: acme, service_token: t}}]\n" +
				"sinks: [{name: x, type: tagged, settings: {" + c.settings + "}}]\n"
			_, err := config.Parse("sluice.yaml", []byte(text), with, env(nil))
			var problems config.Errors
			if err != nil && !errors.As(err, &problems) {
				t.Fatal(err)
			}
			var got []string
			for _, p := range problems {
				if p.Line != 2 || p.File != "sluice.yaml" {
					t.Errorf("%s: want line 2 of sluice.yaml", p)
				}
				got = append(got, strings.TrimPrefix(p.Key, "sinks[0].settings.")+": "+p.Text)
			}
			slices.Sort(got)
			slices.Sort(c.problems)
			for i := range min(len(got), len(c.problems)) {
				if want := c.problems[i]; strings.HasPrefix(got[i], want) && !strings.Contains(want, ";") {
					got[i] = want // the decoder goes on with words of its own
				}
			}
			if diff := cmp.Diff(c.problems, got); diff != "" {
				t.Errorf("want (-), got (+):\n%s", diff)
			}
		})
	}
}
