package syslog

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// Largest lengths of what records put into a header, in bytes as written.
const (
	maxMSGID = 32  // RFC 5424, section 6
	maxID    = 255 // the longest id that sources hand out
	maxParam = 128 // of the other parameters, which bodies carry in full
)

const bom = "\ufeff"

// encoder writes the messages of one sink.
type encoder struct {
	legacy   bool // RFC 3164
	facility Facility
	host     string
	app      string
	sdID     string
	bom      bool
	zone     *time.Location // of the times of RFC 3164, which do not say it
}

func newEncoder(s *Settings) (encoder, error) {
	host, err := s.hostname()
	return encoder{
		legacy: s.Protocol == RFC3164, facility: s.Facility, host: host,
		app: s.AppName, sdID: s.SDID, bom: s.BOM, zone: time.Local,
	}, err
}

// append appends the message of a record.
func (e *encoder) append(dst []byte, r *sink.Record) []byte {
	dst = append(dst, '<')
	dst = strconv.AppendInt(dst, int64(e.facility)*8+severity(r.Severity), 10)
	dst = append(dst, '>')
	if !e.legacy {
		return append(e.appendRFC5424(dst, r), r.Body...)
	}
	dst = e.appendRFC3164(dst, r)
	begin := len(dst)
	dst = append(dst, r.Body...)
	blank(dst[begin:], isControl)
	return dst
}

// isControl reports whether c is none of the characters that RFC 3164 allows
// (section 4.1), TAB and what is not ASCII apart, which everybody takes.
func isControl(c byte) bool { return c < ' ' && c != '\t' || c == 0x7f }

// blank puts a space in the place of each byte that matches.
func blank(text []byte, matches func(byte) bool) {
	for i, c := range text {
		if matches(c) {
			text[i] = ' '
		}
	}
}

// overhead is the most that append adds to a body.
func (e *encoder) overhead() int {
	long := strings.Repeat("x", maxID+1) // which, hashed, is shorter than one that just fits
	worst := sink.Record{ID: long[:maxID], Organization: long, Action: long, Time: time.Unix(0, 0)}
	return len(e.append(nil, &worst))
}

// severity is that of RFC 5424, section 6.2.1, for the bands in which CEF names
// the severities from 0 to 10.
func severity(record int) int64 {
	const critical, warning, notice, informational = 2, 4, 5, 6
	switch {
	case record >= 9: // very high
		return critical
	case record >= 7: // high
		return warning
	case record >= 4: // medium
		return notice
	}
	return informational
}

func (e *encoder) appendRFC5424(dst []byte, r *sink.Record) []byte {
	dst = append(dst, "1 "...)
	dst = append(appendTime(dst, r.Time), ' ')
	dst = append(append(dst, e.host...), ' ')
	dst = append(append(dst, e.app...), " - "...) // no PROCID: which process it was says nothing of the event
	dst = append(appendMSGID(dst, r.Action), " ["...)
	dst = append(append(dst, e.sdID...), ` id="`...)
	dst = append(appendID(dst, r.ID), `" organization="`...)
	dst = append(appendParam(dst, r.Organization, maxParam), `" action="`...)
	dst = append(appendParam(dst, r.Action, maxParam), `"] `...)
	if e.bom && utf8.Valid(r.Body) {
		dst = append(dst, bom...)
	}
	return dst
}

// appendRFC3164 writes a header after which CEF and LEEF follow the host, since
// that is where collectors look for them: they are taken for the TAG. Other
// bodies need a TAG of their own.
func (e *encoder) appendRFC3164(dst []byte, r *sink.Record) []byte {
	dst = append(r.Time.In(e.zone).AppendFormat(dst, time.Stamp), ' ')
	dst = append(append(dst, e.host...), ' ')
	if bytes.HasPrefix(r.Body, []byte("CEF:")) || bytes.HasPrefix(r.Body, []byte("LEEF:")) {
		return dst
	}
	return append(append(dst, e.app...), ": "...)
}

// appendTime writes at most six digits of a second, and NILVALUE for a year that
// RFC 3339 cannot write.
func appendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	if t.Year() < 1 || t.Year() > 9999 || t.IsZero() {
		return append(dst, '-')
	}
	return t.AppendFormat(dst, "2006-01-02T15:04:05.000000Z")
}

func appendMSGID(dst []byte, action string) []byte {
	if action == "" {
		return append(dst, '-')
	}
	for i := range min(len(action), maxMSGID) {
		c := action[i]
		if !isPrintable(c) {
			c = '_'
		}
		dst = append(dst, c)
	}
	return dst
}

// appendID appends an id so that no two events come to share one: what is too
// long or would have to be changed goes by its hash.
func appendID(dst []byte, id string) []byte {
	begin := len(dst)
	if printable(id, maxID) {
		dst = appendParam(dst, id, 2*maxID)
		if len(dst)-begin <= maxID {
			return dst
		}
	}
	sum := sha256.Sum256([]byte(id))
	return hex.AppendEncode(append(dst[:begin], "sha256:"...), sum[:])
}

// appendParam appends the value of a parameter of structured data (RFC 5424,
// section 6.3.3), cut to at most limit bytes between two characters. Control
// characters, what some take for line ends, and bytes that are not UTF-8 become
// U+FFFD.
func appendParam(dst []byte, s string, limit int) []byte {
	var escaped [1 + utf8.UTFMax]byte
	for _, r := range s {
		c := escaped[:0]
		switch {
		case r == '"' || r == '\\' || r == ']':
			c = append(c, '\\', byte(r))
		case r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029':
			c = utf8.AppendRune(c, utf8.RuneError)
		default:
			c = utf8.AppendRune(c, r)
		}
		if limit -= len(c); limit < 0 {
			break
		}
		dst = append(dst, c...)
	}
	return dst
}
