package app

import (
	"slices"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/config"
)

// What a hint proposes is typed at three in the morning: it must not be another lane's name.
func TestAFormerLaneMayHaveBecomeOnlyALaneThatBegins(t *testing.T) {
	for name, c := range map[string]struct {
		sources, sinks, resume string // with blanks between them
		former, want           string
	}{
		"its sink was renamed":                            {"acme", "vault", "", "acme/siem", "acme/vault"},
		"its source was renamed":                          {"globex", "siem", "", "acme/siem", "globex/siem"},
		"another sink has long been there":                {"acme", "vault archive", "acme/archive", "acme/siem", "acme/vault"},
		"its sink is gone, and the others have positions": {"acme", "vault", "acme/vault", "acme/siem", "NEW"},
		"several begin":                                   {"acme", "vault archive", "", "acme/siem", "NEW"},
		"both were renamed":                               {"globex", "vault", "", "acme/siem", "NEW"},
		"its sink follows its source no more":             {"acme globex", "siem", "", "acme/siem", ""},
	} {
		cfg := &config.Config{Path: "sluice.yaml"}
		for _, s := range strings.Fields(c.sources) {
			cfg.Sources = append(cfg.Sources, config.Source{Name: s})
		}
		for _, s := range strings.Fields(c.sinks) {
			cfg.Sinks = append(cfg.Sinks, config.Sink{Name: s, Sources: strings.Fields(c.sources)})
		}
		if got := newName(cfg, c.former, func(lane string) bool { return !slices.Contains(strings.Fields(c.resume), lane) }); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
		hint := formerHint(cfg, c.former, "position", "delete it", func(string) bool { return true })
		if got := strings.Contains(hint, "checkpoint rename"); got != (c.want != "") || !strings.Contains(hint, "removed for good, delete it") {
			t.Errorf("%s: got hint %q", name, hint)
		}
	}
}
