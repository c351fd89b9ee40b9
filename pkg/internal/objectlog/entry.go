package objectlog

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// Entry is an entry of a log, as JSON.
type Entry struct {
	Version  int             `json:"version"` // 1
	Lane     string          `json:"lane"`
	Number   int64           `json:"number"`
	Kind     Kind            `json:"kind"`
	Commit   string          `json:"commit"` // id of this entry alone
	Saved    time.Time       `json:"saved"`
	Objects  int64           `json:"objects"`          // the lane's objects up to here, this batch's included
	Object   string          `json:"object,omitempty"` // key of the batch's object
	Letters  string          `json:"letters,omitempty"`
	Position json.RawMessage `json:"position,omitempty"`
}

// Kind is what an entry stands for.
type Kind string

// The kinds of entries.
const (
	Take     Kind = "take"
	Position Kind = "position"
	Batch    Kind = "batch"
	Set      Kind = "set"
	Release  Kind = "release"
)

const (
	version = 1
	// maxEntry bounds an entry, in bytes: a position of 512 kB, 256 kB of
	// evidence beside it, and the other fields.
	maxEntry = 856 << 10
	jsonType = "application/json"
)

// newEntry returns an entry behind another, whose time is not before that one's: the clocks
// of instances differ.
func (l *Log) newEntry(kind Kind, after Entry, pos []byte) Entry {
	saved := time.Now().UTC()
	if saved.Before(after.Saved) {
		saved = after.Saved
	}
	return Entry{
		Version: version, Lane: l.lane, Number: after.Number + 1, Kind: kind, Commit: rand.Text(),
		Saved: saved, Objects: after.Objects, Position: pos,
	}
}

func encode(e Entry) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // escaping would make a position up to six times as long
	if err := encoder.Encode(e); err != nil {
		return nil, fmt.Errorf("encoding position: %w", err)
	}
	if text.Len() > maxEntry {
		return nil, fmt.Errorf("position of %d bytes is too large", len(e.Position))
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), nil
}

// decode is the reverse of encode. It refuses what no Log would have written.
func (l *Log) decode(body []byte, number int64) (Entry, error) {
	var e Entry
	if err := json.Unmarshal(body, &e); err != nil {
		return Entry{}, l.unusable(number, err)
	}
	switch {
	case e.Version != version:
		return Entry{}, l.unusable(number, fmt.Errorf("it has version %d, and this build reads version %d", e.Version, version))
	case e.Lane != l.lane:
		return Entry{}, l.unusable(number, fmt.Errorf("it belongs to lane %q", e.Lane))
	case e.Number != number:
		return Entry{}, l.unusable(number, fmt.Errorf("it says that it is entry %d", e.Number))
	case e.Commit == "", e.Objects < 0, (e.Kind == Batch) != (e.Object != ""), e.Kind == Batch && e.Objects == 0:
		return Entry{}, l.unusable(number, errors.New("what it says does not fit together"))
	}
	// Another reader may understand a key that is repeated, or in another case, differently.
	if again, err := encode(e); err != nil || !bytes.Equal(again, body) {
		return Entry{}, l.unusable(number, errors.New("this build would write it differently"))
	}
	return e, nil
}

func (l *Log) unusable(number int64, err error) error {
	return sink.Destination(fmt.Errorf("entry %s cannot be used: %w", l.entryKey(number), err),
		"find out who wrote it, since Sluice replaces no entry; then give the sink another prefix and set the position from which the lane goes on: sluice checkpoint set -c FILE --to TIME "+l.lane)
}

// read returns an entry. The error is objectstore.ErrNotFound if there is none.
func (l *Log) read(ctx context.Context, number int64) (Entry, error) {
	o, err := l.settings.Store.Read(ctx, l.entryKey(number))
	if err != nil {
		return Entry{}, err
	}
	return l.decode(o.Body, number)
}

// create writes an entry. It is errTaken if the number belongs to another. If an earlier
// attempt wrote the same entry, that is no error.
func (l *Log) create(ctx context.Context, e Entry) error {
	body, err := encode(e)
	if err != nil {
		return err
	}
	err = l.settings.Store.Create(ctx, l.entryKey(e.Number), objectstore.Object{Body: body, Type: jsonType})
	if !errors.Is(err, objectstore.ErrExists) {
		return err
	}
	there, err := l.read(ctx, e.Number)
	if err != nil {
		return err
	}
	if there.Commit != e.Commit {
		return errTaken
	}
	return nil
}

// errTaken means that another wrote an entry, or gave up a batch.
var errTaken = errors.New("another instance wrote to the lane's log")
