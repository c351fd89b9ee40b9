package stdout_test

import (
	"bufio"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/stdout"
)

// terminal opens a pseudo-terminal (pty(7)) and returns the end that a person sees
// and the end that programs write to.
func terminal(t *testing.T) (screen, tty *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(screen.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(screen.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := term.MakeRaw(int(tty.Fd())); err != nil { // so that it passes on every byte unchanged
		t.Fatal(err)
	}
	t.Cleanup(func() { closeAll(t, screen, tty) })
	return screen, tty
}

const hostileName = "{\"name\":\"\x1b]0;owned\x07 \u202egnp.exe\"}"

func TestOnlyOnATerminalRecordsAreEscaped(t *testing.T) {
	screen, tty := terminal(t)
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeAll(t, reader, writer) })
	for _, c := range []struct {
		name, check, want string
		out, in           *os.File
	}{
		{"a terminal", "stdout is a terminal; control characters in records are escaped", `{"name":"\u001b]0;owned\u0007 \u202egnp.exe"}`, tty, screen},
		{"a pipe", "stdout is a pipe", hostileName, writer, reader},
	} {
		t.Run(c.name, func(t *testing.T) {
			snk := open(stdout.To(c.out))(t)
			if err := snk.Publish(t.Context(), batch(hostileName)); err != nil {
				t.Fatal(err)
			}
			if got, err := bufio.NewReader(c.in).ReadString('\n'); err != nil || got != c.want+"\n" {
				t.Errorf("got %q, error %v, want %q", got, err, c.want)
			}
			if got, err := snk.(sink.Checker).Check(t.Context()); err != nil || got != c.check {
				t.Errorf("got check %q, error %v, want %q", got, err, c.check)
			}
		})
	}
}

// On a terminal the severity of a line for people is its color; NO_COLOR
// and TERM=dumb turn that off.
func TestLinesForPeopleHaveAColor(t *testing.T) {
	screen, tty := terminal(t)
	reader := bufio.NewReader(screen)
	snk := open(stdout.To(tty))(t)
	shows := func(t *testing.T, format string, severity int, want string) {
		t.Helper()
		if err := snk.Publish(t.Context(), []sink.Record{{Format: format, Severity: severity, Body: []byte("x\x1b[2J")}}); err != nil {
			t.Fatal(err)
		}
		if got, err := reader.ReadString('\n'); err != nil || got != want+"\n" {
			t.Errorf("format %s, severity %d: got %q, error %v, want %q", format, severity, got, err, want)
		}
	}
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "xterm")
	const harmless = `x\u001b[2J`
	for severity, color := range map[int]string{0: "", 3: "", 4: "\x1b[33m", 7: "\x1b[31m", 9: "\x1b[1;31m", 10: "\x1b[1;31m"} {
		end := ""
		if color != "" {
			end = "\x1b[0m"
		}
		shows(t, "text", severity, color+harmless+end)
		shows(t, "ecs", severity, harmless)
	}
	t.Setenv("TERM", "dumb")
	shows(t, "text", 10, harmless)
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "1")
	shows(t, "text", 10, harmless)
}

// A terminal gets lines for people, as wide as it is; anything else gets ECS.
func TestOnATerminalTheFormatIsText(t *testing.T) {
	_, tty := terminal(t)
	if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 97}); err != nil {
		t.Fatal(err)
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeAll(t, reader, writer) })
	for _, c := range []struct {
		name, format string
		columns      int
		out          *os.File
	}{{"a terminal", "text", 97, tty}, {"a pipe", "ecs", 0, writer}} {
		t.Run(c.name, func(t *testing.T) {
			kind := stdout.To(c.out)
			if got := kind.Settings().(sink.DefaultFormat).DefaultFormat(); got != c.format {
				t.Errorf("got format %q, want %q", got, c.format)
			}
			if got := open(kind)(t).(sink.Screen).Columns(); got != c.columns {
				t.Errorf("got %d columns, want %d", got, c.columns)
			}
		})
	}
}
