package console

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/glyph"
)

//go:embed template
var templateFiles embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"asset":    assetPath,
	"count":    func(n any) string { return anyDigits(n) },
	"duration": duration,
	"rate":     rate,
	"size":     size,
	"lanes":    lanes,
	"full":     full,
	"short":    short,
	"machine":  machine,
	"severity": severity,
	"risky":    risky,
	"visible":  glyph.Visible,
	"clock":    func(t time.Time) string { return t.UTC().Format("15:04:05") },
	"day":      func(t time.Time) string { return t.UTC().Format("2 Jan") },
	"minute":   minute,
	// The heat map names every sixth hour.
	"everySixth": func(hour int) bool { return hour%6 == 0 },
}).ParseFS(templateFiles, "template/*.html"))

func assetPath(name string) (string, error) {
	if path, ok := assetNames[name]; ok {
		return path, nil
	}
	return "", fmt.Errorf("no asset %s", name)
}

func anyDigits(n any) string {
	switch n := n.(type) {
	case int:
		return digits(n)
	case uint64:
		return digits(n)
	}
	return fmt.Sprint(n)
}

// fragment is a part of a page that the script can replace alone. Its template makes one
// element, which has the attributes of Root.
type fragment struct {
	id       string
	template string
	data     any
	parts    []fragment // replaced alone, too, while their ids and order stay
}

// rendered is a fragment as HTML. Its hash changes with its own content, and with the ids
// of its parts, but not with their content.
type rendered struct {
	id, hash string
	html     []byte
	parts    []rendered
}

// root is what the template of a fragment gets.
type root struct {
	Root  template.HTMLAttr // its id and its hash
	Data  any
	Parts []template.HTML
}

// unhashed stands for the hash, which is not known before the fragment is rendered, and
// for the place of a part. Templates replace NUL in every text, so no text looks like it.
const unhashed = "\x00"

func (f fragment) render() (rendered, error) {
	r := rendered{id: f.id}
	data := root{Root: template.HTMLAttr(fmt.Sprintf(`id="%s" data-hash="%s"`, template.HTMLEscapeString(f.id), unhashed)), Data: f.data}
	ids := make([]string, 0, len(f.parts)+1)
	for _, part := range f.parts {
		p, err := part.render()
		if err != nil {
			return rendered{}, err
		}
		r.parts = append(r.parts, p)
		ids = append(ids, p.id)
		data.Parts = append(data.Parts, unhashed)
	}
	var body bytes.Buffer
	if err := templates.ExecuteTemplate(&body, f.template, data); err != nil {
		return rendered{}, err
	}
	pieces := strings.Split(body.String(), unhashed)
	if len(pieces) != len(r.parts)+2 {
		return rendered{}, fmt.Errorf("template %s leaves out a part", f.template)
	}
	r.hash = hash(append(ids, body.String())...)
	r.html = append(r.html, pieces[0]...)
	r.html = append(append(r.html, r.hash...), pieces[1]...)
	for i, p := range r.parts {
		r.html = append(append(r.html, p.html...), pieces[i+2]...)
	}
	return r, nil
}

// changed appends the fragments whose hashes are not in have, each with all its parts.
func (r rendered) changed(to []rendered, have map[string]bool) []rendered {
	if !have[r.hash] {
		return append(to, r)
	}
	for _, p := range r.parts {
		to = p.changed(to, have)
	}
	return to
}

// hashes adds the hashes of a fragment and its parts.
func (r rendered) hashes(to map[string]bool) {
	to[r.hash] = true
	for _, p := range r.parts {
		p.hashes(to)
	}
}
