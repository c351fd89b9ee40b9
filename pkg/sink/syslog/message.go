package syslog

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// Largest lengths of a record's fields in a header, in bytes as written.
const (
	maxMSGID = 32  // RFC 5424, section 6
	maxID    = 255 // the longest id of a source
	maxParam = 128 // of the other parameters; bodies contain them in full

	// A number takes its room from the other parameters, so bodies may be as long with it as
	// without. Two of them leave 92 bytes, and a number has at most 90.
	maxParamWithNumber = 82
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
	zone     *time.Location // of times in RFC 3164, which do not contain it
}

func newEncoder(s *Settings, dataset string) (encoder, error) {
	host, err := s.hostname()
	return encoder{
		legacy: s.Protocol == RFC3164, facility: s.Facility, host: host,
		app: s.AppName, sdID: cmp.Or(s.SDID, defaultSDID(dataset)), bom: s.BOM, zone: time.Local,
	}, err
}

// defaultSDID names the structured data by the product whose log it is, under the
// enterprise number set aside for documentation.
func defaultSDID(dataset string) string {
	product, _, _ := strings.Cut(dataset, ".")
	return cmp.Or(product, "sluice") + "@32473"
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

// isControl reports whether RFC 3164 does not allow c (section 4.1). TAB and bytes
// that are not ASCII count as allowed, since every receiver takes them.
func isControl(c byte) bool { return c < ' ' && c != '\t' || c == 0x7f }

// blank replaces each byte that matches with a space.
func blank(text []byte, matches func(byte) bool) {
	for i, c := range text {
		if matches(c) {
			text[i] = ' '
		}
	}
}

// overhead is the most that append adds to a body.
func (e *encoder) overhead() int {
	long := strings.Repeat("x", maxID+1) // as an id it would be hashed, and shorter than one that just fits
	worst := sink.Record{ID: long[:maxID], Organization: long, Action: long, Time: time.Unix(0, 0), Replayed: true, OwnToken: true}
	return len(e.append(nil, &worst))
}

// severity maps a severity from 0 to 10 to RFC 5424, section 6.2.1, with the bands of
// CEF.
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
	dst = append(append(dst, e.app...), " - "...) // no PROCID: the process is not part of the event
	dst = append(appendMSGID(dst, r.Action), " ["...)
	dst = append(append(dst, e.sdID...), ` id="`...)
	dst = append(appendID(dst, r.ID), `" organization="`...)
	longest := maxParam
	if r.Epoch > 0 {
		longest = maxParamWithNumber
	}
	dst = append(appendParam(dst, r.Organization, longest), `" action="`...)
	dst = append(appendParam(dst, r.Action, longest), '"')
	if r.Replayed {
		dst = append(dst, ` replayed="true"`...)
	}
	if r.OwnToken {
		dst = append(dst, ` own_token="true"`...)
	}
	if r.Epoch > 0 {
		dst = appendNumber(dst, r)
	}
	dst = append(dst, "] "...)
	if e.bom && utf8.Valid(r.Body) {
		dst = append(dst, bom...)
	}
	return dst
}

// appendNumber writes the number of a record, and begins the element that RFC 5424 has for
// it (section 7.3.1). Receivers see by its sequenceId that messages are lost; it is from 1
// to 2147483647, and begins again then. So the whole number is in Sluice's own element.
func appendNumber(dst []byte, r *sink.Record) []byte {
	dst = strconv.AppendUint(append(dst, ` epoch="`...), r.Epoch, 10)
	dst = strconv.AppendUint(append(dst, `" sequence="`...), r.Sequence, 10)
	dst = strconv.AppendUint(append(dst, `"][meta sequenceId="`...), r.Sequence%math.MaxInt32+1, 10)
	return append(dst, '"')
}

// appendRFC3164 writes a header. A CEF or LEEF body follows the host directly, where
// collectors expect it, and acts as the TAG. Other bodies need a TAG.
func (e *encoder) appendRFC3164(dst []byte, r *sink.Record) []byte {
	dst = append(r.Time.In(e.zone).AppendFormat(dst, time.Stamp), ' ')
	dst = append(append(dst, e.host...), ' ')
	if bytes.HasPrefix(r.Body, []byte("CEF:")) || bytes.HasPrefix(r.Body, []byte("LEEF:")) {
		return dst
	}
	return append(append(dst, e.app...), ": "...)
}

// appendTime writes microseconds, and NILVALUE for a year that RFC 3339 cannot
// represent.
func appendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	if t.Year() < 1 || t.Year() > 9999 || t.IsZero() {
		return append(dst, '-')
	}
	return t.AppendFormat(dst, "2006-01-02T15:04:05.000000Z")
}

// appendMSGID writes the action. Messages with one MSGID should be of one kind (RFC 5424,
// section 6.2.7), so an action that is too long, or has characters that must be changed,
// ends in a part of its hash. The structured data has the action itself.
func appendMSGID(dst []byte, action string) []byte {
	if action == "" {
		return append(dst, '-')
	}
	if printable(action, maxMSGID) {
		return append(dst, action...)
	}
	const digits = 8
	for i := range min(len(action), maxMSGID-len("~")-digits) {
		c := action[i]
		if !isPrintable(c) {
			c = '_'
		}
		dst = append(dst, c)
	}
	sum := sha256.Sum256([]byte(action))
	return hex.AppendEncode(append(dst, '~'), sum[:digits/2])
}

// appendID appends an id so that ids of different events stay different: an id that is
// too long or has characters that must be changed is replaced by its hash.
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
// characters, characters that some programs read as line ends, and bytes that are not
// UTF-8 become U+FFFD.
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
