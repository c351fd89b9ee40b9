package verify

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/source"
)

// deviceOf returns what the header of a line calls the log of a product.
func deviceOf(p *source.Product) string {
	if p.Name == p.Vendor {
		return p.Feature
	}
	return p.Name + " " + p.Feature
}

// headerOf returns vendor and device as a header has them.
func headerOf(p *source.Product) (vendor, device string) {
	clean := strings.NewReplacer("|", " ", `\`, " ")
	return clean.Replace(p.Vendor), clean.Replace(deviceOf(p))
}

// wordOf returns the letters and digits of a name.
func wordOf(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, name)
}

// pairs are the pairs of a line.
type pairs struct {
	values map[string]string
	twice  string // a key that is there more than once
}

func (p *pairs) add(key, value string) {
	if _, there := p.values[key]; there {
		p.twice = key
	}
	p.values[key] = value
}

// claim returns what pairs state that are called the same in all formats of lines.
func (p *pairs) claim(form evidence.Form, id, time, hash, note string) Claim {
	c := Claim{Facts: evidence.Facts{Form: form, ID: p.values[id]}}
	d := denial{&c}
	d.milliseconds(p.values[time])
	d.hash(p.values[hash])
	if text := p.values[note]; text != "" {
		signed, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			d.says("its note is no Base64")
			signed = []byte(text)
		}
		c.Note = string(signed)
	}
	if p.twice != "" {
		d.says("the key %s is there twice", p.twice)
	}
	return c
}

func (d denial) numbers(epoch, sequence string) {
	if epoch == "" && sequence == "" {
		return
	}
	e, err := strconv.ParseUint(epoch, 10, 63)
	s, other := strconv.ParseUint(sequence, 10, 63)
	if err != nil || other != nil || e == 0 {
		d.says("its number is not whole")
		return
	}
	d.Number = source.Number{Epoch: e, Sequence: s}
}

// formOf returns the form of a record by its marks.
func formOf(undecoded, shortened bool) evidence.Form {
	switch {
	case undecoded:
		return evidence.Undecoded
	case shortened:
		return evidence.Shortened
	}
	return evidence.Whole
}

// cef returns what a record of the Common Event Format states.
func (p *Parser) cef(line string) (Claim, error) {
	header, extension, ok := cefHeader(line)
	if !ok || header[0] != "CEF:0" && header[0] != "CEF:1" {
		return Claim{}, foreign("CEF that cannot be read")
	}
	own, known := p.devices[header[1]+"|"+header[2]]
	if !known {
		return Claim{}, foreign(fmt.Sprintf("CEF of %s %s", header[1], header[2]))
	}
	m, err := cefPairs(extension)
	if err != nil {
		return Claim{}, foreign("CEF that cannot be read")
	}
	v := m.values
	c := m.claim(formOf(v["reason"] != "", v["cn1"] == "1"), "externalId", "rt", own+"EventSHA256", own+"Note")
	c.Facts.Action, c.Facts.Actor, c.Facts.Organization = v["act"], v["suid"], v["deviceExternalId"]
	c.Facts.Object, c.Facts.Container = v["flexString1"], v["flexString2"]
	if c.Facts.Address = v["src"]; c.Facts.Address == "" {
		c.Facts.Address = v["c6a2"]
	}
	c.Replayed = v[own+"Replayed"] == "1"
	epoch, sequence, _ := strings.Cut(v[own+"Number"], "/")
	denial{&c}.numbers(epoch, sequence)
	return c, nil
}

// cefHeader cuts a line into the seven fields of the header, and what follows. No field of
// Sluice has an escape.
func cefHeader(line string) (header [7]string, extension string, ok bool) {
	for i := range header {
		if header[i], line, ok = strings.Cut(line, "|"); !ok || strings.Contains(header[i], `\`) {
			return header, "", false
		}
	}
	return header, line, true
}

// cefPairs reads an extension. A key is what stands between a blank and an equals sign that
// is not escaped.
func cefPairs(text string) (*pairs, error) {
	m := &pairs{values: make(map[string]string, 40)}
	key := ""
	var value strings.Builder
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			if i++; i >= len(text) {
				return nil, fmt.Errorf("an escape at the end")
			}
			switch text[i] {
			case '\\', '=':
				value.WriteByte(text[i])
			case 'n':
				value.WriteByte('\n')
			case 'r':
				value.WriteByte('\r')
			default:
				return nil, fmt.Errorf("an escape of %q", text[i])
			}
		case '=':
			before := value.String()
			next := before[strings.LastIndexByte(before, ' ')+1:]
			if next == "" || wordOf(next) != next {
				return nil, fmt.Errorf("%q is no key", next)
			}
			before = strings.TrimSuffix(strings.TrimSuffix(before, next), " ")
			if key == "" && before != "" {
				return nil, fmt.Errorf("%q has no key", before)
			}
			if key != "" {
				m.add(key, before)
			}
			key = next
			value.Reset()
		default:
			value.WriteByte(text[i])
		}
	}
	if key != "" {
		m.add(key, value.String())
	}
	return m, nil
}

// leef returns what a record of the Log Event Extended Format states.
func (p *Parser) leef(line string) (Claim, error) {
	fields := strings.SplitN(line, "|", 7)
	if len(fields) != 7 || fields[0] != "LEEF:2.0" {
		return Claim{}, foreign("LEEF that cannot be read")
	}
	if _, known := p.devices[fields[1]+"|"+fields[2]]; !known {
		return Claim{}, foreign(fmt.Sprintf("LEEF of %s %s", fields[1], fields[2]))
	}
	m, ok := leefPairs(fields[5], fields[6])
	if !ok {
		return Claim{}, foreign("LEEF that cannot be read")
	}
	v := m.values
	c := m.claim(formOf(v["problem"] != "", v["truncated"] == "true"), "eventId", "devTime", "rawSha256", "note")
	c.Facts.Action, c.Facts.Actor, c.Facts.Organization, c.Facts.Address = v["action"], v["actorId"], v["accountName"], v["src"]
	c.Facts.Object, c.Facts.Container = v["resourceId"], v["containerId"]
	if v["firstId"] != "" || v["secondId"] != "" {
		c.Facts.Object, c.Facts.Container = v["firstId"], v["secondId"]
	}
	c.Replayed = v["replayed"] == "true"
	denial{&c}.numbers(v["epoch"], v["sequence"])
	return c, nil
}

// leefPairs reads attributes. Some receivers write a tab as #011.
func leefPairs(delimiter, text string) (*pairs, bool) {
	if delimiter == "x09" {
		delimiter = "\t"
		if !strings.Contains(text, delimiter) {
			text = strings.ReplaceAll(text, "#011", delimiter)
		}
	}
	if len(delimiter) != 1 {
		return nil, false
	}
	m := &pairs{values: make(map[string]string, 40)}
	for pair := range strings.SplitSeq(text, delimiter) {
		key, value, found := strings.Cut(pair, "=")
		if !found || wordOf(key) != key {
			return nil, false
		}
		m.add(key, value)
	}
	return m, true
}
