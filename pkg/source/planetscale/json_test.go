package planetscale

import (
	"encoding/json"
	"testing"
)

// Strings are skipped eight bytes at a time, so each byte must be judged alike
// wherever it stands.
func TestEachByteAtEachPlaceOfAString(t *testing.T) {
	for c := range 256 {
		for place := range 20 {
			text := []byte(`"abcdefghijklmnopqrst"`)
			text[1+place] = byte(c)
			s := scanner{text: string(text)}
			_, err := s.value(0)
			if err == nil {
				err = s.end()
			}
			if got, want := err == nil, json.Valid(text); got != want {
				t.Errorf("%q: accepted %t, want %t", text, got, want)
			}
		}
	}
}
