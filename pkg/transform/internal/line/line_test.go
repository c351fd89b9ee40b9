package line_test

import (
	"testing"
	"unicode"

	"github.com/sluice-siem/sluice/pkg/transform/internal/line"
)

// Every character that could end a line, drive a terminal or deceive a reader is
// replaced, and no other. The test names the ends of each range of such characters.
func TestWhatIsHarmful(t *testing.T) {
	directions := &unicode.RangeTable{R16: []unicode.Range16{
		{Lo: 0x061c, Hi: 0x061c, Stride: 1}, {Lo: 0x200e, Hi: 0x200f, Stride: 1},
		{Lo: 0x202a, Hi: 0x202e, Stride: 1}, {Lo: 0x2066, Hi: 0x2069, Stride: 1},
	}}
	blanks := map[rune]bool{' ': true, '\t': true, '\v': true, '\f': true, '\u0085': true, '\u2028': true, '\u2029': true}
	rules := line.NewRules(' ', "", func(r rune) rune { return r }, nil)
	for r := rune(0); r < 0x3000; r++ {
		want := string(r)
		switch {
		case r == '\n' || r == '\r':
			continue // each format treats them in its own way
		case blanks[r]:
			want = " "
		case r < 0x20 || r >= 0x7f && r < 0xa0 || unicode.Is(directions, r):
			want = "\ufffd"
		}
		w := line.Writer{Rules: rules}
		w.Value("a"+string(r)+"b", 100)
		if got := string(w.Buf); got != "a"+want+"b" {
			t.Errorf("%U: got %q, want %q", r, got, "a"+want+"b")
		}
	}
}
