package verify

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"

	"golang.org/x/sync/errgroup"
)

const (
	blockSize = 1 << 20
	// longestLine is the longest line that is read. No sink takes a larger record.
	longestLine = 64 << 20
)

// block is some whole lines of an export.
type block struct {
	text  []byte
	first int64 // number of its first line
}

// Intake takes what records state, as a Checker does. Its methods may be called
// concurrently.
type Intake interface {
	Add(claims ...Claim)
	Foreign(at Place, why string)
}

// Read reads an export, and gives what its records state to a Checker. It may be
// compressed with gzip. The name is told with what is found. Lines are parsed on all
// processors.
func (p *Parser) Read(ctx context.Context, to Intake, name string, in io.Reader) error {
	buffered := bufio.NewReaderSize(in, blockSize)
	if magic, _ := buffered.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		unzipped, err := gzip.NewReader(buffered)
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		buffered = bufio.NewReaderSize(unzipped, blockSize)
	}
	var err error
	switch shapeOf(buffered) {
	case documentShape:
		err = p.documents(ctx, to, name, buffered)
	case tableShape:
		err = p.table(ctx, to, name, buffered)
	default:
		err = p.lines(ctx, to, name, buffered)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}

// lines reads records of one line each.
func (p *Parser) lines(ctx context.Context, to Intake, name string, in io.Reader) error {
	g, ctx := errgroup.WithContext(ctx)
	workers := runtime.GOMAXPROCS(0)
	full, empty := make(chan block, workers), make(chan []byte, 2*workers+1)
	g.Go(func() error {
		defer close(full)
		return cut(ctx, in, full, empty)
	})
	for range workers {
		g.Go(func() error {
			for b := range full {
				p.block(to, name, b)
				select {
				case empty <- b.text[:0]:
				default:
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// cut cuts a text into blocks that end with a line.
func cut(ctx context.Context, in io.Reader, full chan<- block, empty <-chan []byte) error {
	next := block{first: 1}
	for {
		var text []byte
		select {
		case text = <-empty:
		default:
			text = make([]byte, 0, blockSize+blockSize/4)
		}
		text = append(text, next.text...)
		end, err := fill(in, &text)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		b := block{text: text[:end], first: next.first}
		next = block{text: bytes.Clone(text[end:]), first: b.first + int64(bytes.Count(b.text, []byte("\n")))}
		select {
		case full <- b:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err != nil {
			return nil
		}
	}
}

// fill reads into text until it has a whole block, and returns where its last line ends. At
// the end of the input that is the end of the text.
func fill(in io.Reader, text *[]byte) (end int, err error) {
	for {
		if cap(*text)-len(*text) < blockSize/4 {
			*text = append(*text, make([]byte, blockSize)...)[:len(*text)]
		}
		n, err := in.Read((*text)[len(*text):cap(*text)])
		*text = (*text)[:len(*text)+n]
		if err != nil {
			return len(*text), err
		}
		if len(*text) < blockSize {
			continue
		}
		if end = bytes.LastIndexByte(*text, '\n') + 1; end > 0 {
			return end, nil
		}
		if len(*text) > longestLine {
			return 0, fmt.Errorf("a line is longer than %d MiB: this is no export of records", longestLine>>20)
		}
	}
}

// block parses the lines of a block.
func (p *Parser) block(to Intake, name string, block block) {
	b := batch{to: to, claims: make([]Claim, 0, batchSize)}
	at := Place{name, block.first}
	for line := range bytes.Lines(block.text) {
		if p.text(&b, at, line); len(b.claims) >= batchSize {
			b.flush()
		}
		at.Line++
	}
	b.flush()
}

// Why returns what a body is instead of a record, from the error of Record.
func Why(err error) string {
	if f := new(foreignError); errors.As(err, &f) {
		return f.what
	}
	return err.Error()
}
