package ceftest_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/transform/cef/ceftest"
)

const header = `CEF:0|Acme|Thing|1.0|a.b|A b|3|`

func TestParse(t *testing.T) {
	got, err := ceftest.Parse(`CEF:0|A\|cme|Th\\ing|1.0|a.b|A b=c|10|rt=1700000000123 msg=a\=b \\ |c\nd cs1=x y cs1Label=Why src=10.0.0.1`)
	if err != nil {
		t.Fatal(err)
	}
	want := ceftest.Message{
		Vendor: "A|cme", Product: `Th\ing`, Version: "1.0", ClassID: "a.b", Name: "A b=c", Severity: 10,
		Extension: map[string]string{"rt": "1700000000123", "msg": "a=b \\ |c\nd", "cs1": "x y", "cs1Label": "Why", "src": "10.0.0.1"},
		Keys:      []string{"rt", "msg", "cs1", "cs1Label", "src"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
	if got.Labelled("Why") != "x y" || got.Labelled("What") != "" {
		t.Errorf("labelled: got %q and %q", got.Labelled("Why"), got.Labelled("What"))
	}
	if _, err := ceftest.Parse(header); err != nil {
		t.Errorf("an empty extension: %v", err)
	}
	if m, err := ceftest.Parse(header + "AcmeThingEventSHA256=ab"); err != nil || m.Extension["AcmeThingEventSHA256"] != "ab" {
		t.Errorf("a key of the device's own: got %+v, error %v", m, err)
	}
	line := strings.Replace(header, "CEF:0", "CEF:1", 1) + "reportedResourceID=a threatAttackID=T1098"
	if m, err := ceftest.Parse(line); err != nil || m.CEF != 1 || m.Extension["threatAttackID"] != "T1098" {
		t.Errorf("version 1: got %+v, error %v", m, err)
	}
}

func TestParseRefuses(t *testing.T) {
	for words, line := range map[string]string{
		"another version":                     `CEF:2|Acme|Thing|1.0|a.b|A b|3|`,
		"text before it":                      ` ` + header,
		"a header without its last pipe":      `CEF:0|Acme|Thing|1.0|a.b|A b|3`,
		"an escaped equals sign in a header":  `CEF:0|Acme|Th\=ing|1.0|a.b|A b|3|`,
		"an empty vendor":                     `CEF:0||Thing|1.0|a.b|A b|3|`,
		"a name too long":                     `CEF:0|Acme|Thing|1.0|a.b|` + strings.Repeat("n", 513) + `|3|`,
		"a class id with a space":             `CEF:0|Acme|Thing|1.0|a b|A b|3|`,
		"a severity above ten":                `CEF:0|Acme|Thing|1.0|a.b|A b|11|`,
		"no severity":                         `CEF:0|Acme|Thing|1.0|a.b|A b||`,
		"an own key of another device":        header + "AcmeOtherKey=a",
		"an own key of no more than a device": header + "AcmeThing=a",
		"an own key of two words":             header + "AcmeThingEvent_Hash=a",
		"a line end":                          header + "msg=a\nb",
		"a carriage return":                   header + "msg=a\rb",
		"a tab":                               header + "msg=a\tb",
		"a NUL":                               header + "msg=a\x00b",
		"a line separator":                    header + "msg=a\u2028b",
		"a next line":                         header + "msg=a\u0085b",
		"a change of direction":               header + "msg=a\u202eb",
		"bytes that are no UTF-8":             header + "msg=a\xffb",
		"an equals sign that is not escaped":  header + "msg=a=b",
		"a forged key twice":                  header + "suser=x msg=y suser=z",
		"an escaped pipe in a value":          header + `msg=a\|b`,
		"an escaped t":                        header + `msg=a\tb`,
		"an escape at the end":                header + `msg=a\`,
		"an empty value":                      header + "msg= act=b",
		"an empty last value":                 header + "msg=",
		"two spaces between pairs":            header + "msg=a  act=b",
		"a space at the end":                  header + "msg=a ",
		"a space at the beginning":            header + " msg=a",
		"text without a pair":                 header + "hello",
		"a key that is not in the dictionary": header + "PlanetScaleThing=a",
		"a key for consumers":                 header + "rawEvent=a",
		"a value too long":                    header + "act=" + strings.Repeat("a", 64),
		"an id too long":                      header + "externalId=" + strings.Repeat("a", 41),
		"a time in RFC 3339":                  header + "rt=2026-03-14T15:09:26Z",
		"an integer with a fraction":          header + "cn1=1.5 cn1Label=x",
		"an IPv6 address in src":              header + "src=::1",
		"an IPv4 address in c6a2":             header + "c6a2=10.0.0.1 c6a2Label=x",
		"no address":                          header + "src=localhost",
		"a custom string without a label":     header + "cs1=a",
		"a label without its string":          header + "cs1Label=a",
		"two equal labels":                    header + "cs1=a cs1Label=x cs2=b cs2Label=x",
		"a label of flexString too long":      header + "flexString1=a flexString1Label=" + strings.Repeat("a", 129),
		"a label of a key that has none":      header + "act=a actLabel=b",
		"a key of version 1 in version 0":     header + "reportedResourceID=a",
		"a name too long for version 1":       strings.Replace(header, "CEF:0", "CEF:1", 1) + "reportedResourceName=" + strings.Repeat("a", 65),
		"an id too long for version 1":        strings.Replace(header, "CEF:0", "CEF:1", 1) + "threatAttackID=" + strings.Repeat("a", 33),
	} {
		if m, err := ceftest.Parse(line); err == nil {
			t.Errorf("%s: %q was read as %+v", words, line, m)
		}
	}
}
