package app

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// JSON allows characters in a string that control a terminal. One character in the name
// begins a control sequence, the other reverses the text.
func TestMapShowsATerminalNoControlCharacters(t *testing.T) {
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(screen.Fd()), unix.TIOCGPTN)
	if err = errors.Join(err, unix.IoctlSetPointerInt(int(screen.Fd()), unix.TIOCSPTLCK, 0)); err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(tty.Close(), screen.Close()); err != nil {
			t.Error(err)
		}
	})
	if _, err := term.MakeRaw(int(tty.Fd())); err != nil { // so that it passes on what it is sent
		t.Fatal(err)
	}
	const event = `{"id":"ev1","created_at":"2026-03-01T10:00:00.000Z","actor_display_name":"x%s31m%sy"}`
	in := strings.NewReader(fmt.Sprintf(event, "\u009b", "\u202e"))
	if code := execute(t.Context(), []string{"map", "--format", "raw"}, in, tty, io.Discard); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	got, err := bufio.NewReader(screen).ReadString('\n')
	if want := fmt.Sprintf(event, `\u009b`, `\u202e`) + "\n"; err != nil || got != want {
		t.Errorf("got %q, error %v, want %q", got, err, want)
	}
}
