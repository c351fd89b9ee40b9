package relptest

import (
	"bufio"
	"errors"
	"io"
	"regexp"
	"strconv"
)

// header matches a header up to the byte after the length, which shows whether data
// follow. The longest has nine digits, 32 letters, nine digits, and three other bytes.
var header = regexp.MustCompile(`^(0|[1-9][0-9]{0,8}) ([a-zA-Z]{1,32}) (0\n|[1-9][0-9]{0,8} )$`)

const (
	longestHeader = 9 + 1 + 32 + 1 + 9 + 1
	longest       = 128 << 10 // of data, in version 1 of the protocol
)

// readCommand reads a frame. It is stricter than the grammar: no number may start with
// a zero.
func readCommand(in *bufio.Reader) (number int, name, message string, err error) {
	head, err := readHeader(in)
	if err != nil {
		return 0, "", "", err
	}
	parts := header.FindSubmatch(head)
	if parts == nil {
		return 0, "", "", violated("frame begins with %q", head)
	}
	if number, err = strconv.Atoi(string(parts[1])); err != nil {
		return 0, "", "", err
	}
	if string(parts[3]) == "0\n" {
		return number, string(parts[2]), "", nil
	}
	length, err := strconv.Atoi(string(parts[3][:len(parts[3])-1]))
	if err != nil {
		return 0, "", "", err
	}
	if length > longest {
		return 0, "", "", violated("transaction %d has %d bytes of data, more than %d", number, length, longest)
	}
	content := make([]byte, length+1)
	if _, err := io.ReadFull(in, content); err != nil {
		return 0, "", "", errors.Join(err, io.ErrUnexpectedEOF)
	}
	if content[length] != '\n' {
		return 0, "", "", violated("byte %q after the data of transaction %d, want a line end", content[length], number)
	}
	return number, string(parts[2]), string(content[:length]), nil
}

// readHeader reads up to the third space, or the line end instead of it.
func readHeader(in *bufio.Reader) ([]byte, error) {
	var head []byte
	for spaces := 0; spaces < 3 && len(head) < longestHeader; {
		b, err := in.ReadByte()
		if err == io.EOF && len(head) > 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
		head = append(head, b)
		switch b {
		case ' ':
			spaces++
		case '\n':
			return head, nil
		}
	}
	return head, nil
}
