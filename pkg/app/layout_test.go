package app

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		name, text string
		indent     int
		width      int
		want       string
	}{
		{"no terminal", "one two three four five", 4, 0, "one two three four five"},
		{"a terminal that is too narrow for an indent", "one two three four five", 4, 23, "one two three four five"},
		{"at blanks, behind the indent", "one two three four five six", 4, 24, "one two three four\n    five six"},
		{"exactly as wide", "one two three four x", 4, 24, "one two three four x"},
		{"a word that fits no line stays whole and where it is", "in /a/path/that/is/much/too/long is a file", 4, 24, "in /a/path/that/is/much/too/long\n    is a file"},
		{"a word that fits the next line", "one two /a/path/like/that", 4, 24, "one two\n    /a/path/like/that"},
		{"lines of the text", "one\ntwo", 4, 40, "one\n    two"},
		{"wide characters", "日本 日本 日本 日本 日本", 4, 24, "日本 日本 日本 日本\n    日本"},
		{"colors take no room", "\x1b[1;31mone two\x1b[0m three four x", 4, 24, "\x1b[1;31mone two\x1b[0m three four x"},
	} {
		if diff := cmp.Diff(c.want, wrap(c.text, c.indent, c.width)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// Nothing is cut off, however narrow the terminal: the lane, the state and the reason are
// what a person looks for.
func TestARowThatDoesNotFitIsAParagraph(t *testing.T) {
	lane := strings.Repeat("lane", 30)
	rows := table{header: []string{"LANE", "NEWEST EVENT", "SAVED", "REASON"}}
	rows.add("acme/siem", "2026-03-01T10:00:00Z", "3s ago", "-")
	if got, want := rows.width(), len("acme/siem")+2+20+2+len("3s ago")+2+len("REASON"); got != want {
		t.Errorf("got width %d, want %d", got, want)
	}
	want := "acme/siem\n  newest event 2026-03-01T10:00:00Z\n  saved 3s ago  reason -\n"
	if diff := cmp.Diff(want, rows.paragraph(rows.rows[0], 40)); diff != "" {
		t.Errorf("a narrow terminal (-want +got):\n%s", diff)
	}
	want = "acme/siem\n  newest event 2026-03-01T10:00:00Z  saved 3s ago  reason -\n"
	if diff := cmp.Diff(want, rows.paragraph(rows.rows[0], 80)); diff != "" {
		t.Errorf("a wider one (-want +got):\n%s", diff)
	}
	want = lane + "\n  newest event -  saved never\n  reason it was refused by the\n    destination, which is full\n"
	if diff := cmp.Diff(want, rows.paragraph([]string{lane, "-", "never", "it was refused by the destination, which is full"}, 32)); diff != "" {
		t.Errorf("a long reason (-want +got):\n%s", diff)
	}
}

func TestHelpFitsATerminalOf80Columns(t *testing.T) {
	var help strings.Builder
	c := &command{kinds: kinds(), stdin: strings.NewReader(""), stdout: &help, stderr: &help}
	var check func(path []string)
	check = func(path []string) {
		help.Reset()
		root := c.root()
		root.SetArgs(append(path, "--help"))
		if err := root.Execute(); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(help.String()) {
			if n := cells(strings.TrimSuffix(line, "\n")); n > helpWidth {
				t.Errorf("sluice %s: %d columns: %s", strings.Join(path, " "), n, line)
			}
		}
		found, _, err := root.Find(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, sub := range found.Commands() {
			if name := sub.Name(); name != "completion" && name != "help" { // cobra's own
				check(append(path[:len(path):len(path)], name))
			}
		}
	}
	check(nil)
}
