package ledger

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// Entry is what the topic of positions says of a lane, as JSON.
type Entry struct {
	Version  int             `json:"version"` // 1
	Lane     string          `json:"lane"`
	Topic    string          `json:"topic,omitempty"` // that the records before the position are in; empty: in none of Kafka's
	Commit   string          `json:"commit"`          // of this entry alone
	Saved    time.Time       `json:"saved"`
	Set      bool            `json:"set,omitempty"`      // by a person
	Released bool            `json:"released,omitempty"` // the position is kept elsewhere, and not here
	Renamed  string          `json:"renamed,omitempty"`  // the lane that has the position, and not this one
	Position json.RawMessage `json:"position,omitempty"` // absent if Released or Renamed
}

const version = 1

// maxEntry bounds a value: a position of 512 kB, and what is around it.
const maxEntry = 600 << 10

func newCommit() string { return rand.Text() }

func encode(e Entry) ([]byte, error) {
	e.Version = version
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false) // which would make a position up to six times as long
	if err := encoder.Encode(e); err != nil {
		return nil, fmt.Errorf("encoding position: %w", err)
	}
	value := bytes.TrimSuffix(line.Bytes(), []byte("\n"))
	if len(value) > maxEntry {
		return nil, fmt.Errorf("position of %d bytes is larger than a position may be", len(e.Position))
	}
	return value, nil
}

// decode is the reverse of encode, and refuses what Commit would not have written.
func decode(value []byte, lane string) (Entry, error) {
	var e Entry
	if err := json.Unmarshal(value, &e); err != nil {
		return Entry{}, unusable(lane, err)
	}
	switch {
	case e.Version != version:
		return Entry{}, unusable(lane, fmt.Errorf("has version %d, and this build reads %d", e.Version, version))
	case e.Lane != lane:
		return Entry{}, unusable(lane, fmt.Errorf("is of lane %q", e.Lane))
	case e.Commit == "":
		return Entry{}, unusable(lane, fmt.Errorf("has no commit"))
	case (e.Released || e.Renamed != "") != (e.Position == nil):
		return Entry{}, unusable(lane, fmt.Errorf("has a position and was given away, or neither"))
	}
	// A key that is there twice, or in another case, may say something else to others.
	if again, err := encode(e); err != nil || !bytes.Equal(again, value) {
		return Entry{}, unusable(lane, fmt.Errorf("is not as this build writes it"))
	}
	return e, nil
}

func unusable(lane string, err error) error {
	return sink.Destination(fmt.Errorf("its position in Kafka cannot be used: %w", err),
		"say where the lane is to go on: sluice checkpoint set -c FILE --to TIME "+lane)
}
