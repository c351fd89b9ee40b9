// Package letter is the stored form of a dead letter: a line of JSON that a person can
// read, and from which the record can be published again, byte for byte. Text that is
// not valid UTF-8 is stored as base64.
package letter

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// Letter is a dead letter: a rejected record with its lane.
type Letter struct {
	Lane string
	sink.Reject
}

const version = 1

// line is the stored form of a Letter.
type line struct {
	Version int       `json:"version"`
	Time    time.Time `json:"time"`
	Lane    string    `json:"lane"`
	Reason  string    `json:"reason"`
	Record  record    `json:"record"`
	Raw     *string   `json:"raw,omitempty"`
	RawB64  []byte    `json:"raw_base64,omitempty"`
}

type record struct {
	ID           text      `json:"id"`
	Organization text      `json:"organization"`
	Action       text      `json:"action"`
	Key          text      `json:"key"`
	Format       string    `json:"format"`
	MediaType    string    `json:"media_type"`
	Time         time.Time `json:"time"`
	Severity     int       `json:"severity"`
	Late         bool      `json:"late"`
	Replayed     bool      `json:"replayed,omitempty"`
	OwnToken     bool      `json:"own_token,omitempty"`
	Epoch        uint64    `json:"epoch,omitempty"`
	Sequence     uint64    `json:"sequence,omitempty"`
	Body         *string   `json:"body,omitempty"`
	BodyB64      []byte    `json:"body_base64,omitempty"`
}

// Encode writes l as a line.
func Encode(w io.Writer, l Letter) error {
	r := &l.Record
	stored := line{
		Version: version, Time: storable(l.Time), Lane: l.Lane, Reason: l.Reason,
		Record: record{
			ID: text(r.ID), Organization: text(r.Organization), Action: text(r.Action), Key: text(r.Key),
			Format: r.Format, MediaType: r.MediaType, Time: storable(r.Time), Severity: r.Severity, Late: r.Late, Replayed: r.Replayed, OwnToken: r.OwnToken,
			Epoch: r.Epoch, Sequence: r.Sequence,
		},
	}
	stored.Raw, stored.RawB64 = split(l.Raw)
	stored.Record.Body, stored.Record.BodyB64 = split(r.Body)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(stored)
}

// Decode is the inverse of Encode. data may have a line end.
func Decode(data []byte) (Letter, error) {
	var stored line
	if err := json.Unmarshal(data, &stored); err != nil {
		return Letter{}, err
	}
	if stored.Version != version {
		return Letter{}, fmt.Errorf("has version %d, and this build reads version %d", stored.Version, version)
	}
	r := &stored.Record
	return Letter{Lane: stored.Lane, Reject: sink.Reject{
		Record: sink.Record{
			ID: string(r.ID), Organization: string(r.Organization), Action: string(r.Action), Key: string(r.Key),
			Format: r.Format, MediaType: r.MediaType, Time: r.Time, Severity: r.Severity, Late: r.Late, Replayed: r.Replayed, OwnToken: r.OwnToken,
			Epoch: r.Epoch, Sequence: r.Sequence,
			Body: join(r.Body, r.BodyB64),
		},
		Raw:    join(stored.Raw, stored.RawB64),
		Reason: stored.Reason,
		Time:   stored.Time,
	}}, nil
}

// split returns data as a readable string if it is valid UTF-8, else as bytes.
func split(data []byte) (*string, []byte) {
	if data == nil {
		return nil, nil
	}
	if !utf8.Valid(data) {
		return nil, data
	}
	s := string(data)
	return &s, nil
}

func join(s *string, data []byte) []byte {
	if s == nil {
		return data
	}
	return []byte(*s)
}

// storable returns t, or the zero time if t is outside the years 0 to 9999 in UTC, the
// range of JSON. The source chooses some times, and a wild one must not stop a letter
// from being buried; the raw event still contains it.
func storable(t time.Time) time.Time {
	t = t.UTC()
	if t.Year() < 0 || t.Year() > 9999 {
		return time.Time{}
	}
	return t
}

// text is a string that survives JSON even if it is not valid UTF-8; it then becomes
// {"base64": …}.
type text string

type base64Text struct {
	Base64 []byte `json:"base64"`
}

func (t text) MarshalJSON() ([]byte, error) {
	if !utf8.ValidString(string(t)) {
		return json.Marshal(base64Text{[]byte(t)})
	}
	return json.Marshal(string(t))
}

func (t *text) UnmarshalJSON(data []byte) error {
	var s string
	if len(data) > 0 && data[0] == '{' {
		var b base64Text
		err := json.Unmarshal(data, &b)
		*t = text(b.Base64)
		return err
	}
	err := json.Unmarshal(data, &s)
	*t = text(s)
	return err
}
