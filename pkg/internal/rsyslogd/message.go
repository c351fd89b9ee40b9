package rsyslogd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
)

// Message is a message as the daemon parsed and wrote it.
type Message struct {
	Raw        string // the whole message, escaped
	Host       string
	App        string
	ID         string // MSGID; "-" if there is none
	Structured string // structured data; "-" if there are none
	Text       string // MSG, in RFC 3164 with the space before it
}

// Messages returns all messages that the daemon has written since the first start, in
// order. It does not include messages in the queue of a running daemon.
func (d *Daemon) Messages() ([]Message, error) {
	text, err := d.written()
	if err != nil {
		return nil, err
	}
	var messages []Message
	for line := range bytes.Lines(text) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break // the daemon is still writing it
		}
		var m Message
		if err := json.Unmarshal(line, &m); err != nil {
			return nil, fmt.Errorf("line %d of rsyslogd's file: %w: %.200q", len(messages)+1, err, line)
		}
		messages = append(messages, m)
	}
	return messages, nil
}

// Size returns the size of the file of messages. It is cheap to call.
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

// written returns the file of messages. The daemon creates it with the first message.
func (d *Daemon) written() ([]byte, error) {
	text, err := os.ReadFile(d.path("messages"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return text, err
}

// cut cuts off a torn last line of a killed daemon, so that the next one does not append
// to it.
func (d *Daemon) cut() error {
	text, err := d.written()
	whole := bytes.LastIndexByte(text, '\n') + 1
	if err != nil || whole == len(text) {
		return err
	}
	return os.Truncate(d.path("messages"), int64(whole))
}

// Escape replaces control characters as rsyslog does by default
// (parser.escapeControlCharactersOnReceive): with #ooo, in octal.
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
