package ledger

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// Entry is the value of a record in the topic of positions, as JSON.
type Entry struct {
	Version  int             `json:"version"` // 1
	Lane     string          `json:"lane"`
	Topic    string          `json:"topic,omitempty"` // of the records before the position; empty: they are not in Kafka
	Commit   string          `json:"commit"`          // id of this entry alone
	Saved    time.Time       `json:"saved"`
	Set      bool            `json:"set,omitempty"`      // a person chose the position
	Released bool            `json:"released,omitempty"` // another store keeps the position
	Renamed  string          `json:"renamed,omitempty"`  // the lane that the position was given to
	Position json.RawMessage `json:"position,omitempty"` // absent if Released or Renamed
}

const version = 1

// maxEntry bounds a value, in bytes: a position of 512 kB, 256 kB of
// evidence beside it, and the other fields.
const maxEntry = 856 << 10

func newCommit() string { return rand.Text() }

func encode(e Entry) ([]byte, error) {
	e.Version = version
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false) // escaping would make a position up to six times as long
	if err := encoder.Encode(e); err != nil {
		return nil, fmt.Errorf("encoding position: %w", err)
	}
	value := bytes.TrimSuffix(line.Bytes(), []byte("\n"))
	if len(value) > maxEntry {
		return nil, fmt.Errorf("position of %d bytes is too large", len(e.Position))
	}
	return value, nil
}

// decode is the reverse of encode. It refuses a value that Commit would not have written.
func decode(value []byte, lane string) (Entry, error) {
	var e Entry
	if err := json.Unmarshal(value, &e); err != nil {
		return Entry{}, unusable(lane, err)
	}
	switch {
	case e.Version != version:
		return Entry{}, unusable(lane, fmt.Errorf("it has version %d, and this build reads version %d", e.Version, version))
	case e.Lane != lane:
		return Entry{}, unusable(lane, fmt.Errorf("it belongs to lane %q", e.Lane))
	case e.Commit == "":
		return Entry{}, unusable(lane, fmt.Errorf("it has no commit"))
	case (e.Released || e.Renamed != "") != (e.Position == nil):
		return Entry{}, unusable(lane, fmt.Errorf("it has a position although it was given away, or none although it was not"))
	}
	// Another reader may understand a key that is repeated, or in another case, differently.
	if again, err := encode(e); err != nil || !bytes.Equal(again, value) {
		return Entry{}, unusable(lane, fmt.Errorf("this build would write it differently"))
	}
	return e, nil
}

func unusable(lane string, err error) error {
	return sink.Destination(fmt.Errorf("its position in Kafka cannot be used: %w", err),
		"set the position from which the lane goes on: sluice checkpoint set -c FILE --to TIME "+lane)
}
