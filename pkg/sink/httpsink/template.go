package httpsink

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/rawjson"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/internal/posting"
)

// event is what a template sees of a record.
//
// Texts are already escaped for a JSON string when a template gets them, so that no function
// or verb can print them in another way: hostile text stays within the quotes that the
// template has around it.
type event struct {
	record *sink.Record
	body   map[string]any // decoded when a template first asks for a field
	broken bool           // the body is no JSON object
}

func escaped(text string) string { return string(rawjson.AppendEscaped(nil, text)) }

// What a template can print. Body is a JSON value by itself, without quotes around it: the
// record, or a string that holds it if it is no JSON object. The others belong in quotes.

func (e *event) ID() string           { return escaped(e.record.ID) }
func (e *event) Organization() string { return escaped(e.record.Organization) }
func (e *event) Action() string       { return escaped(e.record.Action) }
func (e *event) Format() string       { return escaped(e.record.Format) }
func (e *event) Time() string         { return e.record.Time.UTC().Format(time.RFC3339Nano) }
func (e *event) UnixMilli() int64     { return e.record.Time.UnixMilli() }
func (e *event) Severity() int        { return e.record.Severity }
func (e *event) Late() bool           { return e.record.Late }
func (e *event) Replayed() bool       { return e.record.Replayed }
func (e *event) Epoch() uint64        { return e.record.Epoch }
func (e *event) Sequence() uint64     { return e.record.Sequence }
func (e *event) Body() string         { return string(oneLine(posting.AppendBody(nil, e.record))) }
func (e *event) Text() string         { return escaped(string(e.record.Body)) }

// oneLine makes blanks of line ends, which mean the same between the parts of a JSON value. A
// server that takes a line for a record reads one.
func oneLine(value []byte) []byte {
	for i, c := range value {
		if c == '\n' || c == '\r' {
			value[i] = ' '
		}
	}
	return value
}

// Field returns a field of a JSON record, such as user.name: its text, or any other value as
// JSON. It returns nothing if there is no such field.
func (e *event) Field(path string) string {
	if e.body == nil && !e.broken {
		d := json.NewDecoder(bytes.NewReader(e.record.Body))
		d.UseNumber()
		e.broken = d.Decode(&e.body) != nil
	}
	switch value := find(e.body, path).(type) {
	case nil:
		return ""
	case string:
		return escaped(value)
	default:
		text, err := json.Marshal(value)
		if err != nil {
			return ""
		}
		return escaped(string(text))
	}
}

// find returns the value at a path. A key may have full stops in it.
func find(object map[string]any, path string) any {
	if value, ok := object[path]; ok {
		return value
	}
	for end, c := range path {
		if c != '.' {
			continue
		}
		if inner, ok := object[path[:end]].(map[string]any); ok {
			if value := find(inner, path[end+1:]); value != nil {
				return value
			}
		}
	}
	return nil
}

// functions are those that a template may call. The others of package template could cut an
// escape in two, or write it in another form.
var functions = []string{"and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge"}

// parseTemplate reads a template and tries it. With asJSON what it writes must be JSON.
func parseTemplate(text string, asJSON bool) (*template.Template, error) {
	t, err := template.New("").Parse(text)
	if err != nil {
		return nil, plainer(err)
	}
	for _, part := range t.Templates() {
		if err := checkNodes(part.Tree, part.Root); err != nil {
			return nil, err
		}
	}
	for _, r := range samples() {
		if _, err := render(t, asJSON, nil, r); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// checkNodes refuses functions that are not in functions.
func checkNodes(tree *parse.Tree, node parse.Node) error {
	var refused error
	visit(node, func(n parse.Node) {
		name, is := n.(*parse.IdentifierNode)
		if is && refused == nil && !slices.Contains(functions, name.Ident) {
			at, _ := tree.ErrorContext(n)
			refused = fmt.Errorf("line %s: the function %s could break the escapes of a text; write one of %s, or none", lineOf(at), name.Ident, strings.Join(functions, ", "))
		}
	})
	return refused
}

// lineOf returns the line of a place that package template names: name:line:column.
func lineOf(at string) string {
	parts := strings.Split(at, ":")
	if len(parts) < 2 {
		return "1"
	}
	return parts[1]
}

// visit calls f for a node and those within it.
func visit(n parse.Node, f func(parse.Node)) {
	all := func(list ...parse.Node) {
		for _, n := range list {
			visit(n, f)
		}
	}
	branch := func(b *parse.BranchNode) {
		all(b.Pipe, b.List)
		if b.ElseList != nil {
			all(b.ElseList)
		}
	}
	f(n)
	switch n := n.(type) {
	case *parse.ListNode:
		all(n.Nodes...)
	case *parse.ActionNode:
		all(n.Pipe)
	case *parse.PipeNode:
		for _, c := range n.Cmds {
			all(c)
		}
	case *parse.CommandNode:
		all(n.Args...)
	case *parse.ChainNode:
		all(n.Node)
	case *parse.IfNode:
		branch(&n.BranchNode)
	case *parse.RangeNode:
		branch(&n.BranchNode)
	case *parse.WithNode:
		branch(&n.BranchNode)
	case *parse.TemplateNode:
		if n.Pipe != nil {
			all(n.Pipe)
		}
	}
}

// plainer says where a template is wrong, in words of the settings.
func plainer(err error) error {
	text := strings.TrimPrefix(err.Error(), "template: ")
	_, rest, found := strings.Cut(text, ":")
	line, what, ok := strings.Cut(rest, ":")
	if _, bad := strconv.Atoi(line); !found || !ok || bad != nil {
		return fmt.Errorf("%s; see docs/http.md for what a template can have", text)
	}
	if column, after, is := strings.Cut(what, ":"); is {
		if _, bad := strconv.Atoi(column); bad == nil {
			what = after
		}
	}
	what = strings.TrimSpace(what)
	if _, name, is := strings.Cut(what, "can't evaluate field "); is {
		name, _, _ = strings.Cut(name, " ")
		what = "an event has no " + name
	}
	return fmt.Errorf("line %s: %s; see docs/http.md for what a template can have", line, strings.ReplaceAll(what, `"`, "'"))
}

var errNoJSON = errors.New("what the template writes is not JSON; put each text in quotes and {{.Body}} in none, or write content_type: text/plain")

// render appends what a template writes for a record.
func render(t *template.Template, asJSON bool, dst []byte, r *sink.Record) ([]byte, error) {
	out := bytes.NewBuffer(dst)
	if err := t.Execute(out, &event{record: r}); err != nil {
		return dst, plainer(err)
	}
	if asJSON && !json.Valid(out.Bytes()[len(dst):]) {
		return dst, errNoJSON
	}
	return out.Bytes(), nil
}

// samples are records with which a template is tried: one with hostile text in every field,
// one of text, and one with nothing.
func samples() []*sink.Record {
	const hostile = "\\\"},{\"forged\":\"\n\u2028\xff"
	fields := map[string]any{}
	for _, name := range []string{"event", "user", "source", "message"} {
		fields[name] = map[string]any{"action": hostile, "name": hostile}
	}
	body, err := json.Marshal(fields)
	if err != nil {
		panic(err) // of texts
	}
	full := sink.Record{ID: hostile, Organization: hostile, Action: hostile, Format: "ecs", MediaType: "application/json", Time: time.Unix(1_772_600_767, 123_000_000), Severity: 10, Late: true, Replayed: true, Object: true, Body: body}
	text := full
	text.MediaType, text.Object, text.Body = "text/plain", false, []byte(hostile)
	return []*sink.Record{&full, &text, {MediaType: "application/json", Object: true, Body: []byte("{}")}}
}
