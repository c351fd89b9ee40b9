// Package cef encodes events in the Common Event Format, version 0 or by setting
// 1, one line each: a header of seven fields, and an extension of pairs.
//
// # What is where
//
// The class id is the action, with every character outside [A-Za-z0-9._-]
// replaced by an underscore; the name is the action in words, by the catalogue;
// act is the action verbatim. Who did it is suid, suser and spriv (the actor's
// type, "System" where there is no actor); whom it was done to, where that is a
// user, duid and duser, and dpriv the role that user has from then on. Objects
// are cs2 to cs5 and flexString1 and 2, metadata is cs6. In an event that could
// not be decoded, and in a gap, cs6 is the raw event instead, labelled Original,
// and reason says what could not be read.
//
// Version 1 has keys for what it was done to, reportedResource*, and for the
// technique of MITRE ATT&CK that doing this would be one of, were an attacker to
// do it, threatAttackID. It is otherwise the same; some consumers know version 0
// only.
//
// An IPv4 address is src; an IPv6 one c6a2, for src is an IPv4 address in the
// dictionary. Text that is no address is left out. Times are milliseconds since
// 1970: RFC 3339 is not legal in CEF.
//
// externalId has at most 40 characters, the event's id where that is as short,
// as PlanetScale's are. Of an id "sha256:…" it is the first 40 characters, 132
// bits of the hash; of any other long id it is the same of the id's own hash.
//
// cn1 (Truncated) is 1 in a record of which a value was shortened or left out,
// unless another pair has it too, as all of msg and reportedResource* has:
// each has a largest length in the dictionary, counted in bytes of UTF-8 before
// escaping, and no character is cut in two. cn2 (Late) is 1 in a late one. A
// pair without a value is left out, and so is its label.
//
// # Hostile text
//
// In a value, backslash and equals sign are escaped, and LF and CR written as
// \n and \r; nothing else is an escape in CEF. TAB, VT, FF, U+0085, U+2028 and
// U+2029, which some receivers take for ends of lines or values, become spaces.
// Other control characters, the characters that change the direction of text,
// and bytes that are not UTF-8 become U+FFFD. Spaces at the ends of a value are
// trimmed, as parsers lose them. Header fields hold nothing that would need to
// be escaped.
package cef

import (
	"fmt"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
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

// Settings are what a configuration says about the format.
type Settings struct {
	Version int `yaml:"version"` // of CEF: 0 (default) or 1, which has keys of its own for the object
}

// Validate refuses versions that there are not.
func (s *Settings) Validate() []error {
	if s.Version != 0 && s.Version != 1 {
		return []error{setting.Invalid("version", fmt.Errorf("%d is no version of CEF: write 0 or 1", s.Version))}
	}
	return nil
}

type encoder struct {
	version   int
	begin     string // of every record: the four fields that are the same in all
	host      string
	limit     int
	catalogue *transform.Catalogue
}

func open(o transform.Options, s Settings) (transform.Transformer, error) {
	limit, err := o.Limit()
	if err != nil {
		return nil, fmt.Errorf("cef: %w", err)
	}
	begin := fmt.Sprintf("CEF:%d|PlanetScale|Audit Log|1.0|", s.Version) // 1.0 is that of the API
	return &encoder{version: s.Version, begin: begin, host: o.Host, limit: limit, catalogue: o.Catalogue}, nil
}

// Transform implements transform.Transformer.
func (c *encoder) Transform(dst []byte, e *source.Event) (sink.Record, error) {
	action := c.catalogue.Lookup(e.Action)
	body, whole, err := line.Fit(dst, c.limit, func(dst []byte, a line.Allowance) ([]byte, bool) {
		return c.append(dst, e, action, a)
	})
	if err != nil {
		return sink.Record{}, fmt.Errorf("cef: event %.80q: %w", e.ID, err)
	}
	r := transform.NewRecord(e, name, mediaType, action, body)
	r.Truncated = !whole
	return r, nil
}
