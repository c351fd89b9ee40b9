// Package text writes events for people: one line an event, in columns that stay below
// one another.
//
//	2026-03-14 15:09:26  low   Ada Lovelace  Deploy request queued  #1842  203.0.113.77 Chicago, IL
//
// The columns are the time in UTC, the severity, who acted, what was done in the
// catalogue's words, the object, and the address with the place. A narrow line has no
// date and no address. An event of Sluice's own log has its own sentence, which names the
// object and the reason, in place of the last three columns. So has an event that carries a
// note (see package evidence). The number of a record is the last column of a line without a
// limit: its epoch, a slash and its sequence. A line shows a part of the event, so this
// format is for a screen and not for a SIEM.
//
// # Hostile text
//
// A value cannot look like another column: spaces in it become one, and it is cut at the
// width of its column, in cells of a terminal. Control characters, characters that change
// the direction of text and bytes that are not UTF-8 become U+FFFD. So does a character
// that has no width, no ink, or a heap of marks on it.
package text

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

const (
	name      = "text"
	mediaType = "text/plain; charset=utf-8"
)

// Format is the format "text".
var Format = transform.NewFormat(name, mediaType, struct{}{}, open).AtLeast(1 << 10)

func open(o transform.Options, _ struct{}) (transform.Transformer, error) {
	e := encoder{columns: layout(o.Width), catalogue: o.Catalogue}
	return transform.NewTransformer(name, mediaType, o, e.encode)
}

type encoder struct {
	columns   columns
	catalogue *transform.Catalogue
}

// encode implements transform.Encode. A line is whole even where a value was cut: it
// never has all of the event.
func (c *encoder) encode(dst []byte, e *source.Event, a *transform.Action, limit int) (body []byte, whole bool, err error) {
	roles := c.catalogue.Resolve(e, a)
	w := writer{buf: dst, begin: len(dst)}
	w.column(transform.Time(e).Format(c.columns.clock), len(c.columns.clock))
	w.column(severities[a.Severity], len("info"))
	w.column(transform.Called(roles.Actor, roles.ActorType), c.columns.actor)
	if text := sentence(e, a); text != "" {
		w.column(marked(e, text), c.columns.sentence())
	} else {
		w.column(abridged(marked(e, transform.Title(e.Action, a)), c.columns.title), c.columns.title)
		w.column(transform.Called(roles.Object, roles.Object.Type), c.columns.object)
		w.column(e.RemoteIP+" "+e.Location, c.columns.from)
	}
	if e.Number.Given() && c.columns.long > 0 {
		w.column(fmt.Sprintf("%d/%d", e.Number.Epoch, e.Number.Sequence), len("18446744073709551615/18446744073709551615"))
	}
	w.trim()
	if size := len(w.buf) - len(dst); size > limit {
		return nil, false, transform.TooLarge(size, limit)
	}
	return w.buf, true, nil
}

// sentence returns what an event says of itself, if it does. A note is for machines, so its
// sentence is its title and the records that it covers.
func sentence(e *source.Event, a *transform.Action) string {
	if e.Note == "" {
		return e.Text
	}
	lines := strings.Split(e.Note, "\n")
	words := map[string]string{}
	for _, line := range lines {
		word, value, _ := strings.Cut(line, " ")
		words[word] = value
	}
	from, _ := strconv.ParseUint(words["from"], 10, 64)
	size := from
	if len(lines) > 1 {
		size, _ = strconv.ParseUint(lines[1], 10, 64)
	}
	records := "no new records"
	switch {
	case size == from+1:
		records = fmt.Sprintf("record %d", from)
	case size > from:
		records = fmt.Sprintf("records %d to %d", from, size-1)
	}
	return fmt.Sprintf("%s: %s, epoch %s", transform.Title(e.Action, a), records, words["epoch"])
}

// severities are short forms of OCSF's words for the numbers of the catalogue.
var severities = [...]string{"info", "info", "info", "low", "med", "med", "med", "high", "high", "crit", "crit"}

// marked returns what was done, in words, with what is odd about the event before it.
func marked(e *source.Event, words string) string {
	if e.OwnToken {
		words = "Own token: " + words
	}
	switch {
	case e.Problem != "":
		return "Incomplete: " + words
	case e.Replayed:
		return "Replayed: " + words
	case e.Late && !e.OwnToken:
		return "Late: " + words
	}
	return words
}

// abridged leaves out the middle of a title that is too long: its last word says what was
// done. Titles of the catalogue are ASCII; any other is cut at its end, like all values.
func abridged(title string, width int) string {
	const least = 20 // narrower, no half says anything
	if len(title) <= width || width < least || strings.ContainsFunc(title, func(r rune) bool { return r > unicode.MaxASCII }) {
		return title
	}
	tail := (width - 1) / 2
	if i := strings.LastIndexByte(title, ' '); i >= 0 && len(title)-i <= width/2 {
		tail = len(title) - i
	}
	return title[:width-1-tail] + ellipsis + title[len(title)-tail:]
}

// writer appends columns to a line.
type writer struct {
	buf   []byte
	begin int // of the line
}

// column appends a value in a column of that width, and the gap behind it. A column of
// width 0 is left out.
func (w *writer) column(value string, width int) {
	if width == 0 {
		return
	}
	used := 0
	spaced := true // so spaces at the start are left out
	for rest, state := strings.TrimRightFunc(value, unicode.IsSpace), -1; rest != ""; {
		var cluster string
		var wide int
		cluster, rest, wide, state = uniseg.FirstGraphemeClusterInString(rest, state)
		cluster, wide = harmless(cluster, wide)
		if cluster == " " && spaced {
			continue
		}
		if spaced = cluster == " "; used+wide > width || used+wide == width && rest != "" {
			w.buf = append(w.buf, ellipsis...)
			used++
			break
		}
		w.buf = append(w.buf, cluster...)
		used += wide
	}
	for ; used < width+len(gap); used++ {
		w.buf = append(w.buf, ' ')
	}
}

const (
	gap      = "  " // between columns
	ellipsis = "…"
)

// harmless replaces what a terminal could act on, or show as something else. Control and
// format characters are clusters of their own, without a width (UAX #29, rule GB4).
func harmless(cluster string, wide int) (string, int) {
	const most = 40 // bytes; the longest emoji, two people with a tone of skin each, has 35
	space := strings.IndexFunc(cluster, unicode.IsSpace)
	if space == 0 {
		return " ", 1
	}
	if space > 0 || len(cluster) > most || wide == 0 || !utf8.ValidString(cluster) || strings.ContainsFunc(cluster, inkless) {
		return string(utf8.RuneError), 1
	}
	return cluster, wide
}

// inkless reports whether r takes room without ink, such as a filler of Hangul, or hides
// text within a character, as tags do (Unicode 15, section 23.9). The joiners and
// variation selectors of emoji are neither.
func inkless(r rune) bool {
	const braille, notehead, firstTag, lastTag = '\u2800', '\U0001D159', '\U000E0000', '\U000E0FFF'
	return r == braille || r == notehead || r >= firstTag && r <= lastTag || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}

// trim removes the spaces at the end of the line.
func (w *writer) trim() {
	for len(w.buf) > w.begin && w.buf[len(w.buf)-1] == ' ' {
		w.buf = w.buf[:len(w.buf)-1]
	}
}
