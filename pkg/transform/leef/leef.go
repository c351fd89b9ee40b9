// Package leef encodes events in the Log Event Extended Format 2.0 of IBM QRadar,
// one line each: a header of six fields, and attributes (IBM, "QRadar Log Event
// Extended Format (LEEF)").
//
// # What is where
//
// The event id, by which QRadar maps events, is the action, with every character
// outside [A-Za-z0-9._-] replaced by an underscore, in at most 255 bytes. cat are
// the categories of ECS, sev the severity (1 to 10; LEEF knows no 0), devTime
// milliseconds since 1970, which need no devTimeFormat. Who did it is usrName,
// and accountName the organization; from where is src, IPv4 or IPv6, left out
// where the text is no address. What it was done to is resource, a team groupID.
// isLoginEvent marks sign-ins.
//
// What LEEF has no attribute for is under keys of our own: eventId (the event's
// id, the same in every sink), action (verbatim), title, outcome, actorId,
// actorType, resourceId, resourceType, container, containerId, containerType,
// other, otherId, otherType (the one of auditable and target that has no part in
// all these), targetUser, targetUserId, targetRole (the role that user has from
// then on; LEEF's own role is that of who acted, which is not known), forwarder,
// location, metadata, original (instead of metadata, the raw event in one that
// could not be decoded, and in a gap), problem, late, gap, unmapped and truncated.
//
// # Delimiter
//
// Attributes are parted by a tab, as QRadar wants it, unless the setting delimiter
// says otherwise. Through relays take ^, since rsyslog by default turns a tab
// into #011, and with that no attribute is found any more. The header names the
// delimiter either way.
//
// # Hostile text
//
// LEEF has no escapes. So whatever could end a value becomes a space: the
// delimiter, the pipe, CR, LF and the other blanks. Other control characters, the
// characters that change the direction of text, and bytes that are not UTF-8
// become U+FFFD. Values have at most 4,000 bytes, usrName and accountName 255, and
// spaces at their ends are trimmed. An attribute without a value is left out.
package leef

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/internal/line"
)

const (
	name      = "leef"
	mediaType = "text/plain; charset=utf-8"
)

// Format is the format "leef".
var Format = transform.NewFormat(name, mediaType, Settings{Delimiter: "x09"}, open).ExplainedBy(explain).AtLeast(640)

// Settings are what a configuration says about the format.
type Settings struct {
	// Delimiter parts attributes: one character such as ^, or its code in one to
	// four hexadecimal digits behind x or 0x. Default x09, the tab.
	Delimiter string `yaml:"delimiter"`
}

// Validate refuses what could not be told from a key or a value.
func (s *Settings) Validate() []error {
	if _, err := s.delimiter(); err != nil {
		return []error{setting.Invalid("delimiter", err)}
	}
	return nil
}

// delimiter is the character itself.
func (s *Settings) delimiter() (byte, error) {
	c := rune(-1)
	if len(s.Delimiter) == 1 {
		c = rune(s.Delimiter[0])
	} else if digits, found := strings.CutPrefix(strings.TrimPrefix(s.Delimiter, "0"), "x"); found && len(digits) <= 4 {
		if n, err := strconv.ParseUint(digits, 16, 16); err == nil {
			c = rune(n)
		}
	}
	switch {
	case c == '\t' || c > ' ' && c < 0x7f && !isWord(byte(c)) && !strings.ContainsRune(ours, c):
		return byte(c), nil
	case c < 0:
		return 0, fmt.Errorf("%q is neither a character nor the code of one; write such as ^ or x09", s.Delimiter)
	}
	return 0, fmt.Errorf("%q parts nothing safely; write the tab (x09) or a character such as ^", s.Delimiter)
}

// ours are characters, besides letters, digits and underscores, of what is written
// as it is: the header, pairs, ids, addresses, the list in cat and the mark of
// metadata that was cut.
const ours = "|=.-:,[]"

func isWord(c byte) bool { return line.IsClassByte(c) && c != '.' && c != '-' }

type encoder struct {
	begin     string // of every record: the fields before the event id
	middle    string // the field behind it, and the pipe that ends the header
	rules     *line.Rules
	host      string
	limit     int
	catalogue *transform.Catalogue
}

func open(o transform.Options, s Settings) (transform.Transformer, error) {
	limit, err := o.Limit()
	if err != nil {
		return nil, fmt.Errorf("leef: %w", err)
	}
	delimiter, err := s.delimiter()
	if err != nil {
		return nil, fmt.Errorf("leef: delimiter: %w", err)
	}
	shown := string(delimiter)
	if delimiter == '\t' {
		shown = "x09"
	}
	return &encoder{
		begin:  "LEEF:2.0|PlanetScale|Audit Log|1.0|", // 1.0 is the version of the API
		middle: "|" + shown + "|",
		rules:  line.NewRules(delimiter, "|"+string(delimiter), func(r rune) rune { return parted(r, rune(delimiter)) }, nil),
		host:   o.Host, limit: limit, catalogue: o.Catalogue,
	}, nil
}

// parted makes a space of what could end a value.
func parted(r, delimiter rune) rune {
	switch r {
	case '\n', '\r', '|', delimiter:
		return ' '
	}
	return r
}

// Transform implements transform.Transformer.
func (c *encoder) Transform(dst []byte, e *source.Event) (sink.Record, error) {
	action := c.catalogue.Lookup(e.Action)
	body, whole, err := line.Fit(dst, c.limit, func(dst []byte, a line.Allowance) ([]byte, bool) {
		return c.append(dst, e, action, a)
	})
	if err != nil {
		return sink.Record{}, fmt.Errorf("leef: event %.80q: %w", e.ID, err)
	}
	r := transform.NewRecord(e, name, mediaType, action, body)
	r.Truncated = !whole
	return r, nil
}
