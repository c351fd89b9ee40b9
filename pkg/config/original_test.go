package config_test

import (
	"testing"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/sink"
)

type frugalSettings struct{}

func (frugalSettings) WithoutOriginal() {}

// A sink may leave the original out by default. The configuration overrides that.
func TestOriginal(t *testing.T) {
	kinds := kinds
	kinds.Sinks = append(kinds.Sinks[:len(kinds.Sinks):len(kinds.Sinks)], sink.NewType("frugal", frugalSettings{}, openNothing[frugalSettings]))
	tests := []struct {
		name, sink string
		want       bool
	}{
		{"by default", "{name: a, type: stdout}", true},
		{"by default, where the sink wants it left out", "{name: a, type: frugal}", false},
		{"asked for", "{name: a, type: frugal, original: true}", true},
		{"not wanted", "{name: a, type: stdout, original: false}", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			text := "sources:\n- {name: acme, type: planetscale, settings: {organization: acme, service_token: t}}\nsinks:\n- " + test.sink + "\n"
			c, err := config.Parse("sluice.yaml", []byte(text), kinds, func(string) (string, bool) { return "", false })
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Sinks[0].Original; got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}
