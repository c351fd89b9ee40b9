package stdio

import (
	"io"
	"os"

	"golang.org/x/term"
)

// Terminal reports whether w is a terminal.
func Terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Columns returns how wide the terminal is; 0 if w is none or does not know its width.
func Columns(w io.Writer) int {
	if !Terminal(w) {
		return 0
	}
	width, _, err := term.GetSize(int(w.(*os.File).Fd()))
	if err != nil {
		return 0
	}
	return width
}

// WantsColor reports whether the person at a terminal wants colors: NO_COLOR is unset or
// empty (https://no-color.org), and TERM does not say that the terminal has none.
func WantsColor() bool { return os.Getenv("NO_COLOR") == "" && !dumb() }

// Color reports whether w is a terminal whose person wants colors.
func Color(w io.Writer) bool { return Terminal(w) && WantsColor() }

// Rewrites reports whether w is a terminal on which a line can be written again.
func Rewrites(w io.Writer) bool { return Terminal(w) && !dumb() }

func dumb() bool { return os.Getenv("TERM") == "dumb" }
