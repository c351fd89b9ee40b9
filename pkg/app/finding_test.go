package app

import (
	"errors"
	"io"
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
	for _, color := range []bool{false, true} {
		var out strings.Builder
		s := newSheet(&out)
		s.color = color
		s.print(all...)
		want := "[32mok    [0m admin.listen: 127.0.0.1:9876\n[36mnote  [0m sources: 1 file\n       hint: write more\n" +
			"[33mwarn  [0m lane a/b: is odd \\x1b[2J\n[1;31mFAILED[0m lane a/b: no\n       hint: write yes\n"
		for _, code := range []string{"32m", "36m", "33m", "1;31m", "0m"} {
			with := ""
			if color {
				with = "\x1b[" + code
			}
			want = strings.ReplaceAll(want, "["+code, with)
		}
		if got := out.String(); got != want {
			t.Errorf("got\n%q, want\n%q", got, want)
		}
	}
}

// There is one summary: the last line or, if something failed, the error.
func TestASheetHasOneSummary(t *testing.T) {
	odd := finding{about: "a", mark: warning, text: "odd"}
	for _, c := range []struct {
		all        []finding
		printed, e string
	}{
		{[]finding{found("a", "b", nil)}, "1 source, 2 lanes: all is well\n", ""},
		{[]finding{found("a", "b", nil), odd}, "1 source, 2 lanes: all is well, 1 warning\n", ""},
		{[]finding{found("a", "b", nil), found("a", "", errors.New("no"))}, "", "1 of 2 checks failed"},
		{[]finding{found("a", "b", nil), odd, odd, found("a", "", errors.New("no"))}, "", "1 of 2 checks failed, 2 warnings"},
	} {
		var out strings.Builder
		s := newSheet(io.Discard)
		s.print(c.all...)
		s.out = &out
		if err := s.summarize(1, 2); out.String() != c.printed || err == nil && c.e != "" || err != nil && err.Error() != c.e {
			t.Errorf("got %q and error %v, want %q and %q", out.String(), err, c.printed, c.e)
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
