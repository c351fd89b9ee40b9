package deadletter

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
)

// maxLine is larger than any letter: the largest event is a response of 16 MiB, and
// its record contains it again, escaped.
const maxLine = 128 << 20

// lines returns the whole lines of r with their line ends. Bytes after the last line
// end are left out. A line is valid until the next one. An error ends the sequence.
func lines(r io.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		buffered := bufio.NewReaderSize(r, 64<<10)
		var line []byte
		for {
			part, err := buffered.ReadSlice('\n')
			line = append(line, part...)
			switch {
			case errors.Is(err, bufio.ErrBufferFull) && len(line) <= maxLine:
				continue
			case errors.Is(err, bufio.ErrBufferFull):
				yield(nil, fmt.Errorf("%w: a line is longer than %d bytes", ErrUnreadable, maxLine))
				return
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				yield(nil, err)
				return
			}
			if !yield(line, nil) {
				return
			}
			line = line[:0]
		}
	}
}

// wholeLines returns the offset after the last line end of f.
func wholeLines(f diskFile) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	var block [4 << 10]byte
	for end := info.Size(); end > 0; {
		start := max(0, end-int64(len(block)))
		part := block[:end-start]
		if _, err := f.ReadAt(part, start); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(part, '\n'); i >= 0 {
			return start + int64(i) + 1, nil
		}
		end = start
	}
	return 0, nil
}
