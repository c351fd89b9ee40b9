// Package leeftest is a strict parser of the Log Event Extended Format 2.0. Tests check
// with it what an encoder wrote or a receiver got. It shares no code with an encoder, and
// refuses everything that a consumer could read in two ways.
package leeftest

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Message is a parsed line.
type Message struct {
	Vendor, Product, Version, EventID string
	Delimiter                         rune
	Attributes                        map[string]string
	Keys                              []string // in the order of the line
}

// Parse reads one line, without a line end.
func Parse(line string) (Message, error) {
	header := strings.SplitN(line, "|", 7)
	if len(header) < 7 || header[0] != "LEEF:2.0" {
		return Message{}, errors.New("line does not begin with LEEF:2.0 and five more fields that end in a pipe")
	}
	m := Message{Vendor: header[1], Product: header[2], Version: header[3], EventID: header[4], Attributes: map[string]string{}}
	for i, field := range header[1:5] {
		if field == "" || strings.TrimSpace(field) != field {
			return Message{}, fmt.Errorf("header field %d, %q: empty, or with spaces at an end", i+2, field)
		}
	}
	if len(m.EventID) > 255 || !eventID.MatchString(m.EventID) {
		return Message{}, fmt.Errorf("event id %.300q", m.EventID)
	}
	var err error
	if m.Delimiter, err = delimiter(header[5]); err != nil {
		return Message{}, err
	}
	if err := checkText(line, m.Delimiter); err != nil {
		return Message{}, err
	}
	for pair := range strings.SplitSeq(header[6], string(m.Delimiter)) {
		if err := m.add(pair); err != nil {
			return Message{}, fmt.Errorf("attribute %.80q: %w", pair, err)
		}
	}
	return m, nil
}

var (
	eventID = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)
	hexCode = regexp.MustCompile(`^0?x([0-9A-Fa-f]{1,4})$`)
	oneWord = regexp.MustCompile(`^[A-Za-z0-9]+$`)
)

func delimiter(field string) (rune, error) {
	if code := hexCode.FindStringSubmatch(field); code != nil {
		n, err := strconv.ParseUint(code[1], 16, 16)
		return rune(n), err
	}
	if r, size := utf8.DecodeRuneInString(field); size == len(field) && r > ' ' && r != utf8.RuneError {
		return r, nil
	}
	return 0, fmt.Errorf("delimiter %q is neither a character nor the code of one", field)
}

// checkText refuses bytes that are not UTF-8, line ends, control characters other than
// the delimiter, a pipe after the header, and characters that change the direction of
// text.
func checkText(line string, delimiter rune) error {
	if !utf8.ValidString(line) {
		return errors.New("line is not UTF-8")
	}
	if n := strings.Count(line, "|"); n != 6 {
		return fmt.Errorf("%d pipes, want the six of the header", n)
	}
	for i, r := range line {
		if r != delimiter && unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || unicode.In(r, unicode.Zl, unicode.Zp) {
			return fmt.Errorf("character %U at byte %d", r, i)
		}
	}
	return nil
}

func (m *Message) add(pair string) error {
	key, value, found := strings.Cut(pair, "=")
	switch {
	case !found || !oneWord.MatchString(key):
		return errors.New("no key of letters and digits before an equals sign")
	case m.Attributes[key] != "":
		return errors.New("key is there twice")
	case value == "" || strings.Trim(value, " ") != value:
		return errors.New("value is empty, or has spaces at an end")
	}
	m.Attributes[key] = value
	m.Keys = append(m.Keys, key)
	return checkKnown(key, value)
}

// checkKnown checks the attributes that LEEF defines against their types and lengths
// (IBM, "Predefined LEEF event attributes").
func checkKnown(key, value string) error {
	switch key {
	case "sev":
		if n, err := strconv.Atoi(value); err != nil || n < 1 || n > 10 {
			return fmt.Errorf("severity %q is not a number from 1 to 10", value)
		}
	case "devTime":
		if _, err := strconv.ParseInt(value, 10, 64); err != nil || len(value) < 1 || len(value) > 15 {
			return fmt.Errorf("%q is not a time in milliseconds", value)
		}
	case "src", "dst", "identSrc":
		if ip, err := netip.ParseAddr(value); err != nil || ip.Zone() != "" {
			return fmt.Errorf("%q is not an address: %w", value, err)
		}
	case "usrName", "accountName", "vSrcName", "identHostName", "identNetBios", "identGrpName":
		if len(value) > 255 { // IBM counts characters; a column may count bytes.
			return fmt.Errorf("%d bytes, at most 255 are allowed", len(value))
		}
	case "isLoginEvent", "isLogoutEvent":
		if value != "true" && value != "false" {
			return fmt.Errorf("%q is neither true nor false", value)
		}
	}
	return nil
}
