package app

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/internal/statedir"
	"github.com/sluice-siem/sluice/pkg/sink"
)

func TestASheetOfFindings(t *testing.T) {
	all := []finding{
		found("admin.listen", "127.0.0.1:9876", nil),
		{about: "sources", mark: note, text: "1 file", hint: "write more"},
		{about: "lane a/b", mark: warning, text: "is odd \x1b[2J"},
		found("lane a/b", "", sink.Hint(errors.New("no"), "write yes")),
	}
	for _, colour := range []bool{false, true} {
		var out strings.Builder
		s := newSheet(&out)
		s.colour = colour
		s.print(all...)
		s.summarize(1, 2)
		want := "[32mok    [0m admin.listen: 127.0.0.1:9876\n[36mnote  [0m sources: 1 file\n       hint: write more\n" +
			"[33mwarn  [0m lane a/b: is odd \\x1b[2J\n[1;31mFAILED[0m lane a/b: no\n       hint: write yes\n" +
			"1 source, 2 lanes: [1;31m1 failed[0m, [33m1 warning[0m\n"
		for _, code := range []string{"32m", "36m", "33m", "1;31m", "0m"} {
			with := ""
			if colour {
				with = "\x1b[" + code
			}
			want = strings.ReplaceAll(want, "["+code, with)
		}
		if got := out.String(); got != want {
			t.Errorf("got\n%q, want\n%q", got, want)
		}
	}
}

// The convention of no-color.org: set and not empty.
func TestWhoWantsColour(t *testing.T) {
	for _, c := range []struct {
		noColour, term string
		want           bool
	}{{"", "xterm", true}, {"", "", true}, {"1", "xterm", false}, {"0", "xterm", false}, {"", "dumb", false}} {
		env := map[string]string{"NO_COLOR": c.noColour, "TERM": c.term}
		if got := wantsColour(func(name string) string { return env[name] }); got != c.want {
			t.Errorf("NO_COLOR=%q TERM=%q: got %t", c.noColour, c.term, got)
		}
	}
}

// Checks wait for each other here, so they run at the same time. What they find is printed
// in their order.
func TestChecksRunAtTheSameTime(t *testing.T) {
	var out strings.Builder
	s := newSheet(&out)
	second := make(chan struct{})
	well := s.printEach(2, func(i int) []finding {
		if i == 0 {
			<-second
			return []finding{found("first", "well", nil)}
		}
		close(second)
		return []finding{found("second", "", errors.New("no"))}
	})
	if got, want := out.String(), "ok     first: well\nFAILED second: no\n"; well || got != want {
		t.Errorf("got %t and %q, want %q", well, got, want)
	}
}

// A start is never refused because of a forecast, and does not log it: only the attempt to
// open the directory tells. check prints a guess as a warning.
func TestAForecastRefusesNoStart(t *testing.T) {
	for guess, want := range map[bool]mark{true: warning, false: failed} {
		forecast := &statedir.Forecast{Err: &fs.PathError{Op: "access", Path: "/state", Err: fs.ErrPermission}, Guess: guess}
		list := directory("state directory", "state.settings.dir", "/state", false, "", &statedir.Error{Op: "open", Path: "/state", Err: forecast, Hint: "chown"})
		var logged strings.Builder
		list[0].log(zerolog.New(&logged))
		if err := refusals(list); err != nil || logged.String() != "" {
			t.Errorf("guess %t: got error %v and the log %q, want neither", guess, err, &logged)
		}
		if f := list[0]; f.mark != want || f.hint != "chown" || !strings.Contains(f.text, "access /state: permission denied") {
			t.Errorf("guess %t: got %+v, want mark %s", guess, f, want)
		}
	}
}
