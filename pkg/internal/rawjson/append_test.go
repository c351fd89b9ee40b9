package rawjson_test

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/internal/rawjson"
)

// encoding/json reads back the same text, with U+FFFD for what is not UTF-8.
func TestAppendedStringsAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SliceOf(rapid.Byte()).Draw(t, "text")
		var got string
		if err := json.Unmarshal(rawjson.AppendString(nil, text), &got); err != nil {
			t.Fatal(err)
		}
		if want := strings.ToValidUTF8(string([]rune(string(text))), "\ufffd"); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		if string(rawjson.AppendString(nil, string(text))) != string(rawjson.AppendString(nil, text)) {
			t.Fatal("a string and its bytes differ")
		}
	})
}
