// Package object writes JSON objects for the formats whose records are one: in
// memory that is given, member by member, without a value in between.
package object

import (
	"strconv"
	"time"

	"github.com/sluice-siem/sluice/pkg/transform"
)

// Writer appends members of JSON objects, each followed by a comma, so that a
// member that is left out leaves no trace. Keys are given as they appear, with
// quotes and colon, and for an object or an array with its bracket.
type Writer struct {
	Buf     []byte
	Longest int // of a value written by Text, in bytes before escaping
}

// Raw appends what needs no care.
func (w *Writer) Raw(s string) { w.Buf = append(w.Buf, s...) }

// Open begins an object or an array and returns what Close and CloseArray need.
func (w *Writer) Open(key string) (begin int) {
	begin = len(w.Buf)
	w.Raw(key)
	return begin
}

// Close ends the object that began there. An empty one is taken back:
// destinations tell it from none.
func (w *Writer) Close(begin int) {
	if w.Buf[len(w.Buf)-1] == '{' {
		w.Buf = w.Buf[:begin]
		return
	}
	w.End()
}

// End ends an object behind its last member.
func (w *Writer) End() {
	w.Buf[len(w.Buf)-1] = '}'
	w.Buf = append(w.Buf, ',')
}

// CloseArray is Close for an array.
func (w *Writer) CloseArray(begin int) {
	if w.Buf[len(w.Buf)-1] == '[' {
		w.Buf = w.Buf[:begin]
		return
	}
	w.EndArray()
}

// EndArray ends an array behind its last element.
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

// Bytes is Whole for bytes.
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

// Time writes a member whose value is a time as transform.AppendTime has it.
func (w *Writer) Time(key string, t time.Time) {
	w.Raw(key)
	w.Buf = append(w.Buf, '"')
	w.Buf = append(transform.AppendTime(w.Buf, t), '"', ',')
}

// Mark writes a member that is there only if it holds.
func (w *Writer) Mark(member string, holds bool) {
	if holds {
		w.Raw(member)
	}
}
