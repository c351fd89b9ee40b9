package sinktest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// awkward is text that a careless encoder turns into a broken record. It is valid
// in a JSON string: escaped quotes, line ends and terminal escapes, separators of
// CEF and LEEF, and characters that some programs read as line ends.
const awkward = `quote \" backslash \\ pipe | equals = caret ^ tab \t line \r\n nul \u0000 esc \u001b[2J ` +
	"separator \u2028 bidi \u202e next line \u0085 snowman \u2603 emoji \U0001f512 percent %s brace {} comma , end"

// madeRecord is the default of Harness.Record.
func madeRecord(n, size int) sink.Record {
	head := fmt.Sprintf(`{"n":%d,"text":"%s","pad":"`, n, awkward)
	pad := n * 37 % 200 // lengths differ, so that a body cut to a neighbour's length is noticed
	if size > 0 {
		pad = max(0, size-len(head)-len(`"}`))
	}
	return sink.Record{
		ID:           fmt.Sprintf("sinktest-%d", n),
		Organization: "sinktest",
		Action:       "sinktest.checked",
		Key:          "sinktest",
		Format:       "raw",
		MediaType:    "application/json",
		Time:         time.Date(2026, 1, 2, 3, 4, 5, n%1000*int(time.Millisecond), time.UTC),
		Severity:     3,
		Body:         []byte(head + strings.Repeat("x", pad) + `"}`),
	}
}

// loan is a batch as a lane passes it to Publish: the bodies lie side by side in one
// buffer, each with the capacity of all that follows it, and the batch is part of a
// longer slice. A sink that appends to either overwrites memory that it does not
// own.
type loan struct {
	batch  []sink.Record
	memory []byte

	batchBefore  []sink.Record
	memoryBefore []byte
}

// guard is how much memory follows the last body.
const guard = 64

func lend(records []sink.Record) *loan {
	total := guard
	for i := range records {
		total += len(records[i].Body)
	}
	l := &loan{memory: bytes.Repeat([]byte{'.'}, total)}
	all := append(slices.Clone(records), madeRecord(0, 0), madeRecord(0, 0))
	at := 0
	for i := range records {
		n := copy(l.memory[at:], records[i].Body)
		all[i].Body = l.memory[at : at+n]
		at += n
	}
	l.batch = all[:len(records)]
	l.batchBefore = slices.Clone(all)
	l.memoryBefore = bytes.Clone(l.memory)
	return l
}

// changed describes what the sink changed in the loan; empty if nothing.
func (l *loan) changed() string {
	now := l.batch[:len(l.batchBefore)]
	for i := range now {
		if !sameRecord(now[i], l.batchBefore[i]) {
			return fmt.Sprintf("record %d of a batch of %d was replaced", i, len(l.batch))
		}
	}
	if !bytes.Equal(l.memory, l.memoryBefore) {
		return "bytes of the bodies or after them were changed; appending to a Body does that"
	}
	return ""
}

func sameRecord(a, b sink.Record) bool {
	if len(a.Body) != len(b.Body) || len(a.Body) > 0 && &a.Body[0] != &b.Body[0] {
		return false
	}
	return a.ID == b.ID && a.Organization == b.Organization && a.Action == b.Action && a.Key == b.Key &&
		a.Format == b.Format && a.MediaType == b.MediaType && a.Time.Equal(b.Time) &&
		a.Severity == b.Severity && a.Late == b.Late && a.Replayed == b.Replayed && a.OwnToken == b.OwnToken && a.Object == b.Object
}

// takeBack overwrites the memory, as the lane may.
func (l *loan) takeBack() {
	for i := range l.memory {
		l.memory[i] = '!'
	}
	clear(l.batch)
}
