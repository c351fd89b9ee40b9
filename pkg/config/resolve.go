package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/internal/hostport"
	"github.com/sluice-siem/sluice/pkg/internal/nearest"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// Names become names of files, labels of metrics and ids of transactions.
var goodName = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,63}$`)

// leastPublishTimeout is the least time that a Publish to a healthy destination needs: a
// connection, a TLS handshake and an answer from far away.
const leastPublishTimeout = time.Second

// among looks up a word in a list of known ones. If it is unknown, that is a problem, and
// the result is the one that was probably meant, so that what depends on it is checked.
func among[T any](r *report, path, what, word string, all []T, name func(T) string) (found T, ok bool) {
	known := make([]string, len(all))
	for i, a := range all {
		known[i] = name(a)
	}
	i := slices.Index(known, word)
	if i >= 0 {
		return all[i], true
	}
	shown := slices.DeleteFunc(slices.Clone(known), func(k string) bool { return !goodName.MatchString(k) })
	meant := nearest.WordOrPart(word, shown)
	switch {
	case word == "":
		r.check(false, path, "missing; name the %s: %s", what, strings.Join(slices.Sorted(slices.Values(shown)), ", "))
	case meant != "":
		r.check(false, path, "unknown %s; did you mean %s?", what, meant)
		return all[slices.Index(known, meant)], true
	default:
		r.check(false, path, "unknown %s; %s", what, advice(word, shown))
	}
	return found, false
}

func itself(s string) string { return s }

// allNames reports whether the words are names, which messages may show.
func allNames(words []string) bool {
	return !slices.ContainsFunc(words, func(w string) bool { return !goodName.MatchString(w) })
}

// resolver makes a configuration of what one file holds. It first looks up what decides
// how a part is decoded, such as the type of a sink.
type resolver struct {
	report  *report
	decoder *decoder
	kinds   Kinds
	files   *SourceFiles // that sources names, once they are known
	trace   *Footprint   // of what is read
}

// config returns the configuration. It is valid only if there is no problem.
func (r *resolver) config(doc document) *Config {
	c := &Config{
		State:           r.state(doc.State),
		Admin:           r.admin(doc.Admin),
		Log:             r.log(doc.Log),
		Heartbeat:       r.heartbeat(doc.Heartbeat.Std()),
		ShutdownTimeout: doc.ShutdownTimeout.Std(),
		Memory:          doc.Memory.Bytes(),
	}
	r.report.check(!r.report.given("memory") || c.Memory >= LeastMemory, "memory", "is too little; write %s or more, such as 128MiB, or remove the key", setting.Size(LeastMemory))
	c.DeadLetters = r.deadLetters(doc.DeadLetters, c.State)
	c.Evidence, c.AuditEvery = r.evidence(doc.Evidence), r.audit(doc.Audit)
	nodes := r.sourceNodes(doc.Sources)
	c.Sources, c.SourceFiles = sources(nodes), r.files
	c.Own = own(r.kinds.Own)
	r.catalogues(c, nodes, doc.Catalogue)
	c.Sinks = r.sinks(doc.Sinks, c.Sources)
	r.unfollowed(c.Sources, nodes, c.Sinks)
	r.exclusive(c.Sinks)
	r.apartFromState(c)
	r.distinct(c.Sinks)
	return c
}

func (r *resolver) state(e stateEntry) State {
	path := "state"
	kind, ok := among(r.report, join(path, "type"), "type of state", e.Type, r.kinds.states(), itself)
	if !ok {
		r.decoder.scan(e.Settings)
		return State{}
	}
	path = join(path, "settings")
	if shared := r.kinds.state(kind); shared != nil {
		return State{Type: kind, Shared: r.settings(path, e.Settings, shared.Settings())}
	}
	s := defaultState
	r.decoder.fill(e.Settings, &s)
	r.report.check(s.Dir != "", join(path, "dir"), "is empty; write the directory to keep positions in")
	return State{Type: kind, Dir: s.Dir}
}

func (r *resolver) deadLetters(e deadLettersEntry, state State) DeadLetters {
	path := "dead_letters"
	if state.Shared != nil {
		r.report.check(!r.report.given(path), path, "applies to state.type file only; with %s, the state keeps dead letters; remove the key", state.Type)
		return DeadLetters{}
	}
	dir := filepath.Join(state.Dir, "dead-letters")
	if r.report.given(join(path, "dir")) {
		r.report.check(e.Dir != "", join(path, "dir"), "is empty; write a directory or remove the key")
		dir = e.Dir
	}
	r.report.check(e.MaxBytes > 0, join(path, "max_bytes"), "is 0; write a size such as 1GiB")
	return DeadLetters{Dir: dir, MaxBytes: e.MaxBytes.Bytes()}
}

func (r *resolver) admin(e adminEntry) Admin {
	a := r.adminServer(e.Server)
	a.Token = e.Token
	err := e.Token.CheckToken()
	if token, missing := e.Token.Value(); err == nil && missing == nil && len(token) < setting.LeastToken {
		err = fmt.Errorf("has fewer than %d characters, so it could be guessed; write a random one, such as openssl rand -hex 16 prints", setting.LeastToken)
	}
	r.report.judged("admin", setting.Invalid("token", err))
	return a
}

func (r *resolver) adminServer(e adminServer) Admin {
	_, port, err := hostport.Split(e.Listen)
	if err == nil && port == "" {
		err = errors.New("has no port")
	}
	r.report.check(err == nil, "admin.listen", "%v; write host:port, such as 127.0.0.1:9876", err)
	for i, host := range e.Hosts {
		// A Host header with a port, a scheme or a pattern never equals one of these.
		r.report.check(host != "" && !strings.ContainsAny(host, ":/*@ "), "admin.hosts["+strconv.Itoa(i)+"]",
			"is not a name; write one without scheme and port, such as sluice.example.com")
	}
	if e.TLS != nil {
		r.report.validate("admin.tls", reflect.ValueOf(e.TLS).Elem())
	}
	return Admin{Listen: e.Listen, Hosts: e.Hosts, TLS: e.TLS}
}

func (r *resolver) log(e logEntry) Log {
	levels := []zerolog.Level{zerolog.TraceLevel, zerolog.DebugLevel, zerolog.InfoLevel, zerolog.WarnLevel, zerolog.ErrorLevel}
	level, _ := among(r.report, "log.level", "level", e.Level, levels, zerolog.Level.String)
	among(r.report, "log.format", "format", e.Format, []string{"auto", "console", "json"}, itself)
	return Log{Level: level, Format: e.Format}
}

func (r *resolver) sinks(entries []deferred, sources []Source) []Sink {
	r.report.check(len(entries) > 0, "sinks", "missing; write at least one sink")
	var sinks []Sink
	seen := map[string]spot{}
	for _, d := range entries {
		e := defaultSink
		if i := slices.IndexFunc(r.kinds.Sinks, func(k sink.Type) bool { return k.Name == typeOf(d.node) }); i >= 0 {
			r.decoder.settings[d.path] = r.kinds.Sinks[i].Settings()
		}
		r.decoder.fill(d, &e)
		r.name(d.path, "sink", e.Name, seen)
		sinks = append(sinks, r.sink(d.path, e, sources))
	}
	return sinks
}

func (r *resolver) sink(path string, e sinkEntry, sources []Source) Sink {
	s := Sink{
		Name:           e.Name,
		Sources:        r.follows(join(path, "sources"), e.Sources, sources),
		OwnEvents:      e.OwnEvents,
		Start:          r.start(join(path, "start"), e.Start),
		Original:       e.Original,
		Prepare:        e.Prepare,
		PublishTimeout: e.PublishTimeout.Std(),
		MaxRejects:     e.MaxRejects,
		EnrichAt:       r.report.where(join(path, "enrich")),
		Evidence:       e.Evidence,
	}
	r.report.check(s.PublishTimeout >= leastPublishTimeout, join(path, "publish_timeout"), "is less than %s, so most Publishes would be abandoned; write a duration such as 1m", leastPublishTimeout)
	r.report.check(s.MaxRejects > 0, join(path, "max_rejects"), "is %d; write a whole number of 1 or more", s.MaxRejects)
	s.BeyondWindow, _ = among(r.report, join(path, "beyond_window"), "choice", e.BeyondWindow, []string{SendBeyondWindow, BuryBeyondWindow}, itself)
	r.report.validate(path, reflect.ValueOf(&s.Prepare).Elem())
	if r.onlyOwn(path, e.OwnEvents); e.OwnEvents == OnlyOwnEvents {
		s.Sources = nil
	}
	r.about(path, e, &s, sources)
	var ok bool
	s.Type, ok = among(r.report, join(path, "type"), "type of sink", e.Type, r.kinds.Sinks, func(k sink.Type) string { return k.Name })
	if ok {
		s.Settings = r.settings(join(path, "settings"), e.Settings, s.Type.Settings())
		r.preferences(path, &s, &e)
	} else {
		r.decoder.scan(e.Settings)
	}
	s.Format, ok = among(r.report, join(path, "format"), "format", e.Format, r.kinds.Formats, func(f transform.Format) string { return f.Name })
	if ok {
		if needs, says := s.Settings.(sink.NeedsJSON); says && !s.Format.JSON() {
			r.report.reject(join(path, "format"), "%s is no JSON; %s", s.Format.Name, needs.NeedsJSON())
		}
		s.FormatSettings = r.settings(join(path, "format_settings"), e.FormatSettings, s.Format.Settings())
	} else {
		r.decoder.scan(e.FormatSettings)
	}
	return s
}

// preferences sets what the type of a sink prefers and the file does not say.
func (r *resolver) preferences(path string, s *Sink, e *sinkEntry) {
	if _, without := s.Settings.(sink.WithoutOriginal); without && !r.report.given(join(path, "original")) {
		s.Original = false
	}
	if d, has := s.Settings.(sink.DefaultFormat); has && !r.report.given(join(path, "format")) {
		e.Format = d.DefaultFormat()
	}
	if _, without := s.Settings.(sink.WithoutEvidence); without && !r.report.given(join(path, "evidence")) {
		s.Evidence = false
	}
}

// about reads where, enrich and redact of a sink, whose words are those of the products
// it follows. If several products lack a word, it reports only the first.
func (r *resolver) about(path string, e sinkEntry, s *Sink, sources []Source) {
	reported := false
	done := map[string]bool{"": true} // by type, since a type has one product
	for _, src := range sources {
		if done[src.Type.Name] || !slices.Contains(s.Sources, src.Name) {
			continue
		}
		done[src.Type.Name] = true
		product := src.Type.Product
		if !r.report.unavailable(join(path, "where")) {
			s.Prepare.For(&product)
			r.decoder.fill(e.Where, &s.Prepare.Where)
		}
		if unknown := s.Prepare.Unknown(&product); !reported {
			reported = len(unknown) > 0
			for _, err := range unknown {
				r.report.judged(path, err)
			}
		}
	}
}

// settings decodes a node over a type's defaults and validates the result.
func (r *resolver) settings(path string, d deferred, settings any) any {
	r.decoder.fill(d, settings)
	slots := slotsOf(reflect.ValueOf(settings).Elem())
	for _, key := range r.decoder.misplaced[path] {
		if secret, isSecret := secretIn(slots[key]); isSecret {
			*secret = unreadable
		}
	}
	r.report.validate(path, reflect.ValueOf(settings).Elem())
	r.report.required(path, reflect.ValueOf(settings).Elem())
	return settings
}

// follows returns the sources of a sink: all of them unless it names some.
func (r *resolver) follows(path string, names *[]string, sources []Source) []string {
	known := make([]string, len(sources))
	for i, s := range sources {
		known[i] = s.Name
	}
	if names == nil {
		return known
	}
	if slices.Contains(known, "") {
		return *names // it may mean a source whose name could not be decoded
	}
	r.report.check(len(*names) > 0, path, "is empty; name a source, or remove the key to follow all")
	for i, name := range *names {
		p := index(path, i)
		if !r.report.check(name != r.kinds.Own.Name || name == "", p, "is Sluice's own log, which own_events decides about; remove the name") {
			continue
		}
		if _, ok := among(r.report, p, "source", name, known, itself); ok {
			r.report.check(!slices.Contains((*names)[:i], name), p, "is named twice; remove one of them")
		}
	}
	return *names
}

func (r *resolver) start(path, text string) source.Start {
	switch text {
	case "beginning":
		return source.Start{}
	case "now":
		return source.Start{Now: true}
	}
	since, err := time.Parse(time.RFC3339, text)
	r.report.check(err == nil, path, "is not a start; write beginning, now or a time with its zone, such as 2026-01-31T00:00:00Z")
	r.report.check(!since.After(time.Now().Add(time.Minute)), path, "is in the future; write beginning, now or a time that has passed")
	return source.Start{Since: since}
}

// exclusive refuses two lanes that would write to the same place. It ignores settings
// that have another problem.
func (r *resolver) exclusive(sinks []Sink) {
	claims := map[string]string{}
	for i, s := range sinks {
		path := join(index("sinks", i), "settings")
		settings, ok := s.Settings.(sink.Exclusive)
		if !ok || !r.report.sound(path) || !allNames(append(r.sourcesOf(s), s.Name)) {
			continue
		}
		for _, name := range r.sourcesOf(s) {
			claim, lane := settings.Exclusive(name), laneName(name, s.Name)
			if claim == "" || !r.report.sound(path) { // One problem of the path is enough.
				continue
			}
			if other, taken := claims[claim]; taken {
				r.report.check(other == lane, path, "lanes %s and %s would write to the same place; put {source} in the path if sources share a sink, or give each sink a path of its own", other, lane)
				continue
			}
			claims[claim] = lane
		}
	}
}
