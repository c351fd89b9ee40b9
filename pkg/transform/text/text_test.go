package text_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rivo/uniseg"
	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/internal/golden"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/internal/corpus"
	"github.com/sluice-siem/sluice/pkg/transform/text"
)

func wide(width int) transform.Options { return corpus.Options(transform.Options{Width: width}) }

func encode(tb testing.TB, width int, e source.Event) string {
	tb.Helper()
	return string(corpus.Encode(tb, text.Format, wide(width), e).Body)
}

// The line of each event, without a limit and at usual widths.
func TestGolden(t *testing.T) {
	for _, width := range []int{0, 80, 100, 132} {
		var lines strings.Builder
		for _, c := range slices.Concat(corpus.Cases(), corpus.EvidenceCases()) {
			fmt.Fprintf(&lines, "%s\n", encode(t, width, c.Event))
		}
		own := corpus.OwnOptions(wide(width))
		for _, c := range corpus.OwnCases() {
			fmt.Fprintf(&lines, "%s\n", corpus.Encode(t, text.Format, own, c.Event).Body)
		}
		golden.Check(t, fmt.Sprintf("%d.txt", width), lines.String())
	}
}

func TestCommonContract(t *testing.T) {
	corpus.CheckAppends(t, text.Format, wide(0))
}

// hostile are the characters that must reach no terminal. The list does not depend on the
// code that replaces them.
func hostile(r rune) bool {
	return r < 0x20 || r >= 0x7f && r <= 0x9f || r == 0x061c || r >= 0x200e && r <= 0x200f || r == 0x200b ||
		r >= 0x2028 && r <= 0x202e || r >= 0x2060 && r <= 0x206f || r == 0xfeff || r == 0x00a0 || r == 0x3000 ||
		r == 0x2800 || r == 0x3164 || r == 0xffa0 || r == 0x115f || r == 0x1160 || r == 0x17b4 || r == 0x1d159 || r == 0x034f || r >= 0xe0000 && r <= 0xe0fff
}

// Whatever an event holds, its line is valid, harmless and no wider than the screen, and
// no value reaches another column.
func TestNoEventForgesAColumn(t *testing.T) {
	awkward := rapid.SampledFrom([]string{"\x1b[2J", "\u202e", "\u2066", "\x9b", "\n", "\r", "\t", "\xe2\x80", "  ", "\u00a0\u3000",
		"\u2800\u2800", "\u3164", "\uffa0", "\u115f", "\u1160", "\u17b4", "\U0001d159", "a\u034f", "🏴\U000e0067\U000e007f", "\u200b", "\u0301", "e" + strings.Repeat("\u0301", 50), "世界", "👩‍👩‍👧", "ﷺ", "a", "high  Ada Lovelace  Signed in"})
	value := rapid.OneOf(
		rapid.Map(rapid.SliceOf(awkward), func(s []string) string { return strings.Join(s, "") }),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
		rapid.String(),
	)
	rapid.Check(t, func(rt *rapid.T) {
		width := rapid.SampledFrom([]int{40, 80, 99, 100, 119, 120, 200}).Draw(rt, "width")
		e := corpus.Typical()
		e.Actor.Name, e.Objects[0].Name, e.Objects[1].Name = value.Draw(rt, "actor"), value.Draw(rt, "object"), value.Draw(rt, "container")
		e.RemoteIP, e.Location = value.Draw(rt, "address"), value.Draw(rt, "place")
		e.Number.Epoch = rapid.Uint64Range(0, 1).Draw(rt, "epoch")
		got := encode(t, width, e)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, hostile) {
			rt.Fatalf("%q is not harmless", got)
		}
		if cells := uniseg.StringWidth(got); cells > width {
			rt.Fatalf("%q has %d cells, want at most %d", got, cells, width)
		}
		plain := corpus.Typical()
		plain.Actor.Name = ""
		if want, at := encode(t, width, plain), column(got, "Deploy"); at != column(want, "Deploy") {
			rt.Fatalf("%q: what was done is at cell %d, want it where %q has it", got, at, want)
		}
		for _, part := range strings.Split(got, "  ") {
			if strings.TrimSpace(part) != strings.Trim(part, " ") {
				rt.Fatalf("%q: a value has a space of its own", got)
			}
		}
	})
}

// column returns the cell at which a word begins for the last time where only the actor
// is before it.
func column(line, word string) int {
	before, _, _ := strings.Cut(line, "  "+word)
	return uniseg.StringWidth(before)
}

// An event of the own log says the reason, in the width that there is.
func TestAnOwnEventSaysWhy(t *testing.T) {
	e := corpus.OwnCases()[3].Event
	e.Text = "Lane acme/siem is not ready since 2026-03-14T15:08:26Z: publish: " + strings.Repeat("connection refused\n", 40)
	for _, width := range []int{0, 40, 80, 100, 132} {
		got := string(corpus.Encode(t, text.Format, corpus.OwnOptions(wide(width)), e).Body)
		if cells := uniseg.StringWidth(got); cells > max(width, 500) || width > 0 && cells > width || strings.ContainsFunc(got, hostile) {
			t.Errorf("%q has %d cells, want at most %d", got, cells, width)
		}
		if width == 0 && !strings.Contains(got, "  Ada Lovelace              Lane acme/siem is not ready since 2026-03-14T15:08:26Z: publish: connection refused") {
			t.Errorf("got %q, want the sentence", got)
		}
	}
}

// Whatever an event with a number holds, that is the last column of its line.
func TestTheNumberIsTheLastColumn(t *testing.T) {
	value := rapid.OneOf(rapid.SampledFrom([]string{"", "9/9", "  9/9", strings.Repeat("x ", 400) + "  9/9", "\u00a0\u3000 9/9"}), rapid.String())
	rapid.Check(t, func(rt *rapid.T) {
		e := corpus.Typical()
		e.RemoteIP, e.Location, e.Text = value.Draw(rt, "address"), value.Draw(rt, "place"), value.Draw(rt, "text")
		e.Objects[0].Name = value.Draw(rt, "object")
		e.Number = source.Number{Epoch: 3, Sequence: 41}
		columns := strings.Split(encode(t, 0, e), "  ")
		if got := columns[len(columns)-1]; strings.TrimSpace(got) != "3/41" {
			rt.Fatalf("%q: the last column is %q", columns, got)
		}
	})
}

// An odd event is marked where it cannot be cut off.
func TestRemarks(t *testing.T) {
	late, broken, replayed, own := corpus.Typical(), corpus.Typical(), corpus.Typical(), corpus.Typical()
	both := corpus.Typical()
	both.Replayed, both.OwnToken = true, true
	late.Late, broken.Problem, replayed.Replayed, own.OwnToken = true, "no time", true, true
	for _, c := range []struct {
		event source.Event
		want  string
	}{
		{late, "  Late: Deploy request queued  "}, {broken, "  Incomplete: Deploy request queued  "},
		{replayed, "  low   ada.lovelace@example.com  Replayed: Deploy request queued  "},
		{own, "  high  ada.lovelace@example.com  Own token: Deploy request queued  "},
		{both, "  Replayed: Own token: Deploy … queued  "},
	} {
		if got := encode(t, 0, c.event); !strings.Contains(got, c.want) {
			t.Errorf("got %q, want %q in it", got, c.want)
		}
	}
}
