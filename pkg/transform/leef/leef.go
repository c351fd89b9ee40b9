// Package leef encodes events in the Log Event Extended Format 2.0 of IBM QRadar,
// one line each: a header of six fields, and attributes (IBM, "QRadar Log Event
// Extended Format (LEEF)").
//
// # What is where
//
// The event id, by which QRadar maps events, is the action, with every character outside
// [A-Za-z0-9._-] replaced by an underscore, in at most 255 bytes. cat has the categories
// of ECS. sev is the severity (1 to 10; LEEF has no 0). devTime is milliseconds since
// 1970, which need no devTimeFormat. usrName is the actor, accountName the organization,
// and src the IPv4 or IPv6 address, left out if the text is not an address. resource is
// the object, and groupID a team. isLoginEvent marks sign-ins.
//
// LEEF has no attributes for the rest, so these keys are our own: eventId (the event's id,
// the same in every sink), action (verbatim), title, outcome, actorId, actorType,
// resourceId, resourceType, container, containerId, containerType, other, otherId,
// otherType (one of the two objects, if it is none of these), targetUser, targetUserId,
// targetRole (the user's new role; LEEF's own role is the actor's, which is unknown),
// forwarder, location, metadata, original (the raw event instead of metadata, for an event
// that could not be decoded and for a gap), rawSha256 (of the raw event, in hex), problem, late, replayed, ownToken, gap, unmapped and truncated.
//
// With evidence (see package evidence), epoch and sequence are the number of a record, and
// note is a note in Base64 with the alphabet for URLs. firstId and secondId are the ids of
// the two objects in the order of the source, where resourceId and containerId are not. A
// numbered record always has rawSha256, and truncated is true, too, if it does not state a
// fact to the byte.
//
// # Delimiter
//
// A tab separates attributes, as QRadar expects, unless the setting delimiter names
// another character. Use ^ if records pass relays: rsyslog by default turns a tab into
// #011, and then no attribute is found. The header always names the delimiter.
//
// # Hostile text
//
// LEEF has no escapes. So every character that could end a value becomes a space: the
// delimiter, the pipe, CR, LF and the other blanks. Other control characters, characters
// that change the direction of text, and bytes that are not UTF-8 become U+FFFD. Values
// have at most 4,000 bytes, usrName and accountName 255. Spaces at their ends are trimmed.
// An attribute without a value is left out.
package leef

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/sluice-siem/sluice/pkg/setting"
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

// Settings are the format_settings of a sink.
type Settings struct {
	Delimiter string `yaml:"delimiter" pattern:"^([^A-Za-z0-9_ ]|0?x[0-9A-Fa-f]{1,4})$" doc:"What separates attributes: one character such as ^, or x and its code in hexadecimal digits. x09 is the tab."`
}

// Validate reports a delimiter that could be a part of a key or a value.
func (s *Settings) Validate() []error {
	if _, err := s.delimiter(); err != nil {
		return []error{setting.Invalid("delimiter", err)}
	}
	return nil
}

// delimiter returns the character itself.
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
		return 0, fmt.Errorf("%q is neither a character nor the code of one; write one such as ^ or x09", s.Delimiter)
	}
	return 0, fmt.Errorf("%q is not a safe delimiter; write the tab (x09) or a character such as ^", s.Delimiter)
}

// ours are the characters, besides letters, digits and underscores, in what is written
// unchanged: the header, pairs, ids, addresses, the list in cat and the mark of metadata
// that was cut.
const ours = "|=.-:,[]"

func isWord(c byte) bool { return line.IsClassByte(c) && c != '.' && c != '-' }

type encoder struct {
	begin     string // of every record: the fields before the event id
	middle    string // the field behind it, and the pipe that ends the header
	rules     *line.Rules
	host      string
	catalogue *transform.Catalogue
}

func open(o transform.Options, s Settings) (transform.Transformer, error) {
	delimiter, err := s.delimiter()
	if err != nil {
		return nil, fmt.Errorf("leef: delimiter: %w", err)
	}
	shown := string(delimiter)
	if delimiter == '\t' {
		shown = "x09"
	}
	p, rules := &o.Product, line.NewRules(delimiter, "|"+string(delimiter), func(r rune) rune { return parted(r, rune(delimiter)) }, nil)
	c := &encoder{
		begin:  fmt.Sprintf("LEEF:2.0|%s|%s|%s|", rules.Constant(p.Vendor), rules.Constant(line.Device(p)), rules.Constant(p.Version)),
		middle: "|" + shown + "|",
		rules:  rules,
		host:   o.Host, catalogue: o.Catalogue,
	}
	return transform.NewTransformer(name, mediaType, o, c.encode)
}

// parted turns a character that could end a value into a space.
func parted(r, delimiter rune) rune {
	switch r {
	case '\n', '\r', '|', delimiter:
		return ' '
	}
	return r
}

// encode implements transform.Encode.
func (c *encoder) encode(dst []byte, e *source.Event, action *transform.Action, limit int) ([]byte, bool, error) {
	return line.Fit(dst, limit, func(dst []byte, a line.Allowance) ([]byte, bool) {
		return c.append(dst, e, action, a)
	})
}
