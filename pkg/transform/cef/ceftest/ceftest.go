// Package ceftest is a strict parser of the Common Event Format. Tests check with it what
// an encoder wrote or a receiver got. It shares no code with an encoder, and refuses
// everything that any consumer is known to misread.
package ceftest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Message is a parsed line.
type Message struct {
	CEF                      int    // version of the format, 0 or 1
	Vendor, Product, Version string // of the device
	ClassID, Name            string
	Severity                 int
	Extension                map[string]string // values without escapes
	Keys                     []string          // in the order of the line
}

// Parse reads one line of CEF version 0 or 1, without a line end. Every key must be in
// the dictionary of the version, and occur at most once, with a value of its type and
// length.
func Parse(line string) (Message, error) {
	if err := checkText(line); err != nil {
		return Message{}, err
	}
	version, rest, found := strings.Cut(line, "|")
	if !found || version != "CEF:0" && version != "CEF:1" {
		return Message{}, errors.New("line does not begin with CEF:0| or CEF:1|")
	}
	var header [6]string
	for i := range header {
		var err error
		if header[i], rest, err = headerField(rest); err != nil {
			return Message{}, fmt.Errorf("header field %d: %w", i+1, err)
		}
	}
	m := Message{CEF: int(version[len("CEF:")] - '0'), Vendor: header[0], Product: header[1], Version: header[2], ClassID: header[3], Name: header[4]}
	if err := checkHeader(&m, header[5]); err != nil {
		return Message{}, err
	}
	if err := m.parseExtension(rest); err != nil {
		return Message{}, err
	}
	return m, m.checkLabels()
}

// checkText refuses bytes that are not UTF-8, line ends, control characters, and
// characters that change the direction of text.
func checkText(line string) error {
	if !utf8.ValidString(line) {
		return errors.New("line is not UTF-8")
	}
	for i, r := range line {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || unicode.In(r, unicode.Zl, unicode.Zp) {
			return fmt.Errorf("character %U at byte %d", r, i)
		}
	}
	return nil
}

// headerField reads up to the next pipe that is not escaped.
func headerField(s string) (field, rest string, err error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '|':
			return b.String(), s[i+1:], nil
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '\\' || s[i+1] == '|'):
			i++
		case s[i] == '\\':
			return "", "", fmt.Errorf("illegal escape in %.40q", s[i:])
		}
		b.WriteByte(s[i])
	}
	return "", "", errors.New("no pipe at its end")
}

func checkHeader(m *Message, severity string) error {
	for _, f := range []struct {
		name, value string
		longest     int
	}{
		{"vendor", m.Vendor, 63}, {"product", m.Product, 63}, {"version", m.Version, 31}, {"class id", m.ClassID, 1023}, {"name", m.Name, 512},
	} {
		if f.value == "" || len(f.value) > f.longest || strings.TrimSpace(f.value) != f.value {
			return fmt.Errorf("%s %.80q: empty, longer than %d bytes, or with spaces at an end", f.name, f.value, f.longest)
		}
	}
	for _, r := range m.ClassID {
		if r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._-", r) {
			return fmt.Errorf("class id %q: character %q", m.ClassID, r)
		}
	}
	n, err := strconv.Atoi(severity)
	if err != nil || n < 0 || n > 10 || severity != strconv.Itoa(n) {
		return fmt.Errorf("severity %q is not a number from 0 to 10", severity)
	}
	m.Severity = n
	return nil
}

// parseExtension splits at the equals signs that are not escaped. Of the text between two
// of them, the last word is the next key, and the rest is the value.
func (m *Message) parseExtension(s string) error {
	m.Extension = map[string]string{}
	if s == "" {
		return nil
	}
	parts := splitUnescaped(s)
	key := parts[0]
	for i, part := range parts[1:] {
		value, next := part, ""
		if i < len(parts)-2 {
			cut := strings.LastIndexByte(part, ' ')
			if cut < 0 {
				return fmt.Errorf("value of %q is empty, or holds an equals sign that is not escaped", key)
			}
			value, next = part[:cut], part[cut+1:]
		}
		if err := m.add(key, value); err != nil {
			return fmt.Errorf("%.80q: %w", key, err)
		}
		key = next
	}
	if len(parts) == 1 {
		return fmt.Errorf("extension %.80q has no pair", s)
	}
	return nil
}

func splitUnescaped(s string) []string {
	var parts []string
	begin := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '=':
			parts = append(parts, s[begin:i])
			begin = i + 1
		}
	}
	return append(parts, s[begin:])
}

func (m *Message) add(key, escaped string) error {
	if _, twice := m.Extension[key]; twice {
		return errors.New("key is there twice")
	}
	value, err := unescape(escaped)
	if err != nil {
		return err
	}
	if value == "" || strings.Trim(escaped, " ") != escaped {
		return fmt.Errorf("value %.80q is empty, or has spaces at an end", value)
	}
	if err := m.checkValue(key, value); err != nil {
		return err
	}
	m.Extension[key] = value
	m.Keys = append(m.Keys, key)
	return nil
}

func unescape(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '\\' {
			i++
			if i == len(s) {
				return "", errors.New("escape at the end")
			}
			switch s[i] {
			case '\\', '=':
				c = s[i]
			case 'n':
				c = '\n'
			case 'r':
				c = '\r'
			default:
				return "", fmt.Errorf("illegal escape \\%c", s[i])
			}
		}
		b.WriteByte(c)
	}
	return b.String(), nil
}
