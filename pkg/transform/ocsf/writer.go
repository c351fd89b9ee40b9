package ocsf

import (
	"strconv"

	"github.com/sluice-siem/sluice/pkg/transform"
)

// writer appends members of JSON objects, each followed by a comma, so that a
// member that is left out leaves no trace. Keys are given as they appear, with
// quotes and colon, and for an object or an array with its bracket.
type writer struct {
	buf     []byte
	longest int // of a value written by text, in bytes before escaping
}

func (w *writer) raw(s string) { w.buf = append(w.buf, s...) }

// open begins an object or an array and returns what close needs.
func (w *writer) open(key string) int {
	begin := len(w.buf)
	w.raw(key)
	return begin
}

// close ends the object that began there. An empty one is taken back:
// destinations tell it from none.
func (w *writer) close(begin int) {
	if w.buf[len(w.buf)-1] == '{' {
		w.buf = w.buf[:begin]
		return
	}
	w.end()
}

// end ends an object behind its last member.
func (w *writer) end() {
	w.buf[len(w.buf)-1] = '}'
	w.buf = append(w.buf, ',')
}

// closeArray is close for an array.
func (w *writer) closeArray(begin int) {
	if w.buf[len(w.buf)-1] == '[' {
		w.buf = w.buf[:begin]
		return
	}
	w.endArray()
}

// endArray ends an array behind its last element.
func (w *writer) endArray() {
	w.buf[len(w.buf)-1] = ']'
	w.buf = append(w.buf, ',')
}

// text writes a member whose value is free text, unless it is empty.
func (w *writer) text(key, value string) {
	if value != "" {
		whole(w, key, transform.Cut(value, w.longest))
	}
}

// whole writes a member whose value must not be shortened.
func whole[T string | []byte](w *writer, key string, value T) {
	w.buf = transform.AppendMember(w.buf, key, value)
}

func (w *writer) number(key string, n int64) {
	w.raw(key)
	w.buf = append(strconv.AppendInt(w.buf, n, 10), ',')
}

func (w *writer) mark(member string, holds bool) {
	if holds {
		w.raw(member)
	}
}
