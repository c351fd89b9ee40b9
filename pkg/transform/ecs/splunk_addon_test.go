package ecs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"
)

// addon is what Splunk applies to an event when it searches. It has only the parts of an
// add-on that this project uses, and of their languages only what it uses.
type addon struct {
	aliases    map[string]string // from the new name of a field to its own
	evals      map[string]*vm.Program
	eventtypes map[string]map[string]string // from a name to the values that fields must have
	tags       map[string][]string          // by event type
	named      []string                     // the fields that all these read
}

// searched is an event as a search sees it: its fields and its tags.
type searched struct {
	fields map[string][]string
	tags   []string
}

func (s searched) value(field string) string { return strings.Join(s.fields[field], ",") }

// conf is a configuration file: stanza, setting, value.
type conf map[string]map[string]string

func readConf(t *testing.T, name string) conf {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../../configs/splunk/TA-sluice", name))
	if err != nil {
		t.Fatal(err)
	}
	c, stanza := conf{}, ""
	for line := range strings.Lines(strings.ReplaceAll(string(text), "\\\n", "")) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if line[0] == '[' {
			stanza = strings.Trim(line, "[]")
			c[stanza] = map[string]string{}
			continue
		}
		setting, value, ok := strings.Cut(line, "=")
		setting, value = strings.TrimSpace(setting), strings.TrimSpace(value)
		if _, twice := c[stanza][setting]; !ok || twice || strings.HasSuffix(value, `\`) {
			t.Fatalf("%s: %q is not a setting, or occurs twice", name, line)
		}
		c[stanza][setting] = value
	}
	return c
}

func readAddon(t *testing.T) addon {
	t.Helper()
	a := addon{
		aliases: map[string]string{}, evals: map[string]*vm.Program{},
		eventtypes: map[string]map[string]string{}, tags: map[string][]string{},
	}
	for setting, value := range readConf(t, "default/props.conf")["planetscale:audit"] {
		if name, ok := strings.CutPrefix(setting, "EVAL-"); ok {
			a.eval(t, name, value)
		}
		if strings.HasPrefix(setting, "FIELDALIAS-") {
			a.alias(t, value)
		}
	}
	for name, settings := range readConf(t, "default/eventtypes.conf") {
		a.eventtype(t, name, settings["search"])
	}
	for stanza, settings := range readConf(t, "default/tags.conf") {
		name, ok := strings.CutPrefix(stanza, "eventtype=")
		if !ok || a.eventtypes[name] == nil {
			t.Fatalf("tags.conf: [%s] is not about an event type", stanza)
		}
		for tag := range settings {
			a.tags[name] = append(a.tags[name], tag)
		}
	}
	return a
}

func (a *addon) alias(t *testing.T, text string) {
	t.Helper()
	pair := regexp.MustCompile(`^"([^"]+)" AS (\w+)\s*`)
	for text != "" {
		m := pair.FindStringSubmatch(text)
		if m == nil || a.aliases[m[2]] != "" {
			t.Fatalf("FIELDALIAS: %q is not an alias, or occurs twice", text)
		}
		a.aliases[m[2]] = m[1]
		a.named = append(a.named, m[1])
		text = text[len(m[0]):]
	}
}

func (a *addon) eventtype(t *testing.T, name, search string) {
	t.Helper()
	a.eventtypes[name] = map[string]string{}
	for term := range strings.FieldsSeq(search) {
		field, value, ok := strings.Cut(term, "=")
		if !ok {
			t.Fatalf("eventtypes.conf: %s: %q is not a field with a value", name, term)
		}
		a.eventtypes[name][field] = strings.Trim(value, `"`)
		if a.evals[field] == nil && field != "sourcetype" {
			a.named = append(a.named, field)
		}
	}
}

// eval compiles a calculated field. It translates Splunk's expressions into those of
// package expr, which name fields differently, and have other functions and some other
// operators.
func (a *addon) eval(t *testing.T, name, text string) {
	t.Helper()
	token := regexp.MustCompile(`^(?:'[^']*'|"(?:[^"\\]|\\.)*"|\w+|[=(),]|\s+)`)
	var translated strings.Builder
	for rest := text; rest != ""; {
		word := token.FindString(rest)
		if word == "" {
			t.Fatalf("EVAL-%s: this test does not know %q", name, rest)
		}
		rest = rest[len(word):]
		switch {
		case word[0] == '\'':
			a.named = append(a.named, strings.Trim(word, "'"))
			word = "field(" + strconv.Quote(strings.Trim(word, "'")) + ")"
		case word[0] == '"':
			word = strconv.Quote(word[1 : len(word)-1])
		case word == "=":
			word = "=="
		case word == "AND" || word == "NOT":
			word = strings.ToLower(word)
		case strings.HasPrefix(rest, "("):
			word = "splunk_" + word
		}
		translated.WriteString(word)
	}
	program, err := expr.Compile(translated.String(), append(functions(), expr.Env(environment{}))...)
	if err != nil {
		t.Fatalf("EVAL-%s: %v", name, err)
	}
	a.evals[name] = program
}

type environment struct {
	Field func(name string) any `expr:"field"`
}

// functions returns functions of Splunk's Search Reference, "Evaluation functions".
func functions() []expr.Option {
	var options []expr.Option
	for name, f := range map[string]func(args []any) any{
		"null":      func([]any) any { return nil },
		"true":      func([]any) any { return true },
		"isnull":    func(args []any) any { return args[0] == nil },
		"isnotnull": func(args []any) any { return args[0] != nil },
		"coalesce":  coalesce,
		"if": func(args []any) any {
			if args[0] == true {
				return args[1]
			}
			return args[2]
		},
		"case": func(args []any) any {
			for i := 0; i < len(args); i += 2 {
				if args[i] == true {
					return args[i+1]
				}
			}
			return nil
		},
		"match": func(args []any) any {
			return args[0] != nil && regexp.MustCompile(args[1].(string)).MatchString(args[0].(string))
		},
		"replace": func(args []any) any {
			if args[0] == nil {
				return nil
			}
			return regexp.MustCompile(args[1].(string)).ReplaceAllString(args[0].(string), args[2].(string))
		},
		"mvfind": mvfind,
	} {
		options = append(options, expr.Function("splunk_"+name, func(args ...any) (any, error) { return f(args), nil }))
	}
	return options
}

func coalesce(args []any) any {
	for _, arg := range args {
		if arg != nil {
			return arg
		}
	}
	return nil
}

// mvfind returns the index of the first value that matches. A field with one value is
// that value.
func mvfind(args []any) any {
	values, many := args[0].([]string)
	if one, ok := args[0].(string); ok && !many {
		values = []string{one}
	}
	pattern := regexp.MustCompile(args[1].(string))
	if i := slices.IndexFunc(values, pattern.MatchString); i >= 0 {
		return i
	}
	return nil
}

// search applies the add-on to a record as Splunk does. Aliases apply to the fields of
// the record, and calculated fields to both, but not to each other. Event types and tags
// follow.
func (a addon) search(t *testing.T, d document) searched {
	t.Helper()
	fields := extracted(d)
	for made, original := range a.aliases {
		if values := fields[original]; values != nil {
			fields[made] = values
		}
	}
	env := environment{func(name string) any {
		switch values := fields[name]; len(values) {
		case 0:
			return nil
		case 1:
			return values[0]
		default:
			return values
		}
	}}
	calculated := map[string]string{}
	for name, program := range a.evals {
		v, err := expr.Run(program, env)
		if err != nil {
			t.Fatalf("EVAL-%s: %v", name, err)
		}
		if v != nil {
			calculated[name] = v.(string)
		}
	}
	for name, value := range calculated {
		fields[name] = []string{value}
	}
	return searched{fields, a.tagged(fields)}
}

// extracted returns the fields that KV_MODE = json finds.
func extracted(d document) map[string][]string {
	fields := map[string][]string{"sourcetype": {"planetscale:audit"}}
	for path, v := range d {
		elements, isArray := v.([]any)
		if !isArray {
			fields[path] = []string{fmt.Sprint(v)}
		}
		for _, element := range elements {
			fields[path+"{}"] = append(fields[path+"{}"], fmt.Sprint(element))
		}
	}
	return fields
}

func (a addon) tagged(fields map[string][]string) []string {
	var tags []string
	for name, terms := range a.eventtypes {
		holds := true
		for field, value := range terms {
			values := fields[field]
			holds = holds && len(values) > 0 && (value == "*" || slices.Contains(values, value))
		}
		if holds {
			tags = append(tags, a.tags[name]...)
		}
	}
	slices.Sort(tags)
	return tags
}
