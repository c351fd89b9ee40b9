package transform_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/transform"
)

func TestAppendJSON(t *testing.T) {
	for _, tt := range []struct{ words, text, want string }{
		{"plain text stands for itself", "plain", `"plain"`},
		{"nothing", "", `""`},
		{"quotes and backslashes", `a"b\c`, `"a\"b\\c"`},
		{"control characters", "\x00\x1f\n\r\t\b", `"\u0000\u001f\n\r\t\u0008"`},
		{"what some take for line ends", "\u0085\u2028\u2029", `"\u0085\u2028\u2029"`},
		{"other characters stay", "é€📦\x7f", "\"é€📦\x7f\""},
		{"each byte that is no UTF-8 is replaced", "a\xff\xe2\x82b\xed\xa0\x80", "\"a\ufffd\ufffd\ufffdb\ufffd\ufffd\ufffd\""},
		{"U+FFFD itself stays", "\ufffd", "\"\ufffd\""},
		{"a character over the edge of a chunk", strings.Repeat("a", 62) + "€\"", `"` + strings.Repeat("a", 62) + `€\""`},
		{"nothing but quotes", strings.Repeat(`"`, 70), `"` + strings.Repeat(`\"`, 70) + `"`},
	} {
		t.Run(tt.words, func(t *testing.T) {
			if got := string(transform.AppendJSON(nil, tt.text)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestAppendJSONOfEachByteAtEachPlace(t *testing.T) {
	for c := range 256 {
		for place := range 20 {
			b := []byte("abcdefghijklmnopqrst")
			b[place] = byte(c)
			var back string
			got := transform.AppendJSON(nil, b)
			if err := json.Unmarshal(got, &back); err != nil || back != string([]rune(string(b))) || !utf8.Valid(got) {
				t.Fatalf("%q: got %s: %v", b, got, err)
			}
		}
	}
}

// mixed draws strings from pieces that the code treats differently.
func mixed() *rapid.Generator[string] {
	piece := rapid.OneOf(
		rapid.StringMatching(`[ -~]{0,80}`),
		rapid.SampledFrom([]string{`"`, `\`, "\n", "\x00", "\x7f", "\u0085", "\u2028", "é", "€", "📦", "\xff", "\xe2\x82", `{"a":"b"}`}),
		rapid.String(),
	)
	return rapid.Map(rapid.SliceOf(piece), func(pieces []string) string { return strings.Join(pieces, "") })
}

func TestAppendJSONIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := mixed().Draw(t, "s")
		got := transform.AppendJSON([]byte("x"), s)[1:]
		if bytes.ContainsAny(got, "\n\r\u0085\u2028\u2029") || !utf8.Valid(got) {
			t.Fatalf("%q is not one line of UTF-8", got)
		}
		var back string
		if err := json.Unmarshal(got, &back); err != nil {
			t.Fatal(err)
		}
		if want := string([]rune(s)); back != want {
			t.Fatalf("got %q back, want %q", back, want)
		}
		if fromBytes := transform.AppendJSON(nil, []byte(s)); !bytes.Equal(fromBytes, got) {
			t.Fatalf("of bytes %q, of a string %q", fromBytes, got)
		}
	})
}

func TestAppendTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(0, 253402300799).Draw(t, "s"), rapid.Int64Range(0, 999999999).Draw(t, "ns")).
			In(time.FixedZone("", rapid.IntRange(-50000, 50000).Draw(t, "zone")))
		got := string(transform.AppendTime(nil, at))
		if want := at.UTC().Format("2006-01-02T15:04:05.000Z"); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	})
}

func TestCut(t *testing.T) {
	for _, tt := range []struct {
		text  string
		limit int
		want  string
	}{
		{"abc", 3, "abc"}, {"abc", 2, "ab"}, {"abc", 0, ""}, {"a€", 3, "a"}, {"a€", 2, "a"}, {"a€", 4, "a€"},
		{"📦", 3, ""}, {"\x80\x80\x80\x80\x80\x80", 5, "\x80"},
	} {
		if got := transform.Cut(tt.text, tt.limit); got != tt.want {
			t.Errorf("Cut(%q, %d): got %q, want %q", tt.text, tt.limit, got, tt.want)
		}
	}
}
