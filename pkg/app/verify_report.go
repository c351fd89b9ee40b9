package app

import (
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sluice-siem/sluice/pkg/evidence/verify"
	"github.com/sluice-siem/sluice/pkg/internal/stdio"
)

// writeReport writes for people what a verification found.
func writeReport(w io.Writer, r *verify.Report) error {
	width, color := stdio.Columns(w), stdio.Color(w)
	var b strings.Builder
	verdict := ok
	if r.Verdict != verify.Clean {
		verdict = failed
	}
	b.WriteString(wrap(paint(color, verdict, printable(r.Summary())), 0, width) + "\n")
	for _, s := range r.Sections() {
		fmt.Fprintf(&b, "\n%s\n", s.Title)
		for _, l := range s.Lines {
			indent, text := 2+2*l.Deep, oneLine(l.Text)
			if l.Bad {
				text = paint(color, failed, text)
			}
			fmt.Fprintf(&b, "%*s%s\n", indent, "", wrap(text, indent+2, width))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// countedIntake counts the records that were read.
type countedIntake struct {
	verify.Intake
	records atomic.Int64
}

func (c *countedIntake) Add(claims ...verify.Claim) {
	c.records.Add(int64(len(claims)))
	c.Intake.Add(claims...)
}

// showReading shows on a terminal how far the export was read, until the function that it
// returns is called. total is 0 if the size is not known.
func (c *command) showReading(read *atomic.Int64, total int64, records *countedIntake) (end func()) {
	if !stdio.Rewrites(c.stderr) {
		return func() {}
	}
	live := &liveLine{to: c.stderr}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		defer live.show("")
		ticker := time.NewTicker(progressLine / 5)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				live.show(readingLine(read.Load(), total, records.records.Load(), stdio.Columns(c.stderr)))
			}
		}
	}()
	return func() { close(done); <-ended }
}

// readingLine is the line of a terminal of that width.
func readingLine(read, total, records int64, width int) string {
	text := fmt.Sprintf("read %s records, %d MiB", count(uint64(records)), read>>20)
	if total <= 0 {
		return text
	}
	text = fmt.Sprintf("%3d%% %s", min(100, 100*read/total), text)
	if room := width - len(text) - 4; room >= 10 {
		room = min(room, 40)
		full := int(min(int64(room), int64(room)*read/total))
		text = "[" + strings.Repeat("=", full) + strings.Repeat(" ", room-full) + "] " + text
	}
	return text
}
