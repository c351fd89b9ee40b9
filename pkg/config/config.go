// Package config reads the YAML that Sluice runs by.
//
// It is strict and complete: a key that nobody knows is a problem, and every
// problem is told at once, each with file, line, column, key and what to do
// about it (see Errors). To that end it walks the syntax tree by itself, into
// structs whose form package setting describes; a YAML decoder would stop at
// the first problem and forget where the rest stood.
//
// ${ENV} and ${ENV:-default} are expanded in values, after parsing and once: no
// content of a variable can add a key, end a quotation or be expanded again.
// $$ is a dollar sign. A variable that is unset or empty and has no default is
// a problem. Keys are not expanded.
//
// The package knows no source, sink or format but those it is handed (Kinds),
// and opens none. What it does not offer: anchors, aliases, merge keys, tags,
// directives and several documents in a file. A configuration is short enough
// to be written out, and each of them is a way to mean something else than what
// one reads.
package config

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/prepare"
)

// maxFile bounds what is read of a configuration; real ones are a few kB.
const maxFile = 256 << 10

// Kinds are the sources, sinks and formats of this build.
type Kinds struct {
	Sources []source.Type
	Sinks   []sink.Type
	Formats []transform.Format

	// SharedState returns a pointer to the settings of state.type kafka, with their
	// defaults.
	SharedState func() any
}

// Config is a configuration without a problem, its defaults filled in.
type Config struct {
	Path            string   // that Load read it from
	Sources         []Source // at least one, names unique
	State           State
	DeadLetters     DeadLetters
	Sinks           []Sink // at least one, names unique
	Admin           Admin
	Log             Log
	ShutdownTimeout time.Duration // for a Publish under way; default 8s
}

// Source is a log to follow.
type Source struct {
	Name     string
	Type     source.Type
	Settings any // what Type.Open takes
}

// State is where positions are saved.
type State struct {
	Type   string // "file" (default) or "kafka"
	Dir    string // of file; default /var/lib/sluice
	Shared any    // the settings of kafka
}

// DeadLetters is where rejects are kept, unless the sink or the state keeps them
// in Kafka.
type DeadLetters struct {
	Dir      string // default: dead-letters under State.Dir
	MaxBytes int64  // default 1 GiB
}

// Sink is a destination, and what is sent there in which form.
type Sink struct {
	Name           string
	Type           sink.Type
	Format         transform.Format     // default ecs
	FormatSettings any                  // what Format.New takes
	Sources        []string             // names, at least one; default all, in their order
	Start          source.Start         // for a lane without a checkpoint; default the beginning
	Catalogue      *transform.Catalogue // what is known of actions, the same for all sinks; nil: what is built in
	Original       bool                 // the raw event in the record; default true
	Prepare        prepare.Settings     // where, enrich and redact; default none
	PublishTimeout time.Duration        // default 1m
	MaxRejects     int                  // in a row without a delivery; default 100
	Settings       any                  // what Type.Open takes
}

// Admin is the HTTP server for metrics, health and status.
type Admin struct {
	Listen string   // host:port; default 127.0.0.1:9876
	Hosts  []string // names that it answers to beside localhost, IP addresses and the host of Listen; default none
}

// Log is what is logged, to stderr.
type Log struct {
	Level  zerolog.Level // default info
	Format string        // "auto" (default), "console" or "json"
}

// Lane is one source followed for one sink.
type Lane struct {
	Name   string // "source/sink"
	Source Source
	Sink   Sink
}

// Lanes returns the lanes in the order of the configuration: sink by sink, and
// for each its sources.
func (c *Config) Lanes() []Lane {
	byName := make(map[string]Source, len(c.Sources))
	for _, s := range c.Sources {
		byName[s.Name] = s
	}
	var lanes []Lane
	for _, s := range c.Sinks {
		for _, name := range s.Sources {
			lanes = append(lanes, Lane{Name: laneName(name, s.Name), Source: byName[name], Sink: s})
		}
	}
	return lanes
}

func laneName(source, sink string) string { return source + "/" + sink }

// Load reads a file, with the environment of the process. What is wrong with
// its content is told by Errors; other errors are about reading it.
func Load(path string, kinds Kinds) (*Config, error) {
	data, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("reading configuration: %w", err)
	}
	c, err := Parse(path, data, kinds, os.LookupEnv)
	if c != nil {
		c.Path = path
	}
	return c, err
}

// LoadAdmin reads no more of a file than the settings of the admin server. So it
// works where secrets and other settings are not at hand, as for a health check.
func LoadAdmin(path string) (Admin, error) {
	data, err := read(path)
	if err != nil {
		return Admin{}, fmt.Errorf("reading configuration: %w", err)
	}
	t := newTree(path, "sources and sinks", os.LookupEnv)
	admin := t.adminAlone(data)
	if len(t.problems) > 0 {
		return Admin{}, t.problems.sorted()
	}
	return admin, nil
}

func read(path string) (_ []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if closing := f.Close(); err == nil {
		err = closing
	}
	return data, err
}

// Parse reads data as a file of that name, with variables from env, which is
// shaped like os.LookupEnv. Its error is Errors.
func Parse(name string, data []byte, kinds Kinds, env func(string) (string, bool)) (*Config, error) {
	t := newTree(name, "sources and sinks", env)
	c := t.config(data, kinds)
	if len(t.problems) > 0 {
		return nil, t.problems.sorted()
	}
	return c, nil
}
