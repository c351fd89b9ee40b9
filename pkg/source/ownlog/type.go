package ownlog

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
)

// Organization is the organization of all events of the own log, which are of no customer
// of a vendor. Records have it where others have that, so no format and no destination
// needs another form for them.
const Organization = Name

// Type describes the events of the own log. A configuration cannot name it: the own log is
// a source wherever there is a state. So its Open returns an error; NewSource opens the log.
func Type() source.Type {
	t := source.NewType(Name, struct{}{}, func(context.Context, source.OpenEnv, struct{}) (source.Source, error) {
		return nil, errors.New("the own log is a source without being configured")
	})
	t.Product, t.Catalogue, t.Parse = product, catalogue, Parse
	return t
}

// Parse reads lines of the log that did not come from a Store. One that cannot be decoded is
// kept raw, with the reason in Problem. Parse fails where a line is not JSON.
func Parse(data []byte, organization string) ([]source.Event, error) {
	var events []source.Event
	now := time.Now().UTC()
	d := json.NewDecoder(bytes.NewReader(data))
	for d.More() {
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, fmt.Errorf("the event is not JSON: %w", err)
		}
		e := decode(raw, now)
		e.Organization = organization
		events = append(events, e)
	}
	return events, nil
}

// mostID is the longest id that a record carries. A longer one is replaced by a hash.
const mostID = 255

// decode decodes a line that was read at a time. An event without a time has that one.
func decode(line []byte, read time.Time) source.Event {
	var o struct {
		ID      string          `json:"id"`
		Time    time.Time       `json:"time"`
		Action  string          `json:"action"`
		Actor   source.Party    `json:"actor"`
		Subject source.Party    `json:"subject"`
		Text    string          `json:"text"`
		Details json.RawMessage `json:"details"`
	}
	e := source.Event{Read: read, Organization: Organization, Raw: line}
	if err := json.Unmarshal(line, &o); err != nil {
		e.Problem = "event: " + err.Error()
	}
	e.ID, e.Time, e.Action, e.Actor, e.Objects[0] = o.ID, o.Time, o.Action, o.Actor, o.Subject
	e.Text = o.Text
	if string(o.Details) != "null" {
		e.Metadata = o.Details
	}
	if e.ID == "" || len(e.ID) > mostID {
		sum := sha256.Sum256(line)
		e.ID = "sha256:" + hex.EncodeToString(sum[:])
	}
	if e.Time.IsZero() {
		e.Time = read
		if e.Problem == "" {
			e.Problem = "event: it has no time"
		}
	}
	return e
}
