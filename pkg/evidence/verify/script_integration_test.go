//go:build integration

package verify_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A script in another language, which knows only what the documentation says, comes to the
// same verdicts.
func TestAScriptInAnotherLanguageAgrees(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatalf("the gate installs python3: %v", err)
	}
	script := must(filepath.Abs("../../../docs/examples/verify/verify.py"))
	h := newHistoryIn(transformer(t, formats[0].format, true, nil), 11, 60)
	records, _ := h.records(t)
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key := write("acme.pub", h.keys[h.lanes[0].firstKey].Public+"\n")
	run := func(text string) (string, int) {
		cmd := exec.Command(python, script, key, write("export.ndjson", text))
		out, err := cmd.CombinedOutput()
		if exit, failed := err.(*exec.ExitError); failed {
			return string(out), exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		return string(out), 0
	}
	whole := lines(records)
	if out, code := run(whole); code != 0 || !strings.Contains(out, "0 findings") {
		t.Fatalf("a clean export ends with %d: %s", code, out)
	}
	victim := h.unique()
	id := records[victim].ID
	sequence := strconv.FormatUint(h.shipped[victim].event.Number.Sequence, 10)
	for name, c := range map[string]struct{ text, want string }{
		"deleted":      {strings.Replace(whole, body(&records[victim])+"\n", "", 1), "record " + sequence + " is missing"},
		"altered":      {strings.ReplaceAll(whole, `"id":"`+id+`"`, `"id":"x`+id+`"`), "this record is not as it was delivered"},
		"the original": {strings.Replace(whole, `\"id\":\"`+id, `\"id\":\"x`+id, 1), "this record is not as it was delivered"},
		"a note":       {strings.ReplaceAll(whole, `\nnumber 1\n`, `\nnumber 2\n`), "no given key has signed this note"},
	} {
		if out, code := run(c.text); code != 1 || !strings.Contains(out, c.want) {
			t.Errorf("%s: it ends with %d: %s", name, code, out)
		}
	}
}
