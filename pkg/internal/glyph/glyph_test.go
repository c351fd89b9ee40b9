package glyph_test

import (
	"testing"
	"unicode"

	"github.com/sluice-siem/sluice/pkg/internal/glyph"
)

func TestIn(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", ""},
		{"plain text: 'x' \"y\" - é 日本", ""},
		{"a\tb", "a tab"},
		{"a\r", "a line end"},
		{"a\u00a0b", "a no-break space (U+00A0)"},
		{"\ufeffa", "a byte order mark (U+FEFF)"},
		{"a\u200b", "a zero-width space (U+200B)"},
		{"“a”", "a typographic quote (U+201C)"},
		{"– a", "a typographic dash (U+2013)"},
		{"a：b", "a full-width colon (U+FF1A)"},
		{"a\x1bb", "a control character (U+001B)"},
		{"a\u202eb", "a mark of direction (U+202E)"},
		{"a\u00adb", "a soft hyphen (U+00AD)"},
		{"a\u2061b", "an invisible character (U+2061)"},
		{"a\ue000b", "an invisible character (U+E000)"},
		{"a\U000e0041b", "an invisible character (U+E0041)"},
		{"a\u2009b", "an unusual space (U+2009)"},
	} {
		if got := glyph.In(tt.text); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestEveryUnseenCharacterHasAName(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if glyph.Unseen(r) && glyph.Name(r) == "" {
			t.Fatalf("got no name for %U", r)
		}
	}
}

func TestVisible(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "",
		"José's \"🔒\" \\ \ufffd": "José's \"🔒\" \\ \ufffd",
		"a\tb\r\n":               `a\tb\r\n`,
		"\x1b[2J\x07\x00\x7f":    `\x1b[2J\a\x00\x7f`,
		"\u00a0\u202e\u2028":     `\u00a0\u202e\u2028`,
		"\xff\xc3(":              `\xff\xc3(`,
	} {
		if got := glyph.Visible(text); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}
