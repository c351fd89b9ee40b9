package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/internal/statedir"
	"github.com/sluice-siem/sluice/pkg/internal/stdio"
)

// A finding is something that a person should know of a configuration before its lanes
// run.
//
// One list of findings serves two commands, so that they agree. preflight lists what
// concerns this machine: run looks there before it starts, logs what it finds, and refuses
// to start if something failed. check prints the same list, and then what sources and
// destinations answer. Whatever makes a start fail belongs into preflight.
type finding struct {
	about string // such as "admin.listen" or "lane acme/siem"
	mark  mark
	text  string // what is so
	hint  string // what a person can do about it; empty if nothing

	// While a sluice runs with this configuration, another one cannot start. That is no
	// fault of the configuration: check marks it as a note, and run refuses to start.
	refuses bool

	// Only the attempt tells whether the forecast is right. check prints it; run does not
	// look at it, and makes the attempt.
	forecast bool
}

type mark string

const (
	ok      mark = "ok"
	note    mark = "note"
	warning mark = "warn"
	failed  mark = "FAILED"
)

// found is the finding that all is well or, with an error, that it failed.
func found(about, text string, err error) finding {
	if err != nil {
		return finding{about: about, mark: failed, text: err.Error(), hint: failure.Hint(err), refuses: true}
	}
	return finding{about: about, mark: ok, text: text}
}

// foretold is a finding that a forecast is the only reason for.
func (f finding) foretold(forecast *statedir.Forecast) finding {
	f.refuses, f.forecast = false, true
	if forecast.Guess {
		f.mark = warning
		f.text += "; perhaps, since the kernel or a seccomp filter has no faccessat2, and owner and mode alone say so: run finds out"
	}
	return f
}

func noneFailed(all []finding) bool {
	return !slices.ContainsFunc(all, func(f finding) bool { return f.mark == failed })
}

func (f finding) log(log zerolog.Logger) {
	if f.mark == ok || f.refuses || f.forecast { // A failure is the error of the start.
		return
	}
	line := log.Warn()
	if f.mark == note {
		line = log.Info()
	}
	if f.hint != "" {
		line = line.Str("hint", f.hint)
	}
	line.Msg(f.about + ": " + f.text)
}

// refusal is the error of a start that findings prevent.
type refusal []finding

// refusals returns nil if no finding prevents a start.
func refusals(all []finding) error {
	var prevent refusal
	for _, f := range all {
		if f.refuses {
			prevent = append(prevent, f)
		}
	}
	if len(prevent) == 0 {
		return nil
	}
	return prevent
}

func (r refusal) Error() string {
	var lines []string
	for _, f := range r {
		lines = append(lines, f.about+": "+f.text)
	}
	return strings.Join(lines, "\n")
}

// warnings collects what a source or a sink logs while it is checked. run logs the same
// when it opens them.
type warnings struct {
	mu   sync.Mutex
	list []finding
}

func (w *warnings) log() zerolog.Logger { return zerolog.New(w).Level(zerolog.WarnLevel) }

// Write takes a line of zerolog.
func (w *warnings) Write(line []byte) (int, error) {
	var said struct {
		Message, Hint string
		Error         any
	}
	if err := json.Unmarshal(line, &said); err != nil {
		return 0, fmt.Errorf("reading a line of the log: %w", err)
	}
	if said.Error != nil {
		said.Message += fmt.Sprintf(": %v", said.Error)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, finding{mark: warning, text: said.Message, hint: said.Hint})
	return len(line), nil
}

// below returns a finding, and below it the warnings, which are about the same.
func (w *warnings) below(f finding) []finding {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := []finding{f}
	for _, heard := range w.list {
		heard.about = f.about
		list = append(list, heard)
	}
	return list
}

// sheet prints findings and counts them by mark. A finding is a line; on a terminal it is
// wrapped.
type sheet struct {
	out   io.Writer
	width int // of the terminal; 0: it is none
	color bool
	count map[mark]int
}

func newSheet(out io.Writer) *sheet {
	return &sheet{out: out, width: stdio.Columns(out), color: stdio.Color(out), count: map[mark]int{}}
}

// colors are those of ANSI (ECMA-48, section 8.3.117).
var colors = map[mark]string{ok: "32", note: "36", warning: "33", failed: "1;31"}

func (s *sheet) print(all ...finding) {
	const hint = "       hint: "
	for _, f := range all {
		s.count[f.mark]++
		mark := fmt.Sprintf("%-6s", f.mark)
		fmt.Fprintf(s.out, "%s %s\n", s.paint(f.mark, mark), wrap(printable(f.about)+": "+printable(f.text), len(mark)+1, s.width))
		if f.hint != "" {
			fmt.Fprintf(s.out, "%s%s\n", hint, wrap(printable(f.hint), len(hint), s.width))
		}
	}
}

// checksAtOnce bounds how many checks run at the same time. One of a destination that does
// not answer takes up to checkTimeout.
const checksAtOnce = 8

// printEach runs n checks at the same time, prints what they found in their order, and
// reports whether none failed.
func (s *sheet) printEach(n int, check func(i int) []finding) bool {
	results := make([]chan []finding, n)
	turns := make(chan struct{}, checksAtOnce)
	var group sync.WaitGroup
	defer group.Wait()
	for i := range results {
		results[i] = make(chan []finding, 1)
		group.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			results[i] <- check(i)
		})
	}
	well := true
	for _, result := range results {
		list := <-result
		well = well && noneFailed(list)
		s.print(list...)
	}
	return well
}

func (s *sheet) paint(m mark, text string) string { return paint(s.color, m, text) }

// paint gives a text the color of a mark.
func paint(color bool, m mark, text string) string {
	if !color {
		return text
	}
	return "\x1b[" + colors[m] + "m" + text + "\x1b[0m"
}

// summarize prints the last line: how much was checked, and with what result. If something
// failed, that is the error that it returns.
func (s *sheet) summarize(sources, lanes int) error {
	warned := ""
	if n := s.count[warning]; n > 0 {
		warned = several(n, "warning")
	}
	if n := s.count[failed]; n > 0 {
		text := fmt.Sprintf("%d of %d checks failed", n, n+s.count[ok])
		if warned != "" {
			text += ", " + warned
		}
		return errors.New(text)
	}
	result := s.paint(ok, "all is well")
	if warned != "" {
		result += ", " + s.paint(warning, warned)
	}
	fmt.Fprintf(s.out, "%s, %s: %s\n", several(sources, "source"), several(lanes, "lane"), result)
	return nil
}

// several writes a number of things.
func several(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return count(uint64(n)) + " " + thing
}
