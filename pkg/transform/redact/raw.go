package redact

import (
	"bytes"
	"encoding/json"
	"slices"
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
	next     int // where among children the next key is looked for first
}

// keys are those of an event in the order in which the API lists them.
var keys = []string{
	"id", "type", "actor_id", "actor_type", "auditable_id", "auditable_type", "target_id", "target_type", "location",
	"target_display_name", "audit_action", "action", "actor_display_name", "auditable_display_name", "remote_ip",
	"created_at", "updated_at", "metadata",
}

// raw is an event of the API of which nothing is redacted.
func raw() node {
	root := node{}
	for _, key := range keys {
		root.at([]string{key}).kept = slices.Contains(kept, key)
	}
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

// child finds the node of a key, nil if there is none. The keys of one event come
// in the order of those of the event before.
func (n *node) child(key string) *node {
	for range n.children {
		if n.next >= len(n.children) {
			n.next = 0
		}
		c := n.children[n.next]
		n.next++
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
	w.out = r.take(len(e.Raw) + len(e.Raw)/8 + 64)
	w.value(rawjson.Space(e.Raw, 0), &r.root, false)
	r.event.Raw = r.keep(append(w.out, e.Raw[w.from:]...))
	if e.Metadata == nil {
		return
	}
	r.event.Metadata = r.event.Raw[w.metadata[0]:w.metadata[1]:w.metadata[1]]
	if string(r.event.Metadata) == "null" {
		r.event.Metadata = nil
	}
}

// block is how much memory is set aside for raw copies at once.
const block = 32 << 10

// take returns room for a raw copy, of which the rest is given to the next. Memory
// that was given is never used again, as nobody knows how long a copy is kept.
func (r *Redactor) take(size int) []byte {
	if cap(r.room) < size {
		r.room = make([]byte, 0, max(size, block))
	}
	return r.room
}

// keep ends a copy made in the room.
func (r *Redactor) keep(raw []byte) []byte {
	if len(raw) <= cap(r.room) { // Else it outgrew the room and has memory of its own.
		r.room = r.room[len(raw):len(raw):cap(r.room)]
	}
	return slices.Clip(raw)
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

// seekIn gathers the values under n of the value in metadata at i, and returns
// its end.
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
		i, more = rawjson.Next(text, r.seekIn(text, value, n.child(meaning(key))))
	}
	return i
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
