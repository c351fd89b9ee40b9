package redact

import (
	"unsafe"

	"github.com/sluice-siem/sluice/pkg/internal/rawjson"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// rewriter copies JSON and redacts the copy.
type rewriter struct {
	*Redactor
	in       []byte
	plain    bool // every string in it stands for the bytes between its quotes
	out      []byte
	from     int    // in up to here is in out
	metadata [2]int // place of the value of metadata in out; of the last one if there are several
	buf      []byte // for strings that have to be unquoted
}

// replace writes text in place of in[i:end].
func (w *rewriter) replace(i, end int, text string) {
	w.out = append(append(w.out, w.in[w.from:i]...), text...)
	w.from = end
}

// place returns the place of in[i:] in out, if i was not passed.
func (w *rewriter) place(i int) int { return len(w.out) + i - w.from }

// value redacts the value at i and returns its end. n is nil if no rule applies to it.
// inner is true inside a value whose keys are not the product's own.
func (w *rewriter) value(i int, n *node, inner bool) (end int) {
	if i >= len(w.in) {
		return i
	}
	switch {
	case n != nil && n.kept:
		return rawjson.Value(w.in, i)
	case n != nil && n.rule != nil:
		return w.ruled(i, n.rule)
	case w.in[i] == '{':
		return w.object(i, n, inner)
	case w.in[i] == '[':
		return w.list(i, n)
	case w.in[i] == '"':
		return w.string(i)
	}
	return w.literal(i)
}

func (w *rewriter) object(i int, n *node, inner bool) int {
	i++
	for more := true; more; {
		key, value, ok := rawjson.Member(w.in, i)
		if !ok {
			return min(value+1, len(w.in))
		}
		if inner {
			w.name(rawjson.Space(w.in, i), key)
		}
		var child *node
		if n != nil {
			child = n.child(w.unquoted(key))
		}
		begin := w.place(value)
		end := w.value(value, child, child == nil || !child.own)
		if !inner && child != nil && child == w.Redactor.metadata {
			w.metadata = [2]int{begin, w.place(end)}
		}
		i, more = rawjson.Next(w.in, end)
	}
	return i
}

// list redacts each element by the rule of the list: a path leads through lists.
func (w *rewriter) list(i int, n *node) int {
	i = rawjson.Space(w.in, i+1)
	for more := i < len(w.in) && w.in[i] != ']'; more; {
		i, more = rawjson.Next(w.in, w.value(i, n, true))
		if !more {
			return i
		}
	}
	return min(i+1, len(w.in))
}

// ruled redacts a whole value. A value that is not a string is redacted as its JSON text.
func (w *rewriter) ruled(i int, how *rule) int {
	end := rawjson.Value(w.in, i)
	text := unsafe.String(&w.in[i], end-i)
	switch {
	case w.in[i] == '"':
		text = w.unquoted(w.in[i:end])
	case text == "null":
		return end
	}
	if text != "" {
		w.quote(i, end, w.token(how, text))
	}
	return end
}

// quote writes a token in place of a value, or null if the token is empty.
func (w *rewriter) quote(i, end int, token string) {
	if token == "" {
		w.replace(i, end, "null")
		return
	}
	w.replace(i, end, `"`)
	w.out = append(append(w.out, token...), '"')
}

func (w *rewriter) string(i int) int {
	end := rawjson.String(w.in, i)
	text := w.unquoted(w.in[i:end])
	switch whole, part := w.search(text); {
	case whole != nil:
		w.quote(i, end, w.token(whole.how, whole.text))
	case part:
		w.rewrite(i, end, text)
	}
	return end
}

// name redacts the key of an object in metadata.
func (w *rewriter) name(i int, key []byte) {
	text := w.unquoted(key)
	switch whole, part := w.search(text); {
	case whole != nil:
		w.quote(i, i+len(key), w.within(*whole))
	case part:
		w.rewrite(i, i+len(key), text)
	}
}

func (w *rewriter) rewrite(i, end int, text string) {
	w.replace(i, end, "")
	w.out = transform.AppendJSON(w.out, w.parts(nil, text))
}

func (w *rewriter) literal(i int) int {
	end := rawjson.Literal(w.in, i)
	if isNumber(w.in[i]) && end-i >= minWithin {
		if whole, _ := w.search(unsafe.String(&w.in[i], end-i)); whole != nil {
			w.quote(i, end, w.token(whole.how, whole.text))
		}
	}
	return end
}

// unquoted returns the text of a JSON string. It is valid until the next call.
func (w *rewriter) unquoted(quoted []byte) string {
	if len(quoted) < 2 {
		return ""
	}
	text := quoted[1 : len(quoted)-1]
	if !w.plain {
		w.buf = rawjson.Unquote(w.buf[:0], quoted)
		text = w.buf
	}
	return unsafe.String(unsafe.SliceData(text), len(text))
}
