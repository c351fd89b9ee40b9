// Package cef encodes events in the Common Event Format, version 0, or 1 if the setting
// says so. A record is one line: a header of seven fields, and an extension of pairs.
//
// # What is where
//
// The class id is the action, with every character outside [A-Za-z0-9._-] replaced by an
// underscore. The name is the action in words, from the catalogue. act is the action
// verbatim. The actor is suid, suser and spriv (its type, or "System" if there is no
// actor). If a user is affected, duid and duser are that user, and dpriv is the user's
// new role. Objects are cs2 to cs5 and flexString1 and 2. Metadata is cs6. For an event
// that could not be decoded, and for a gap, cs6 is the raw event, labelled Original, and
// reason says what could not be read.
//
// Version 1 also has keys for the object, reportedResource*, and threatAttackID for the
// technique of MITRE ATT&CK that the action would be if an attacker did it. Some consumers
// know only version 0.
//
// An IPv4 address is src. An IPv6 address is c6a2, since src is an IPv4 address in the
// dictionary; with the setting ipv6_in_src it is src, too, for collectors that read only
// that. Text that is not an address is left out. Times are milliseconds since 1970:
// RFC 3339 is not legal in CEF.
//
// externalId has at most 40 characters. It is the event's id if that fits, as most do. For
// a longer id "sha256:…" it is the first 40 characters, with 132 bits of the hash. For any
// other longer id it is the same part of the id's hash.
//
// The SHA-256 of the raw event has a key of its own, PlanetScaleAuditLogEventSHA256 for
// that product. The dictionary has hashes of files only (fileHash, oldFileHash). For what
// it does not have, the standard allows a key that begins with vendor and product
// ("User-Defined Extensions"). Consumers store such a key, but have no column for it.
//
// Each value has a largest length in the dictionary, counted in bytes of UTF-8 before
// escaping. No character is cut in two. cn1 (Truncated) is 1 if a value was shortened or
// left out and no other pair has it. Other pairs have all of msg and reportedResource*.
// cn2 (Late) is 1 in a late record, and cn3 (Own Token) in one about the token with which
// Sluice reads the log. A record that was sent again has PlanetScaleAuditLogReplayed=1: the
// dictionary has no fourth number. A pair without a value is left out, and so is its label.
//
// With evidence (see package evidence), PlanetScaleAuditLogNumber is the epoch and the
// sequence of a record, with a slash between, and PlanetScaleAuditLogNote a note in Base64
// with the alphabet for URLs. A numbered record always has the hash, and Truncated is 1,
// too, if it does not state a fact to the byte.
//
// # Hostile text
//
// In a value, backslash and equals sign are escaped, and LF and CR are written as \n and
// \r. CEF has no other escapes. TAB, VT, FF, U+0085, U+2028 and U+2029 become spaces,
// since some receivers take them for the end of a line or value. Other control characters,
// characters that change the direction of text, and bytes that are not UTF-8 become
// U+FFFD. Spaces at the ends of a value are trimmed, since parsers lose them. Header
// fields have no characters that need an escape.
package cef

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/internal/line"
)

const (
	name      = "cef"
	mediaType = "text/plain; charset=utf-8"
)

// Format is the format "cef".
var Format = transform.NewFormat(name, mediaType, Settings{}, open).ExplainedBy(explain).AtLeast(1 << 10)

// Settings are the format_settings of a sink.
type Settings struct {
	Version   int  `yaml:"version" values:"0|1" doc:"Version of CEF. 1 has keys of its own for the object."`
	IPv6InSrc bool `yaml:"ipv6_in_src" doc:"Write an IPv6 address to src, too, which the standard does not allow."`
}

// Validate reports an unknown version.
func (s *Settings) Validate() []error {
	if s.Version != 0 && s.Version != 1 {
		return []error{setting.Invalid("version", fmt.Errorf("%d is not a version of CEF; write 0 or 1", s.Version))}
	}
	return nil
}

type encoder struct {
	version   int
	ipv6InSrc bool
	begin     string    // of every record: the four fields that are the same in all
	services  string    // the pairs that name the product
	objects   [2]labels // of the pairs about the objects
	hash      string    // the key of the raw event's hash, with its equals sign
	replayed  string    // the pair that marks an event sent again
	number    string    // the key of a record's number, with its equals sign
	note      string    // the key of a note
	host      string
	catalogue *transform.Catalogue
}

func open(o transform.Options, s Settings) (transform.Transformer, error) {
	p := &o.Product
	service, names := values.Constant(p.Name), p.ObjectNames()
	first, second := capitalized(names[0]), capitalized(names[1])
	c := &encoder{
		version: s.Version, ipv6InSrc: s.IPv6InSrc,
		begin:    fmt.Sprintf("CEF:%d|%s|%s|%s|", s.Version, fields.Constant(p.Vendor), fields.Constant(line.Device(p)), fields.Constant(p.Version)),
		services: "sourceServiceName=" + service + " destinationServiceName=" + service + " ",
		objects: [2]labels{
			{"cs2Label=" + first + " Type ", "cs3Label=" + first + " ", "flexString1Label=" + first + " ID "},
			{"cs4Label=" + second + " Type ", "cs5Label=" + second + " ", "flexString2Label=" + second + " ID "},
		},
		hash: ownKey(p, "EventSHA256"), replayed: ownKey(p, "Replayed") + "1 ", number: ownKey(p, "Number"), note: ownKey(p, "Note"),
		host: o.Host, catalogue: o.Catalogue,
	}
	return transform.NewTransformer(name, mediaType, o, c.encode)
}

// capitalized returns a name as a label shows it, "Auditable".
func capitalized(name string) string {
	return strings.ToUpper(name[:1]) + strings.ReplaceAll(name[1:], "_", " ")
}

// ownKey returns a key that the dictionary does not have, with its equals sign.
func ownKey(p *source.Product, name string) string {
	return word(p.Vendor) + word(line.Device(p)) + name + "="
}

// word returns the letters and digits of a name, as they may be in a key.
func word(name string) string {
	return strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf && line.IsClassByte(byte(r)) && !strings.ContainsRune("._-", r) {
			return r
		}
		return -1
	}, name)
}

// encode implements transform.Encode.
func (c *encoder) encode(dst []byte, e *source.Event, action *transform.Action, limit int) ([]byte, bool, error) {
	return line.Fit(dst, limit, func(dst []byte, a line.Allowance) ([]byte, bool) {
		return c.append(dst, e, action, a)
	})
}
