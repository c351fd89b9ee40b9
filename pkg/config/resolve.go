package config

import (
	"net"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// Names become names of files, labels of metrics and ids of transactions.
var goodName = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,63}$`)

// check reports a problem with a value that could be had.
func (t *tree) check(ok bool, path, format string, args ...any) bool {
	if !ok && !t.settled(path) {
		t.reject(path, format, args...)
	}
	return ok
}

// among looks a word up in a list of those that are known.
func among[T any](t *tree, path, what, word string, all []T, name func(T) string) (T, bool) {
	i := slices.IndexFunc(all, func(a T) bool { return name(a) == word })
	if i >= 0 {
		return all[i], true
	}
	known := make([]string, len(all))
	for i, a := range all {
		known[i] = name(a)
	}
	known = slices.DeleteFunc(known, func(k string) bool { return !goodName.MatchString(k) })
	if word == "" {
		t.check(false, path, "missing; name the %s: %s", what, strings.Join(slices.Sorted(slices.Values(known)), ", "))
	} else {
		t.check(false, path, "unknown %s; %s", what, advice(word, known))
	}
	var none T
	return none, false
}

func itself(s string) string { return s }

// allNames reports whether the words are names, which messages may show.
func allNames(words []string) bool {
	return !slices.ContainsFunc(words, func(w string) bool { return !goodName.MatchString(w) })
}

func (t *tree) state(e stateEntry, kinds Kinds) State {
	path := "state"
	if _, ok := among(t, join(path, "type"), "type of state", e.Type, []string{"file", "kafka"}, itself); !ok {
		return State{}
	}
	path = join(path, "settings")
	if e.Type == "kafka" {
		return State{Type: e.Type, Shared: t.settings(path, e.Settings, kinds.SharedState())}
	}
	s := defaultState
	t.fill(e.Settings, &s)
	t.check(s.Dir != "", join(path, "dir"), "is empty; write the directory to keep positions in")
	return State{Type: e.Type, Dir: s.Dir}
}

func (t *tree) deadLetters(e deadLettersEntry, state State) DeadLetters {
	path := "dead_letters"
	if state.Type == "kafka" {
		_, given := t.places[path]
		t.check(!given, path, "goes with state.type file; with kafka dead letters are in topics: remove the key")
		return DeadLetters{}
	}
	dir := filepath.Join(state.Dir, "dead-letters")
	if _, given := t.places[join(path, "dir")]; given {
		t.check(e.Dir != "", join(path, "dir"), "is empty; write a directory or remove the key")
		dir = e.Dir
	}
	t.check(e.MaxBytes > 0, join(path, "max_bytes"), "is 0; write a size such as 1GiB")
	return DeadLetters{Dir: dir, MaxBytes: e.MaxBytes.Bytes()}
}

func (t *tree) admin(e adminEntry) Admin {
	_, port, err := net.SplitHostPort(e.Listen)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	t.check(err == nil, "admin.listen", "is not host:port; write one such as 127.0.0.1:9876")
	for i, host := range e.Hosts {
		// A Host header with a port, a scheme or a pattern never equals one of these.
		t.check(host != "" && !strings.ContainsAny(host, ":/*@ "), "admin.hosts["+strconv.Itoa(i)+"]",
			"is not a name; write one without scheme and port, such as sluice.example.com")
	}
	return Admin(e)
}

func (t *tree) log(e logEntry) Log {
	levels := []zerolog.Level{zerolog.TraceLevel, zerolog.DebugLevel, zerolog.InfoLevel, zerolog.WarnLevel, zerolog.ErrorLevel}
	level, _ := among(t, "log.level", "level", e.Level, levels, zerolog.Level.String)
	among(t, "log.format", "format", e.Format, []string{"auto", "console", "json"}, itself)
	return Log{Level: level, Format: e.Format}
}

func (t *tree) sources(entries []deferred, kinds Kinds) []Source {
	t.check(len(entries) > 0, "sources", "missing; write at least one source")
	var sources []Source
	seen := map[string]string{}
	for _, d := range entries {
		var e sourceEntry
		t.fill(d, &e)
		t.name(d.path, "source", e.Name, seen)
		s := Source{Name: e.Name}
		var ok bool
		s.Type, ok = among(t, join(d.path, "type"), "type of source", e.Type, kinds.Sources, func(k source.Type) string { return k.Name })
		if ok {
			s.Settings = t.settings(join(d.path, "settings"), e.Settings, s.Type.Settings())
		}
		sources = append(sources, s)
	}
	return sources
}

func (t *tree) sinks(entries []deferred, kinds Kinds, sources []Source) []Sink {
	t.check(len(entries) > 0, "sinks", "missing; write at least one sink")
	var sinks []Sink
	seen := map[string]string{}
	for _, d := range entries {
		e := defaultSink
		t.fill(d, &e)
		t.name(d.path, "sink", e.Name, seen)
		sinks = append(sinks, t.sink(d.path, e, kinds, sources))
	}
	return sinks
}

func (t *tree) sink(path string, e sinkEntry, kinds Kinds, sources []Source) Sink {
	s := Sink{
		Name:           e.Name,
		Sources:        t.follows(join(path, "sources"), e.Sources, sources),
		Start:          t.start(join(path, "start"), e.Start),
		Original:       e.Original,
		Prepare:        e.Prepare,
		PublishTimeout: e.PublishTimeout.Std(),
		MaxRejects:     e.MaxRejects,
	}
	t.check(s.PublishTimeout > 0, join(path, "publish_timeout"), "is 0; write a duration such as 1m")
	t.check(s.MaxRejects > 0, join(path, "max_rejects"), "is %d; write a whole number of 1 or more", s.MaxRejects)
	t.validate(path, reflect.ValueOf(&s.Prepare).Elem())
	var ok bool
	s.Format, ok = among(t, join(path, "format"), "format", e.Format, kinds.Formats, func(f transform.Format) string { return f.Name })
	if ok {
		s.FormatSettings = t.settings(join(path, "format_settings"), e.FormatSettings, s.Format.Settings())
	}
	s.Type, ok = among(t, join(path, "type"), "type of sink", e.Type, kinds.Sinks, func(k sink.Type) string { return k.Name })
	if ok {
		s.Settings = t.settings(join(path, "settings"), e.Settings, s.Type.Settings())
		_, given := t.places[join(path, "original")]
		if _, without := s.Settings.(sink.WithoutOriginal); without && !given {
			s.Original = false
		}
	}
	return s
}

// settings lays what is configured over a type's defaults, and has it judged.
func (t *tree) settings(path string, d deferred, settings any) any {
	t.fill(d, settings)
	t.validate(path, reflect.ValueOf(settings).Elem())
	return settings
}

// name checks a name, and that the names seen so far do not hold it.
func (t *tree) name(path, what, name string, seen map[string]string) {
	key := join(path, "name")
	if !t.check(name != "", key, "missing; give every %s a name", what) ||
		!t.check(goodName.MatchString(name), key, "is not a name; write 1 to 64 of a-z 0-9 - _ . beginning with a letter or digit") {
		return
	}
	if other, twice := seen[name]; twice {
		t.check(false, key, "is also the name of %s; give every %s a name of its own", other, what)
		return
	}
	seen[name] = path
}

// follows returns the sources of a sink: all of them unless it names some.
func (t *tree) follows(path string, names *[]string, sources []Source) []string {
	known := make([]string, len(sources))
	for i, s := range sources {
		known[i] = s.Name
	}
	if names == nil {
		return known
	}
	if slices.Contains(known, "") {
		return *names // a source whose name could not be had may be meant
	}
	t.check(len(*names) > 0, path, "is empty; name a source, or remove the key to follow all")
	for i, name := range *names {
		p := index(path, i)
		if _, ok := among(t, p, "source", name, known, itself); ok {
			t.check(!slices.Contains((*names)[:i], name), p, "is named twice; remove one of them")
		}
	}
	return *names
}

func (t *tree) start(path, text string) source.Start {
	switch text {
	case "beginning":
		return source.Start{}
	case "now":
		return source.Start{Now: true}
	}
	since, err := time.Parse(time.RFC3339, text)
	t.check(err == nil, path, "is no start; write beginning, now or a time such as 2026-01-31T00:00:00Z")
	return source.Start{Since: since}
}

// unfollowed refuses a source whose events would go nowhere without a word.
func (t *tree) unfollowed(sources []Source, sinks []Sink) {
	followed := map[string]bool{}
	for i, s := range sinks {
		if !t.sound(join(index("sinks", i), "sources")) {
			return
		}
		for _, name := range s.Sources {
			followed[name] = true
		}
	}
	for i, s := range sources {
		path := index("sources", i)
		t.check(len(sinks) == 0 || followed[s.Name] || !t.sound(join(path, "name")), path,
			"no sink names %s among its sources; add it to one or remove it", s.Name)
	}
}

// exclusive refuses two lanes that would write the same destination. Settings
// with a problem of their own claim nothing.
func (t *tree) exclusive(sinks []Sink) {
	claims := map[string]string{}
	for i, s := range sinks {
		path := join(index("sinks", i), "settings")
		settings, ok := s.Settings.(sink.Exclusive)
		if !ok || !t.sound(path) || !allNames(append(s.Sources, s.Name)) {
			continue
		}
		for _, name := range s.Sources {
			claim, lane := settings.Exclusive(name), laneName(name, s.Name)
			if claim == "" {
				continue
			}
			if other, taken := claims[claim]; taken {
				t.check(other == lane, path, "lanes %s and %s would both write there; put {source} in the path where sources share a sink, or give each sink its own", other, lane)
				continue
			}
			claims[claim] = lane
		}
	}
}

// distinct refuses lanes whose names are one where Kafka's transactions name them,
// with a dot in the place of the slash.
func (t *tree) distinct(sinks []Sink) {
	lanes := map[string]string{}
	for i, s := range sinks {
		if !allNames(append(s.Sources, s.Name)) {
			continue
		}
		for _, name := range s.Sources {
			lane := laneName(name, s.Name)
			id := strings.Replace(lane, "/", ".", 1)
			other, taken := lanes[id]
			t.check(!taken || other == lane, join(index("sinks", i), "name"), "lanes %s and %s would both be %s in Kafka; rename one", other, lane, id)
			lanes[id] = lane
		}
	}
}
