// Package config reads the YAML that Sluice runs by.
//
// It is strict and complete. An unknown key is a problem. All problems are reported at
// once, each with file, line, column, key and what to do about it (see Errors). So the
// package walks the syntax tree itself and fills structs whose form package setting
// describes. A YAML decoder would stop at the first problem and forget the places of
// the rest.
//
// ${ENV} and ${ENV:-default} are expanded in values, after parsing and once. So the
// content of a variable cannot add a key, end a quotation or be expanded again. $$ is a
// dollar sign. A variable that is unset or empty and has no default is a problem. So are
// $NAME, $(…) and a variable in a default: other programs expand them, and here they would
// be taken literally. Keys are not expanded.
//
// A value that is hardly what its author sees is a problem, too: one with a character that
// cannot be seen, with typographic quotes, or with quotes within its quotes.
//
// The package knows only the sources, sinks and formats of Kinds, and opens none. It
// does not support anchors, aliases, merge keys, tags, directives, or several documents
// in a file. A configuration is short enough without them, and each makes a file mean
// something else than it seems to.
//
// # Sources in files
//
// In place of a list, sources may name a directory, or a pattern such as conf.d/*.yaml
// with wildcards after the last slash only. A relative path starts in the directory of
// the configuration. Each file has the key sources with a list, and no other key. It is
// as strict as the configuration.
//
// Of a directory, the files are those that end in .yaml or .yml. Hidden files are not
// read. A file with several names is read once. Files are read in the order of their
// names. The names of sources are unique over all files. A path without a file is a
// problem, and so is a file that cannot be read. There are at most 10,000 files, of
// 256 KiB each and 16 MiB together.
//
// # Files
//
// A file passes three steps. Each reports its problems and continues:
//
//   - parse makes nodes of the text (parse.go, syntax.go for what the parser rejects)
//   - a decoder makes a document of the nodes (document.go, decode.go, mapping.go,
//     unknown.go for keys in the wrong place, scalar.go, expand.go for variables)
//   - a resolver makes the Config of the document (resolve.go, sources.go, files.go,
//     catalogue.go, validate.go, required.go)
//
// All three share a report (report.go, problem.go, path.go). message.go keeps values
// out of messages, and suggest.go finds the word that was meant. The steps share these
// unexported types, so they are in one package.
//
// difference.go compares two configurations, listing.go lists one without secrets, and footprint.go notices that the files of one
// changed.
//
// describe.go describes every key for documentation, from the same structs; tags.go
// refuses wrong tags. schema.go makes the JSON Schema of that, and table.go what pages
// show.
package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/internal/glyph"
	"github.com/sluice-siem/sluice/pkg/internal/regular"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/prepare"
)

// maxFile bounds the size of a configuration. Real ones have a few kB.
const maxFile = 256 << 10

// Kinds are the sources, sinks and formats of this build.
type Kinds struct {
	Sources []source.Type
	Sinks   []sink.Type
	Formats []transform.Format

	// Own is the type of Sluice's own log. Its name is the name of the source, too, so no
	// other source may have it. A build without one has no own log.
	Own source.Type

	// SharedStates are the types of state, beside files, in which replicas share what they
	// keep.
	SharedStates []SharedState
}

// SharedState is a type of state that replicas share.
type SharedState struct {
	Name     string     // state.type
	Settings func() any // returns a pointer to its settings, with their defaults
}

// state returns the shared state of that name; nil if there is none.
func (k Kinds) state(name string) *SharedState {
	if i := slices.IndexFunc(k.SharedStates, func(s SharedState) bool { return s.Name == name }); i >= 0 {
		return &k.SharedStates[i]
	}
	return nil
}

// states are the names of all types of state.
func (k Kinds) states() []string {
	return append([]string{"file"}, names(k.SharedStates, func(s SharedState) string { return s.Name })...)
}

// Config is a configuration without a problem, its defaults filled in.
type Config struct {
	Path            string       // the file that Load read
	Sources         []Source     // at least one, names unique
	Own             Source       // Sluice's own log
	SourceFiles     *SourceFiles // that sources names in place of a list; nil: it is a list
	State           State
	DeadLetters     DeadLetters
	Sinks           []Sink // at least one, names unique
	Admin           Admin
	Log             Log
	Evidence        *Evidence     // nil: no lane has evidence
	AuditEvery      time.Duration // between two audits of a lane; default 0: there are none
	Heartbeat       time.Duration // between two heartbeats in the own log; default 15m; 0: there are none
	ShutdownTimeout time.Duration // for a Publish under way; default 8s
	Memory          int64         // bytes that all lanes may hold together; 0: it depends on the machine

	Corrections *transform.Entries // of the file that catalogue names; nil: there is none
}

// LeastMemory is the least memory with which lanes make progress.
const LeastMemory = 8 << 20

// SourceFiles are the files of the directory or the pattern that sources names.
type SourceFiles struct {
	Read    []string // in the order of their names
	Skipped []string // files of the directory with another ending; none for a pattern
}

// Source is a log to follow.
type Source struct {
	Name      string
	Type      source.Type
	Catalogue *transform.Catalogue // its actions: those of Type, corrected by the file that the configuration names
	Settings  any                  // what Type.Open takes
}

// State is where positions are saved.
type State struct {
	Type   string // "file" (default), or the name of a SharedState
	Dir    string // of file; default /var/lib/sluice
	Shared any    // the settings of a SharedState
}

// DeadLetters is the directory for rejects, unless the sink or a shared state keeps
// them.
type DeadLetters struct {
	Dir      string // default: dead-letters under State.Dir
	MaxBytes int64  // default 1 GiB
}

// Sink is a destination, what is sent there, and in which format.
type Sink struct {
	Name           string
	Type           sink.Type
	Format         transform.Format // default ecs
	FormatSettings any              // what Format.New takes
	Sources        []string         // names; default all, in their order; none if OwnEvents is OnlyOwnEvents
	OwnEvents      OwnEvents        // default WithOwnEvents
	Start          source.Start     // for a lane without a checkpoint; default the beginning
	Original       bool             // the raw event in the record; default true
	Prepare        prepare.Settings // where, enrich and redact; default none
	EnrichAt       string           // where the file sets enrich, such as sluice.yaml:12:5
	PublishTimeout time.Duration    // default 1m
	MaxRejects     int              // in a row without a delivery; default 100
	BeyondWindow   string           // what becomes of events that are older than the destination takes; default SendBeyondWindow
	Evidence       bool             // numbers and seals, if the configuration has a key; default true
	Settings       any              // what Type.Open takes
}

// The values of Sink.BeyondWindow.
const (
	SendBeyondWindow = "send"
	BuryBeyondWindow = "dead_letter"
)

// Admin is the HTTP server for metrics, health and the console.
type Admin struct {
	Listen string   // host:port; default 127.0.0.1:9876
	Hosts  []string // names it answers to besides localhost, IP addresses and the host of Listen; default none

	// Token is what the console asks for: as the password of HTTP Basic, with any user
	// name, or as a bearer token. At least 16 characters. /metrics, /healthz and /readyz
	// never ask for it, since monitoring needs them. Default none: then only a server
	// that listens on loopback shows events. A proxy on the same machine makes every
	// client look like one on loopback, so a server behind one needs a token.
	Token setting.Secret

	TLS *setting.ServerTLS // for all of the server; default none: plain HTTP
}

// Log configures the log, which goes to stderr.
type Log struct {
	Level  zerolog.Level // default info
	Format string        // "auto" (default), "console" or "json"
}

// Lane is one source followed for one sink.
type Lane struct {
	Name   string // "source/sink"
	Source Source
	Sink   Sink

	Evidence   *Evidence     // nil: the lane has none
	AuditEvery time.Duration // 0: it has no audits, as a lane of the own log
}

// Lanes returns the lanes in the order of the configuration: sink by sink, and
// for each its sources and Sluice's own log.
func (c *Config) Lanes() []Lane {
	byName := make(map[string]Source, len(c.Sources))
	for _, s := range c.Sources {
		byName[s.Name] = s
	}
	var lanes []Lane
	for _, s := range c.Sinks {
		evid := c.Evidence
		if !s.Evidence {
			evid = nil
		}
		for _, name := range s.Sources {
			lanes = append(lanes, Lane{Name: laneName(name, s.Name), Source: byName[name], Sink: s, Evidence: evid, AuditEvery: c.AuditEvery})
		}
		if c.Own.Name != "" && s.hasOwnLane() {
			lanes = append(lanes, Lane{Name: laneName(c.Own.Name, s.Name), Source: c.Own, Sink: s.forOwnEvents(), Evidence: evid})
		}
	}
	return lanes
}

// HasOwnLanes reports whether a sink gets the events of Sluice's own log.
func (c *Config) HasOwnLanes() bool { return slices.ContainsFunc(c.Lanes(), c.IsOwn) }

// IsOwn reports whether the lane delivers the events of Sluice's own log.
func (c *Config) IsOwn(l Lane) bool { return l.Source.Name == c.Own.Name }

func laneName(source, sink string) string { return source + "/" + sink }

// Load reads a file, with the environment of the process. Its error is Errors if the
// content is wrong, and any other error if the file cannot be read.
func Load(path string, kinds Kinds) (*Config, error) {
	c, _, err := LoadTraced(path, kinds)
	return c, err
}

// LoadTraced is Load. It also returns, with an error too, what the configuration was read
// from, so that a change can be noticed. The file may be a pipe, such as /dev/stdin.
func LoadTraced(path string, kinds Kinds) (*Config, *Footprint, error) {
	return load(path, kinds, os.Open)
}

// LoadAgain is LoadTraced in a process that runs. It never blocks: what is no regular file
// is refused, since a pipe that was read at the start has nothing more.
func LoadAgain(path string, kinds Kinds) (*Config, *Footprint, error) {
	return load(path, kinds, regular.Open)
}

func load(path string, kinds Kinds, open func(path string) (*os.File, error)) (*Config, *Footprint, error) {
	trace := newFootprint()
	data, err := read(path, open)
	trace.note(data, err, func() ([]byte, error) { return read(path, regular.Open) })
	if errors.Is(err, regular.ErrIrregular) {
		err = sink.Hint(err, "what is no regular file is read only at the start: restart sluice, or put a file in its place and reload")
	}
	if err != nil {
		return nil, trace, fmt.Errorf("reading configuration: %w", err)
	}
	c, err := parse(path, data, kinds, os.LookupEnv, trace)
	if c != nil {
		c.Path = path
	}
	return c, trace, err
}

// LoadAdmin reads nothing of a file but the settings of the admin server, without its
// token. So it works without secrets and other settings, as in a health check.
func LoadAdmin(path string) (Admin, error) {
	data, err := read(path, os.Open)
	if err != nil {
		return Admin{}, fmt.Errorf("reading configuration: %w", err)
	}
	found := newReport(path)
	d := newDecoder(found, os.LookupEnv)
	alone := adminAlone{Server: defaultAdmin}
	d.adminAlone(data, &alone)
	admin := (&resolver{report: found, decoder: d}).adminServer(alone.Server)
	return admin, found.err()
}

// LoadAdminToken is LoadAdmin, with the token.
func LoadAdminToken(path string) (Admin, error) {
	data, err := read(path, os.Open)
	if err != nil {
		return Admin{}, fmt.Errorf("reading configuration: %w", err)
	}
	found := newReport(path)
	d := newDecoder(found, os.LookupEnv)
	entry := adminEntry{Server: defaultAdmin}
	d.adminAlone(data, &entry)
	admin := (&resolver{report: found, decoder: d}).admin(entry)
	return admin, found.err()
}

// read reads a file of the configuration. With regular.Open it never blocks.
func read(path string, open func(path string) (*os.File, error)) (_ []byte, err error) {
	f, err := open(path)
	if file := new(fs.PathError); errors.As(err, &file) {
		file.Path = glyph.Visible(path)
	}
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if closing := f.Close(); err == nil {
		err = closing
	}
	return data, err
}

// Parse reads data as a file of that name, and the files that data names. env looks up
// variables, as os.LookupEnv does. Its error is Errors.
func Parse(name string, data []byte, kinds Kinds, env func(string) (string, bool)) (*Config, error) {
	return parse(name, data, kinds, env, newFootprint())
}

func parse(name string, data []byte, kinds Kinds, env func(string) (string, bool), trace *Footprint) (*Config, error) {
	found := newReport(name)
	d := newDecoder(found, env)
	c := (&resolver{report: found, decoder: d, kinds: kinds, trace: trace}).config(d.document(data))
	if problems := found.all(); len(problems) > 0 {
		return nil, problems
	}
	return c, nil
}
