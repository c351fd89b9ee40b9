package stdout_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/sink/stdout"
)

func TestTerminalIsShownNoControls(t *testing.T) {
	for _, c := range []struct{ name, body, want string }{
		{"plain text", `{"name":"José 🔒 \"x\""}`, `{"name":"José 🔒 \"x\""}`},
		{"nothing", "", ""},
		{"escape sequence", "a\x1b[2Jb", `a\u001b[2Jb`},
		{"bell, backspace, tab and delete", "\a\b\t\x7f", `\u0007\u0008\u0009\u007f`},
		{"carriage return and line end", "a\r\nb", `a\u000d\u000ab`},
		{"NUL at both ends", "\x00a\x00", `\u0000a\u0000`},
		{"C1 in UTF-8", "\u0080\u009b31m\u009f", `\u0080\u009b31m\u009f`},
		{"C1 as bytes", "\x9b31m\x80", `\x9b31m\x80`},
		{"other bytes that are not UTF-8", "\xff\xc3(\xed\xa0\x80", `\xff\xc3(\xed\xa0\x80`},
		{"replacement character itself", "\ufffd", "\ufffd"},
		{"marks of direction", "\u200e\u200f\u061c", `\u200e\u200f\u061c`},
		{"embeddings and overrides", "\u202a\u202b\u202c\u202d\u202e", `\u202a\u202b\u202c\u202d\u202e`},
		{"isolates", "\u2066\u2067\u2068\u2069", `\u2066\u2067\u2068\u2069`},
		{"separators of lines and paragraphs", "\u2028\u2029", `\u2028\u2029`},
		{"neighbours of what is escaped", " ~\u00a0\u200d\u2010\u202f\u2065\u206a", " ~\u00a0\u200d\u2010\u202f\u2065\u206a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := string(stdout.AppendEscaped([]byte("> "), []byte(c.body)))
			if want := "> " + c.want; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// hostile are the characters that a terminal must never receive. The list is
// independent of the code that escapes them.
func hostile(r rune) bool {
	return r < 0x20 || r >= 0x7f && r <= 0x9f || r == 0x061c || r == 0x200e || r == 0x200f ||
		r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

func TestAnythingIsShownAsHarmlessText(t *testing.T) {
	awkward := rapid.SampledFrom([]string{"\x1b", "\u202e", "\u2066", "\x9b", "\u009b", "\n", "\xe2\x80", "é", "a", "\u2028"})
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.OneOf(
			rapid.Map(rapid.SliceOf(awkward), func(s []string) string { return strings.Join(s, "") }),
			rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
			rapid.String(),
		).Draw(t, "body")
		got := string(stdout.AppendEscaped(nil, []byte(body)))
		if !utf8.ValidString(got) || strings.ContainsFunc(got, hostile) {
			t.Fatalf("got %q of %q, want harmless UTF-8", got, body)
		}
		if utf8.ValidString(body) && !strings.ContainsFunc(body, hostile) && got != body {
			t.Fatalf("got %q, want it unchanged: %q", got, body)
		}
	})
}
