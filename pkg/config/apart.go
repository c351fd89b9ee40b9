package config

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// apartFromState refuses a lane that would write to a file that the state is kept in: the
// lock is held by sluice itself, and records would become a position or dead letters.
func (r *resolver) apartFromState(c *Config) {
	if c.State.Type != "file" {
		return
	}
	for i, s := range c.Sinks {
		path := join(index("sinks", i), "settings")
		settings, ok := s.Settings.(sink.Exclusive)
		if !ok || !r.report.sound(path) {
			continue
		}
		taken := slices.ContainsFunc(r.sourcesOf(s), func(name string) bool { return keepsState(c, settings.Exclusive(name)) })
		r.report.check(!taken, path, "leads to a file of the state or the dead letters, which sluice writes itself; name a file in another directory")
	}
}

// Names of files of the state, as packages checkpoint and deadletter choose them.
var (
	ofPositions = regexp.MustCompile(`^lock$|\+.*\.json$|\.json\.\d+\.tmp$`)
	ofLetters   = regexp.MustCompile(`^lock$|\.ndjson$|\.ndjson\.redrive$`)
)

// keepsState reports whether a file has the place and the name of one of the state.
func keepsState(c *Config, path string) bool {
	is := func(dir string, names *regexp.Regexp) bool {
		abs, err := filepath.Abs(dir)
		return err == nil && filepath.Dir(path) == abs && names.MatchString(filepath.Base(path))
	}
	return is(c.State.Dir, ofPositions) || is(c.DeadLetters.Dir, ofLetters)
}

// distinct refuses two lanes with the same transactional id in Kafka, which has a dot in
// place of the slash.
func (r *resolver) distinct(sinks []Sink) {
	lanes := map[string]string{}
	for i, s := range sinks {
		if !allNames(append(r.sourcesOf(s), s.Name)) {
			continue
		}
		for _, name := range r.sourcesOf(s) {
			lane := laneName(name, s.Name)
			id := strings.Replace(lane, "/", ".", 1)
			other, taken := lanes[id]
			r.report.check(!taken || other == lane, join(index("sinks", i), "name"), "lanes %s and %s would both be named %s in Kafka; rename one", other, lane, id)
			lanes[id] = lane
		}
	}
}
