package ownlog

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
)

// segment is a file with lines of the log. It ends where the next one begins.
type segment struct {
	log   string
	first int64 // number of its first line
}

var segmentName = regexp.MustCompile(`^([0-9a-f]{16})-([0-9]{20})\.ndjson$`)

func (s segment) name() string { return fmt.Sprintf("%s-%020d.ndjson", s.log, s.first) }

// segmentsOf returns the segments among the names of files, which are sorted. They must be
// of one log.
func segmentsOf(names []string) ([]segment, error) {
	var all []segment
	for _, name := range names {
		m := segmentName.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		first, err := strconv.ParseInt(m[2], 10, 64)
		if err != nil {
			continue // no number of a line
		}
		if len(all) > 0 && all[0].log != m[1] {
			return nil, fmt.Errorf("%w: %s and %s", errTwoLogs, all[0].log, m[1])
		}
		all = append(all, segment{m[1], first})
	}
	return all, nil
}

// whole returns how many bytes at the beginning of text are complete lines, and how many
// lines these are. Behind them is what an interrupted write left, which nobody was told of:
// a part of a line, or a last line with zeros, where a loss of power took some bytes and
// left the length. A damaged line with others behind it was acknowledged once, as they
// were, so it stays.
func whole(text []byte) (size, lines int64) {
	size = int64(bytes.LastIndexByte(text, '\n')) + 1
	lines = int64(bytes.Count(text[:size], []byte{'\n'}))
	if size == 0 {
		return 0, 0
	}
	last := int64(bytes.LastIndexByte(text[:size-1], '\n')) + 1
	if bytes.IndexByte(text[last:size], 0) >= 0 {
		return last, lines - 1
	}
	return size, lines
}

// linesOf returns the lines of text from a number on, as many as fit in most bytes, and at
// least one. The first line has the number first. end is the number of the line behind text.
func linesOf(text []byte, first, from, end int64, most int) (lines []Line) {
	for number := first; number < end && len(text) > 0; number++ {
		line, rest, complete := bytes.Cut(text, []byte{'\n'})
		if !complete {
			break
		}
		text = rest
		if number < from {
			continue
		}
		if most -= len(line); most < 0 && len(lines) > 0 {
			break
		}
		lines = append(lines, Line{number, line})
	}
	return lines
}
