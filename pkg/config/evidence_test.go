package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// keyIn writes a new private key, and returns its public key.
func keyIn(t *testing.T, file string) string {
	t.Helper()
	private, public, err := evidence.NewKey("acme")
	if err == nil {
		err = os.WriteFile(file, []byte(private+"\n"), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return public
}

// A key is what its file holds: another path to the same key changes nothing, another key
// in the same file restarts all lanes.
func TestEvidenceIsItsKeys(t *testing.T) {
	t.Chdir(t.TempDir())
	keyIn(t, "a.key")
	const with = "evidence: {key_file: a.key}\n"
	all := []string{"acme/siem", "globex/siem", "acme/dir.one"}
	none := parse(t, compared, nil)
	former := parse(t, with+compared, nil)
	for _, l := range former.Lanes() {
		if l.Evidence != former.Evidence || l.Evidence == nil {
			t.Errorf("lane %s has no evidence", l.Name)
		}
	}
	want(t, config.Difference{Keys: []string{"evidence"}, Restarted: all}, config.Compare(none, former))
	if err := os.Link("a.key", "b.key"); err != nil {
		t.Fatal(err)
	}
	want(t, config.Difference{}, config.Compare(former, parse(t, strings.Replace(with, "a.key", "b.key", 1)+compared, nil)))
	if err := os.Remove("b.key"); err != nil {
		t.Fatal(err)
	}
	keyIn(t, "b.key")
	rotated := parse(t, "evidence: {key_file: b.key, former_key_files: [a.key]}\n"+compared, nil)
	want(t, config.Difference{Keys: []string{"evidence.former_key_files", "evidence.key_file"}, Restarted: all}, config.Compare(former, rotated))
	want(t, former.Evidence.Key.Public, rotated.Evidence.Former[0].Public)
}

// --watch sees a key that is replaced.
func TestAKeyIsPartOfTheFootprint(t *testing.T) {
	dir := t.TempDir()
	key, file := filepath.Join(dir, "a.key"), filepath.Join(dir, "sluice.yaml")
	keyIn(t, key)
	if err := os.WriteFile(file, []byte("evidence: {key_file: "+key+"}\n"+least), 0o600); err != nil {
		t.Fatal(err)
	}
	_, trace, err := config.LoadTraced(file, kinds)
	if err != nil {
		t.Fatal(err)
	}
	if trace.Now() != trace.Read() {
		t.Error("the footprint differs although nothing changed")
	}
	keyIn(t, key)
	if trace.Now() == trace.Read() {
		t.Error("the footprint is the same although the key changed")
	}
}

// Whoever may not read a key must not be able to, and no message shows a key.
func TestKeysThatAreRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	public := keyIn(t, "a.key")
	private, err := os.ReadFile("a.key")
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string, mode os.FileMode) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	write("open.key", string(private), 0o604)
	write("group.key", string(private), 0o640)
	write("shared.key", string(private), 0o660)
	write("a.pub", public, 0o644)
	write("half.key", string(private[:len(private)-9]), 0o600)
	parse(t, "evidence: {key_file: group.key}\n"+least, nil)
	for keys, want := range map[string]string{
		"key_file: open.key":   "others may use it (mode 0604); run chmod 600 on it",
		"key_file: shared.key": "others may use it (mode 0660); run chmod 600 on it",
		"key_file: a.pub":      "it holds a public key; write the path of the private one, NAME.key",
		"key_file: half.key":   "it holds no private key; write the path of one that sluice key new made",
		"key_file: b.key":      "no such file or directory; write the path of a private key that sluice key new made",
		"key_file: '" + strings.TrimSpace(string(private)) + "'": "write the path of a private key that sluice key new made",
		"key_file: a.key, former_key_files: [group.key]":         "evidence.former_key_files[0]: is the key of evidence.key_file, too; remove one of them",
	} {
		_, err := config.Parse("sluice.yaml", []byte("evidence: {"+keys+"}\n"+least), kinds, env(nil))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "PRIVATE") {
			t.Errorf("%.30s: got %v, want %s", keys, err, want)
		}
	}
}

type humanSettings struct{}

func (humanSettings) WithoutEvidence() {}

// Messages for people have no evidence by default. The configuration overrides that.
func TestEvidenceOfASink(t *testing.T) {
	t.Chdir(t.TempDir())
	keyIn(t, "a.key")
	kinds := kinds
	kinds.Sinks = append(kinds.Sinks[:len(kinds.Sinks):len(kinds.Sinks)], sink.NewType("chat", humanSettings{}, openNothing[humanSettings]))
	for sink, want := range map[string]bool{
		"{name: a, type: stdout}":                  true,
		"{name: a, type: stdout, evidence: false}": false,
		"{name: a, type: chat}":                    false,
		"{name: a, type: chat, evidence: true}":    true,
	} {
		text := "evidence: {key_file: a.key}\n" + strings.Replace(least, "{name: screen, type: stdout}", sink, 1)
		c, err := config.Parse("sluice.yaml", []byte(text), kinds, env(nil))
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range c.Lanes() {
			if got := l.Evidence != nil; got != want {
				t.Errorf("lane %s of %s: evidence %v, want %v", l.Name, sink, got, want)
			}
		}
	}
}
