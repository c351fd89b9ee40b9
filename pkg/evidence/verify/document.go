package verify

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/sluice-siem/sluice/pkg/internal/rawjson"
)

// shape is how the records of an export stand in a file.
type shape int

const (
	lineShape     shape = iota // each in a line
	documentShape              // in JSON that spans lines, or is one array
	tableShape                 // in the rows of a table
)

// shapeOf tells the shape by how an export begins.
func shapeOf(in *bufio.Reader) shape {
	begin, _ := in.Peek(blockSize)
	begin = bytes.TrimLeft(bytes.TrimPrefix(begin, byteOrderMark), " \t\r\n")
	line, _, ends := bytes.Cut(begin, []byte("\n"))
	switch {
	case len(begin) == 0:
		return lineShape
	case begin[0] == '[':
		return documentShape
	case begin[0] == '{':
		s := rawjson.Scanner{In: bytes.TrimSpace(line)}
		if _, err := s.Value(0); err == nil && s.End() == nil || !ends && len(begin) < blockSize/2 {
			return lineShape
		}
		return documentShape
	case isHeader(line):
		return tableShape
	}
	return lineShape
}

// isHeader reports whether a line names columns that a record is made of.
func isHeader(line []byte) bool {
	for column := range bytes.SplitSeq(bytes.TrimSpace(line), []byte(",")) {
		switch string(bytes.Trim(column, `"`)) {
		case "_raw", "_source", "event.id", "metadata.uid":
			return true
		}
	}
	return false
}

// documents reads JSON values of any layout, one behind the other or as the elements of one
// array.
func (p *Parser) documents(ctx context.Context, to Intake, name string, in *bufio.Reader) error {
	limited := &bounded{in: in}
	d := json.NewDecoder(limited)
	if begin, _ := in.Peek(blockSize); bytes.HasPrefix(bytes.TrimLeft(begin, "\ufeff \t\r\n"), []byte("[")) {
		limited.left = longestLine
		if _, err := d.Token(); err != nil {
			return err
		}
	}
	b := batch{to: to}
	defer b.flush()
	for at := (Place{name, 1}); ctx.Err() == nil; at.Line++ {
		limited.left = longestLine
		if !d.More() {
			return nil
		}
		var text json.RawMessage
		if err := d.Decode(&text); err != nil {
			return fmt.Errorf("value %d: %w", at.Line, err)
		}
		if p.text(&b, at, text); len(b.claims) >= batchSize {
			b.flush()
		}
	}
	return ctx.Err()
}

// bounded reads at most what one value may have.
type bounded struct {
	in   io.Reader
	left int
}

func (b *bounded) Read(to []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("a value is longer than %d MiB: export it as lines", longestLine>>20)
	}
	n, err := b.in.Read(to[:min(len(to), b.left)])
	b.left -= n
	return n, err
}
