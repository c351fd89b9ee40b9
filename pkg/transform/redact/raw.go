package redact

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"unsafe"

	"github.com/sluice-siem/sluice/pkg/internal/rawjson"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// node decides how a value of the raw event, and the values in it, are redacted.
type node struct {
	key      string
	rule     *rule // how it is redacted, nil if it is not
	kept     bool  // it is never redacted
	own      bool  // its keys are the product's own, as those of the whole event are
	children []*node
	next     int // index of the child that is tried first for the next key
}

// rawOf returns the nodes of a product's raw event. They redact nothing.
func rawOf(p *source.Product) node {
	root, kept := node{}, keptOf(p)
	keys := append(slices.Clone(kept), p.Keys.Metadata)
	for _, f := range fieldsOf(p) {
		keys = append(keys, f.keys)
	}
	for i, key := range keys {
		if key == "" {
			continue
		}
		path := strings.Split(key, ".")
		root.at(path).kept = i < len(kept)
		for n := 1; n < len(path); n++ {
			root.at(path[:n]).own = true
		}
	}
	return root
}

// at returns the node with a path of keys, and makes it if it does not exist.
func (n *node) at(keys []string) *node {
	for _, key := range keys {
		next := n.child(key)
		if next == nil {
			next = &node{key: key}
			n.children = append(n.children, next)
		}
		n = next
	}
	return n
}

// child returns the node of a key, or nil. Successive events have their keys in the same
// order, so the nodes are put in that order.
func (n *node) child(key string) *node {
	for i, c := range n.children[n.next:] {
		if c.key == key {
			n.children[n.next], n.children[n.next+i] = c, n.children[n.next]
			n.next++
			return c
		}
	}
	for i, c := range n.children[:n.next] {
		if c.key == key {
			n.next = i + 1
			return c
		}
	}
	return nil
}

// leads reports whether anything is redacted at or below n.
func (n *node) leads() bool { return n != nil && (n.rule != nil || len(n.children) > 0) }

// redactRaw gives the copy its raw event and metadata.
func (r *Redactor) redactRaw(e *source.Event) {
	if !isObject(e) {
		r.event.Raw, r.event.Metadata = append(transform.AppendJSON([]byte(r.withheld[0]), e.ID), r.withheld[1]...), nil
		return
	}
	w := rewriter{Redactor: r, in: e.Raw, plain: rawjson.Plain(e.Raw)}
	w.out = r.buffer(len(e.Raw) + len(e.Raw)/8 + 64)
	w.value(rawjson.Space(e.Raw, 0), &r.root, false)
	r.event.Raw = r.complete(append(w.out, e.Raw[w.from:]...))
	if e.Metadata == nil {
		return
	}
	r.event.Metadata = r.event.Raw[w.metadata[0]:w.metadata[1]:w.metadata[1]]
	if string(r.event.Metadata) == "null" {
		r.event.Metadata = nil
	}
}

// block is how many bytes are allocated for raw copies at once.
const block = 32 << 10

// buffer returns an empty buffer for a raw copy of about that size.
func (r *Redactor) buffer(size int) []byte {
	if cap(r.rest) < size {
		r.rest = make([]byte, 0, max(size, block))
	}
	return r.rest
}

// complete ends a copy in the buffer. The next copy gets the rest of the buffer. The bytes
// of a copy are never reused, since a lane may hold it for any time.
func (r *Redactor) complete(raw []byte) []byte {
	if len(raw) <= cap(r.rest) { // Otherwise it outgrew the buffer and has memory of its own.
		r.rest = r.rest[len(raw):len(raw):cap(r.rest)]
	}
	return slices.Clip(raw)
}

// isObject reports whether the raw event is a JSON object. By the contract of a source, an
// event without a Problem is one.
func isObject(e *source.Event) bool {
	return e.Problem == "" || bytes.HasPrefix(bytes.TrimLeft(e.Raw, " \t\r\n"), []byte("{")) && json.Valid(e.Raw)
}

// around returns the text before and after the id in the copy of an event that is
// withheld.
func around(keys string) (text [2]string) {
	path := strings.Split(cmp.Or(keys, "id"), ".")
	for _, key := range path {
		text[0] += "{" + string(transform.AppendJSON(nil, key)) + ":"
	}
	text[1] = strings.Repeat("}", len(path)-1) + `,"withheld":"The event could not be read, so nothing in it could be redacted."}`
	return text
}

// seekIn collects the values to search for from the value of metadata at i, and returns its
// end.
func (r *Redactor) seekIn(text []byte, i int, n *node) (end int) {
	switch {
	case n == nil || i >= len(text) || n.rule == nil && text[i] != '{' && text[i] != '[':
		return rawjson.Value(text, i)
	case n.rule != nil:
		end = rawjson.Value(text, i)
		r.seekValue(text[i:end], n.rule)
		return end
	case text[i] == '[':
		i = rawjson.Space(text, i+1)
		for more := i < len(text) && text[i] != ']'; more; {
			if i, more = rawjson.Next(text, r.seekIn(text, i, n)); !more {
				return i
			}
		}
		return min(i+1, len(text))
	}
	i++
	for more := true; more; {
		key, value, ok := rawjson.Member(text, i)
		if !ok {
			return min(value+1, len(text))
		}
		i, more = rawjson.Next(text, r.seekIn(text, value, n.child(rawjson.Text(key))))
	}
	return i
}

// seekValue adds a text, or a number that is long enough to be distinct.
func (r *Redactor) seekValue(value []byte, how *rule) {
	switch c := value[0]; {
	case c == '"':
		r.seek(rawjson.Text(value), how)
	case isNumber(c) && len(value) >= minWithin:
		r.seek(unsafe.String(&value[0], len(value)), how)
	}
}

// isNumber tells a number by its first byte from true, false and null.
func isNumber(first byte) bool { return first == '-' || '0' <= first && first <= '9' }
