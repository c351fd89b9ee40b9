package app

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"text/tabwriter"

	"github.com/rivo/uniseg"

	"github.com/sluice-siem/sluice/pkg/internal/stdio"
)

// leastRoom is the least width for text behind an indent. On a narrower terminal nothing
// is wrapped.
const leastRoom = 20

// wrap breaks a text at blanks, so that it fits a terminal of that width. The text begins
// behind indent cells, and so does each of its lines. A word is never broken: it may be a
// path or a command, which people copy. So one that fits no line stays where it is. Width 0
// breaks nothing: scripts expect a line.
func wrap(text string, indent, width int) string {
	if width-indent < leastRoom {
		return text
	}
	var out strings.Builder
	margin := "\n" + strings.Repeat(" ", indent)
	for i, line := range strings.Split(text, "\n") {
		if i > 0 {
			out.WriteString(margin)
		}
		at := indent
		for n, word := range strings.Split(line, " ") {
			wide := cells(word)
			switch {
			case n == 0:
			case at > indent && at+1+wide > width && indent+wide <= width:
				out.WriteString(margin)
				at = indent
			default:
				out.WriteByte(' ')
				at++
			}
			out.WriteString(word)
			at += wide
		}
	}
	return out.String()
}

// colorSequence is ECMA-48, section 8.3.117 (SGR), which takes no room.
var colorSequence = regexp.MustCompile("\x1b\\[[0-9;]*m")

// cells returns how many columns of a terminal a text takes.
func cells(text string) int {
	if strings.Contains(text, "\x1b[") {
		text = colorSequence.ReplaceAllString(text, "")
	}
	return uniseg.StringWidth(text)
}

// table is rows for people. What its cells hold must be printable.
type table struct {
	header []string // in capitals
	rows   [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// print writes a row a line. On a terminal that is too narrow for that, each row is a
// paragraph, headed by its first cell. Nothing is cut off.
func (t *table) print(w io.Writer) error {
	width := stdio.Columns(w)
	if width > 0 && t.width() > width {
		for _, row := range t.rows {
			if _, err := io.WriteString(w, t.paragraph(row, width)); err != nil {
				return err
			}
		}
		return nil
	}
	aligned := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{t.header}, t.rows...) {
		fmt.Fprintln(aligned, strings.Join(row, "\t"))
	}
	return aligned.Flush()
}

// width is how many columns the widest row takes.
func (t *table) width() int {
	total := 0
	for i := range t.header {
		widest := cells(t.header[i])
		for _, row := range t.rows {
			widest = max(widest, cells(row[i]))
		}
		total += widest + 2
	}
	return total - 2
}

// paragraph writes a row as its first cell and, below, the others with their headers.
func (t *table) paragraph(row []string, width int) string {
	const indent, deeper = 2, 4
	var out strings.Builder
	out.WriteString(row[0])
	at := width // so that the first cell begins a line
	for i, cell := range row[1:] {
		text := strings.ToLower(t.header[i+1]) + " " + cell
		if at+2+cells(text) > width {
			out.WriteString("\n  ")
			text = wrap(text, deeper, width)
			at = indent
		} else {
			out.WriteString("  ")
			at += 2
		}
		out.WriteString(text)
		if at += cells(text); strings.Contains(text, "\n") {
			at = width // The next begins a line.
		}
	}
	return out.String() + "\n"
}
