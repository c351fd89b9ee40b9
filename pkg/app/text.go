package app

import (
	"fmt"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/glyph"
)

// printable escapes what could control a terminal in a text from elsewhere. Line ends
// stay, since some errors have several lines.
func printable(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = glyph.Visible(line)
	}
	return strings.Join(lines, "\n")
}

// oneLine makes a text printable that shares its line with others, or is a row of a table.
func oneLine(text string) string { return glyph.Visible(text) }

// count writes a number with separators between thousands.
func count(n uint64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// when writes a time for people; "-" for none.
func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

// ago writes for people how long ago a time was; "-" for none.
func ago(t time.Time) string {
	past := max(0, time.Since(t))
	switch {
	case t.IsZero():
		return "-"
	case past < time.Hour:
		return past.Round(time.Second).String() + " ago"
	case past < 48*time.Hour:
		return fmt.Sprintf("%dh%dm ago", int(past.Hours()), int(past.Minutes())%60)
	}
	return fmt.Sprintf("%d days ago", int(past.Hours())/24)
}

// quoted writes a word so that a shell reads it as one.
func quoted(word string) string {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("/._-+,:=@", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
