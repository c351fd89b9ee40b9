package ownlog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/sluice-siem/sluice/pkg/internal/statedir"
)

var (
	errTwoLogs   = errors.New("files of two logs are there")
	errRemoved   = errors.New("the log was removed while this process used it")
	errShortened = errors.New("the log became shorter while this process used it")
)

// class is the class of errors of the files in metrics.
const class = "own_log"

func fail(op, dir string, err error) error {
	return &statedir.Error{Class: class, Op: op, Path: dir, Err: err, Hint: hint(dir, err)}
}

func hint(dir string, err error) string {
	switch {
	case errors.Is(err, errTwoLogs):
		return "move the files of one of them out of " + dir + ": their names begin with the name of the log"
	case errors.Is(err, errRemoved), errors.Is(err, errShortened):
		return "put the files back in " + dir + " and see that nothing else writes there, then restart sluice; without them choose where the lanes of the own log resume with `sluice checkpoint set`"
	}
	return statedir.Explain(err, dir).Hint
}

// ErrUnfit marks the error of an event that can never be written: to try again is of no use.
var ErrUnfit = errors.New("own log: it can never be written")

// fit returns an error, which is ErrUnfit, for what cannot be a line.
func fit(line []byte) error {
	switch {
	case len(line) > mostLine:
		return fmt.Errorf("%w: an event has %d bytes, more than %d", ErrUnfit, len(line), mostLine)
	case bytes.IndexByte(line, '\n') >= 0, !json.Valid(line):
		return fmt.Errorf("%w: an event is not one line of JSON", ErrUnfit)
	}
	return nil
}
