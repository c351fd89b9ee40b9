package rsyslogd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
)

// Message is one that the daemon wrote, as it understood it.
type Message struct {
	Raw        string // all of it, escaped
	Host       string
	App        string
	ID         string // MSGID; "-" if there is none
	Structured string // structured data; "-" if there are none
	Text       string // MSG, in RFC 3164 with the space before it
}

// Messages are all that the daemon wrote in its lives, in order. Those in the
// queue of one that runs are not there yet.
func (d *Daemon) Messages() ([]Message, error) {
	text, err := d.written()
	if err != nil {
		return nil, err
	}
	var messages []Message
	for line := range bytes.Lines(text) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break // It is being written.
		}
		var m Message
		if err := json.Unmarshal(line, &m); err != nil {
			return nil, fmt.Errorf("line %d of rsyslogd's file: %w: %.200q", len(messages)+1, err, line)
		}
		messages = append(messages, m)
	}
	return messages, nil
}

// Size grows with every message. It can be asked for often.
func (d *Daemon) Size() (int64, error) {
	info, err := os.Stat(d.path("messages"))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// written is the file of messages; it is made with the first.
func (d *Daemon) written() ([]byte, error) {
	text, err := os.ReadFile(d.path("messages"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return text, err
}

// cut takes off the file what a daemon that was killed wrote of a line, so that
// the next does not write behind it.
func (d *Daemon) cut() error {
	text, err := d.written()
	whole := bytes.LastIndexByte(text, '\n') + 1
	if err != nil || whole == len(text) {
		return err
	}
	return os.Truncate(d.path("messages"), int64(whole))
}

// Escape is what rsyslog makes of control characters by default
// (parser.escapeControlCharactersOnReceive): #ooo, in octal.
func Escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if s[i] < ' ' {
			fmt.Fprintf(&b, "#%03o", s[i])
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
