package redact

import (
	"bytes"
	"encoding/json"
	"unsafe"

	"github.com/sluice-siem/sluice/pkg/internal/rawjson"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// node says what becomes of a value of the raw event and of those in it.
type node struct {
	key      string
	rule     *rule // how it is redacted, nil if it is not
	kept     bool  // it is never redacted
	children []*node
}

// raw is an event of the API of which nothing is redacted.
func raw() node {
	root := node{}
	for _, key := range kept {
		root.at([]string{key}).kept = true
	}
	root.at([]string{"metadata"})
	return root
}

// at finds a node by the keys that lead to it, and makes it if need be.
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

func (n *node) child(key string) *node {
	if n == nil {
		return nil
	}
	for _, c := range n.children {
		if c.key == key {
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
		r.event.Raw, r.event.Metadata = withheld(e), nil
		return
	}
	w := rewriter{Redactor: r, in: e.Raw, plain: rawjson.Plain(e.Raw)}
	w.out = make([]byte, 0, len(e.Raw)+len(e.Raw)/8+64)
	w.value(rawjson.Space(e.Raw, 0), &r.root, false)
	r.event.Raw = append(w.out, e.Raw[w.from:]...)
	if e.Metadata == nil {
		return
	}
	r.event.Metadata = r.event.Raw[w.metadata[0]:w.metadata[1]:w.metadata[1]]
	if string(r.event.Metadata) == "null" {
		r.event.Metadata = nil
	}
}

// isObject reports whether the raw event can be read: by the contract of a source
// if there is no problem with it.
func isObject(e *source.Event) bool {
	return e.Problem == "" || bytes.HasPrefix(bytes.TrimLeft(e.Raw, " \t\r\n"), []byte("{")) && json.Valid(e.Raw)
}

// withheld stands for a raw event in which nothing can be found.
func withheld(e *source.Event) []byte {
	out := transform.AppendJSON([]byte(`{"id":`), e.ID)
	return append(out, `,"withheld":"The event could not be read, so nothing in it could be redacted."}`...)
}

// seekIn gathers the values under n of a value in metadata.
func (r *Redactor) seekIn(text []byte, i int, n *node) (end int) {
	i = rawjson.Space(text, i)
	end = rawjson.Value(text, i)
	if i == end || n == nil {
		return end
	}
	switch c := text[i]; {
	case n.rule != nil:
		r.seekValue(text[i:end], n.rule)
	case c == '{':
		i++
		for more := true; more; {
			key, value, ok := rawjson.Member(text, i)
			if !ok {
				break
			}
			i, more = rawjson.Next(text, r.seekIn(text, value, n.child(meaning(key))))
		}
	case c == '[':
		i = rawjson.Space(text, i+1)
		for more := i < len(text) && text[i] != ']'; more; {
			i, more = rawjson.Next(text, r.seekIn(text, i, n))
		}
	}
	return end
}

// seekValue adds a text, or a number that can be told from others.
func (r *Redactor) seekValue(value []byte, how *rule) {
	switch c := value[0]; {
	case c == '"':
		r.seek(meaning(value), how)
	case isNumber(c) && len(value) >= minWithin:
		r.seek(unsafe.String(&value[0], len(value)), how)
	}
}

// meaning is what a string means, in the event's own memory where it can be.
func meaning(quoted []byte) string {
	if rawjson.Plain(quoted) {
		return unsafe.String(&quoted[0], len(quoted))[1 : len(quoted)-1]
	}
	return string(rawjson.Unquote(nil, quoted))
}

// isNumber tells a number by its first byte from true, false and null.
func isNumber(first byte) bool { return first == '-' || '0' <= first && first <= '9' }
