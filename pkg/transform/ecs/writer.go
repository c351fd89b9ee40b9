package ecs

import (
	"time"

	"github.com/sluice-siem/sluice/pkg/transform"
)

// writer appends members of JSON objects, each followed by a comma, so that a
// member that is left out leaves no trace. Keys are given as they appear, with
// quotes and colon, and for an object with its brace.
type writer struct {
	buf     []byte
	longest int // of a value written by text, in bytes before escaping
}

func (w *writer) raw(s string) { w.buf = append(w.buf, s...) }

// open begins an object and returns what close needs.
func (w *writer) open(key string) int {
	begin := len(w.buf)
	w.raw(key)
	return begin
}

// close ends the object that began there. One without members is taken back:
// destinations tell an empty object from none.
func (w *writer) close(begin int) {
	last := len(w.buf) - 1
	if w.buf[last] == '{' {
		w.buf = w.buf[:begin]
		return
	}
	w.buf[last] = '}'
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

func (w *writer) time(key string, t time.Time) {
	w.raw(key)
	w.buf = append(w.buf, '"')
	w.buf = transform.AppendTime(w.buf, t)
	w.buf = append(w.buf, '"', ',')
}

// words writes an array of at least one word that needs no escaping.
func (w *writer) words(key string, words []string) {
	w.raw(key)
	w.buf = append(w.buf, '[')
	for _, word := range words {
		w.buf = append(w.buf, '"')
		w.raw(word)
		w.buf = append(w.buf, '"', ',')
	}
	w.endArray()
}

// endArray ends an array of at least one element.
func (w *writer) endArray() {
	w.buf[len(w.buf)-1] = ']'
	w.buf = append(w.buf, ',')
}
