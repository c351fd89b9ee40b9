// Package object is shared by the formats whose records are JSON objects. It appends an
// object to a buffer, member by member, without an intermediate value.
package object

import (
	"strconv"
	"time"

	"github.com/sluice-siem/sluice/pkg/transform"
)

// Writer appends members of JSON objects, each followed by a comma, so nothing remains of
// a member that is left out. A key has its quotes and colon, and for an object or an array
// also the bracket.
type Writer struct {
	Buf     []byte
	Longest int // of a value written by Text, in bytes before escaping
}

// Raw appends s unchanged. It must not need an escape.
func (w *Writer) Raw(s string) { w.Buf = append(w.Buf, s...) }

// Open starts an object or an array. Its result is for Close or CloseArray.
func (w *Writer) Open(key string) (begin int) {
	begin = len(w.Buf)
	w.Raw(key)
	return begin
}

// Close ends the object that Open started. It removes an empty object, since destinations
// distinguish an empty object from a missing one.
func (w *Writer) Close(begin int) {
	if w.Buf[len(w.Buf)-1] == '{' {
		w.Buf = w.Buf[:begin]
		return
	}
	w.End()
}

// End ends an object after its last member.
func (w *Writer) End() {
	w.Buf[len(w.Buf)-1] = '}'
	w.Buf = append(w.Buf, ',')
}

// CloseArray is like Close, for an array.
func (w *Writer) CloseArray(begin int) {
	if w.Buf[len(w.Buf)-1] == '[' {
		w.Buf = w.Buf[:begin]
		return
	}
	w.EndArray()
}

// EndArray ends an array after its last element.
func (w *Writer) EndArray() {
	w.Buf[len(w.Buf)-1] = ']'
	w.Buf = append(w.Buf, ',')
}

// Text writes a member whose value is free text, unless it is empty.
func (w *Writer) Text(key, value string) {
	if value != "" {
		w.Whole(key, transform.Cut(value, w.Longest))
	}
}

// Whole writes a member whose value must not be shortened.
func (w *Writer) Whole(key, value string) { w.Buf = transform.AppendMember(w.Buf, key, value) }

// Bytes is like Whole, for bytes.
func (w *Writer) Bytes(key string, value []byte) { w.Buf = transform.AppendMember(w.Buf, key, value) }

// Plain writes a member whose value is a string that needs no escaping.
func (w *Writer) Plain(key string, value []byte) {
	w.Raw(key)
	w.Buf = append(w.Buf, '"')
	w.Buf = append(w.Buf, value...)
	w.Buf = append(w.Buf, '"', ',')
}

// Number writes a member whose value is a whole number.
func (w *Writer) Number(key string, n int64) {
	w.Raw(key)
	w.Buf = append(strconv.AppendInt(w.Buf, n, 10), ',')
}

// Float writes a member whose value is a number.
func (w *Writer) Float(key string, f float64) {
	w.Raw(key)
	w.Buf = append(strconv.AppendFloat(w.Buf, f, 'f', -1, 64), ',')
}

// Time writes a member whose value is a time in the form of transform.AppendTime.
func (w *Writer) Time(key string, t time.Time) {
	w.Raw(key)
	w.Buf = append(w.Buf, '"')
	w.Buf = append(transform.AppendTime(w.Buf, t), '"', ',')
}

// Mark writes a member if holds is true.
func (w *Writer) Mark(member string, holds bool) {
	if holds {
		w.Raw(member)
	}
}
