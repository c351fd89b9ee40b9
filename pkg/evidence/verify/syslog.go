package verify

import (
	"bytes"
	"regexp"
	"strconv"
)

// byteOrderMark may begin a message of RFC 5424.
var byteOrderMark = []byte("\ufeff")

// traditional is the beginning of a line of RFC 3164, or of one that a receiver has
// written into a file: perhaps a priority, a time, a host and a tag.
var traditional = regexp.MustCompile(`^(<\d{1,3}>)?([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT[0-9:.]+(Z|[+-]\d\d:\d\d)) `)

// structured is the beginning of a line of RFC 5424, up to the structured data.
var structured = regexp.MustCompile(`^<\d{1,3}>1 \S+ \S+ \S+ \S+ \S+ `)

// farthest is where a record begins at the latest in a line without structured data.
const farthest = 512

// syslogged reads a line of syslog.
func syslogged(line []byte) (body []byte, beside Beside, ok bool) {
	if head := structured.Find(line); head != nil {
		rest, ok := elements(line[len(head):], &beside)
		return bytes.TrimPrefix(rest, byteOrderMark), beside, ok
	}
	head := traditional.Find(line)
	if head == nil {
		return nil, beside, false
	}
	rest := line[len(head):]
	at := -1
	for _, begin := range []string{"CEF:", "LEEF:", "{"} {
		i := bytes.Index(rest[:min(len(rest), farthest)], []byte(begin))
		if i > 0 && (rest[i-1] == ' ' || rest[i-1] == ':') && (at < 0 || i < at) {
			at = i
		}
	}
	if at < 0 {
		return nil, beside, false
	}
	return rest[at:], beside, true
}

// elements reads the structured data, and returns what follows it.
func elements(text []byte, b *Beside) (rest []byte, ok bool) {
	if rest, ok = bytes.CutPrefix(text, []byte("- ")); ok {
		return rest, true
	}
	for len(text) > 0 && text[0] == '[' {
		i := bytes.IndexAny(text, " ]")
		if i < 0 {
			return nil, false
		}
		text = text[i:]
		own := map[string]string{}
		for len(text) > 0 && text[0] == ' ' {
			name, after, found := bytes.Cut(text[1:], []byte(`="`))
			if !found {
				return nil, false
			}
			value, next, ok := parameter(after)
			if !ok {
				return nil, false
			}
			own[string(name)], text = value, next
		}
		if len(text) == 0 || text[0] != ']' {
			return nil, false
		}
		text = text[1:]
		b.element(own)
	}
	return bytes.CutPrefix(text, []byte(" "))
}

// parameter reads a value up to its quote, and returns what follows that.
func parameter(text []byte) (value string, rest []byte, ok bool) {
	var b []byte
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text) && (text[i+1] == '"' || text[i+1] == '\\' || text[i+1] == ']'):
			i++
			b = append(b, text[i])
		case text[i] == '"':
			return string(b), text[i+1:], true
		default:
			b = append(b, text[i])
		}
	}
	return "", nil, false
}

// element takes an element of the structured data, if it is Sluice's.
func (b *Beside) element(parameters map[string]string) {
	id, is := parameters["id"]
	if !is {
		return
	}
	// A long id or name is shortened here, so nothing can be compared with them.
	b.Number.Epoch, _ = strconv.ParseUint(parameters["epoch"], 10, 63)
	b.Number.Sequence, _ = strconv.ParseUint(parameters["sequence"], 10, 63)
	b.Organization, b.ID = parameters["organization"], id
}
