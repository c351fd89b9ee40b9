package ledger_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/internal/ledger"
)

func TestEntryKeepsPositions(t *testing.T) {
	for _, pos := range []string{`1`, `null`, `"\u0000"`, `"<script>&</script>"`, `{"a":[1,2],"b":"\ud800"}`, `"` + strings.Repeat("<", 768<<10-2) + `"`} {
		value, err := ledger.Encode(ledger.Entry{Lane: lane, Commit: "c", Position: []byte(pos)})
		if err != nil {
			t.Errorf("position %.40s: %v", pos, err)
			continue
		}
		e, err := ledger.Decode(value, lane)
		if err != nil || string(e.Position) != pos {
			t.Errorf("got %.40s and %v, want %.40s", e.Position, err, pos)
		}
	}
}

func TestEntryRefusesPositions(t *testing.T) {
	for name, pos := range map[string]string{
		"too large": `"` + strings.Repeat("x", 856<<10) + `"`, "no JSON": `{"at":`, "two": `1 2`,
	} {
		if value, err := ledger.Encode(ledger.Entry{Lane: lane, Commit: "c", Position: []byte(pos)}); err == nil {
			t.Errorf("%s: got %.40s, want an error", name, value)
		}
	}
}

// Any value in the topic is either an error, or a value that a ledger of the lane could
// have written. For the latter, another decoder must read the same.
func FuzzDecodeEntry(f *testing.F) {
	whole := `{"version":1,"lane":"acme/siem","topic":"audit","commit":"C","saved":"2026-01-02T03:04:05Z","position":{"at":1}}`
	for _, seed := range []string{
		whole, ``, `null`, `{}`, `[]`, `0`, whole + whole, whole[:40],
		strings.Replace(whole, `"version":1`, `"version":2`, 1),
		strings.Replace(whole, `"version":1`, `"version":1,"version":1`, 1),
		strings.Replace(whole, `"lane"`, `"LANE"`, 1),
		strings.Replace(whole, `acme/siem`, `acme/other`, 1),
		strings.Replace(whole, `{"at":1}`, `null`, 1),
		strings.Replace(whole, `"position":{"at":1}`, `"released":true`, 1),
		strings.Replace(whole, `"position"`, `"released":true,"position"`, 1),
		strings.Replace(whole, `"position"`, `"position":2,"position"`, 1),
		strings.Replace(whole, `"position"`, `"position":2,"Position"`, 1),
		strings.Replace(whole, `"position":{"at":1}`, `"extra":[[[[]]]]`, 1),
		strings.Replace(whole, `"C"`, `""`, 1),
		"\xff\xfe" + whole,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		e, err := ledger.Decode(value, lane)
		if err != nil {
			if class(err) != "destination" || !strings.Contains(hint(err), "sluice checkpoint set") {
				t.Fatalf("got class %q and hint %q, want a hint with what to do", class(err), hint(err))
			}
			return
		}
		if reason := contradicts(value, e); reason != "" {
			t.Fatalf("%q: %s", value, reason)
		}
	})
}

// contradicts compares an entry with the tokens of its value: it has exactly these keys,
// each once.
func contradicts(value []byte, e ledger.Entry) string {
	fields := make(map[string]json.RawMessage)
	d := json.NewDecoder(bytes.NewReader(value))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return "it is no object"
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err.Error()
		}
		name := key.(string)
		if _, ok := fields[name]; ok {
			return name + " is there twice"
		}
		var field json.RawMessage
		if err := d.Decode(&field); err != nil {
			return err.Error()
		}
		fields[name] = field
	}
	released := string(fields["released"]) == "true"
	switch {
	case string(fields["version"]) != "1":
		return "another version"
	case string(fields["lane"]) != `"`+lane+`"`:
		return "another lane"
	case released != e.Released:
		return "released or not"
	case !bytes.Equal(fields["position"], e.Position):
		return "another position"
	case !released && len(e.Position) == 0:
		return "no position"
	}
	return ""
}
