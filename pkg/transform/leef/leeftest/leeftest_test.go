package leeftest_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/transform/leef/leeftest"
)

func TestParse(t *testing.T) {
	got, err := leeftest.Parse("LEEF:2.0|Acme|Thing|1.0|a.b|^|sev=3^usrName=a=b c^devTime=1773500966535^src=2001:db8::7")
	want := leeftest.Message{
		Vendor: "Acme", Product: "Thing", Version: "1.0", EventID: "a.b", Delimiter: '^',
		Attributes: map[string]string{"sev": "3", "usrName": "a=b c", "devTime": "1773500966535", "src": "2001:db8::7"},
		Keys:       []string{"sev", "usrName", "devTime", "src"},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("error %v, message (-want +got):\n%s", err, diff)
	}
}

func TestParseRefuses(t *testing.T) {
	const good = "LEEF:2.0|Acme|Thing|1.0|a.b|x09|sev=3\tusrName=ada"
	if _, err := leeftest.Parse(good); err != nil {
		t.Fatal(err)
	}
	for words, line := range map[string]string{
		"another version":               strings.Replace(good, "2.0", "1.0", 1),
		"a header that is too short":    "LEEF:2.0|Acme|Thing|1.0|a.b|sev=3",
		"an empty field":                strings.Replace(good, "Acme", "", 1),
		"an event id with a space":      strings.Replace(good, "a.b", "a b", 1),
		"an event id that is too long":  strings.Replace(good, "a.b", strings.Repeat("x", 256), 1),
		"no delimiter":                  strings.Replace(good, "x09", "", 1),
		"a delimiter of two characters": strings.Replace(good, "x09", "^^", 1),
		"a line end":                    good + "\nx",
		"a tab that is no delimiter":    strings.Replace(good, "x09", "^", 1),
		"a pipe in a value":             good + "|x",
		"bytes that are no UTF-8":       good + "\xff",
		"a direction mark":              good + "\u202e",
		"a key that is there twice":     good + "\tsev=4",
		"a key of two words":            good + "\ta b=c",
		"a value without a key":         good + "\tevil",
		"no value":                      good + "\tx=",
		"a space at the end of a value": good + " ",
		"a severity of zero":            strings.Replace(good, "sev=3", "sev=0", 1),
		"a time that is none":           good + "\tdevTime=now",
		"an address that is none":       good + "\tsrc=localhost",
		"a login that is neither nor":   good + "\tisLoginEvent=yes",
		"a user name that is too long":  good + strings.Repeat("x", 253),
	} {
		if m, err := leeftest.Parse(line); err == nil {
			t.Errorf("%s: %q was read as %+v", words, line, m)
		}
	}
}
