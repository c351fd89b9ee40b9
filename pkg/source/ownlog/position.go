package ownlog

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
)

// position is a place in the log: before the line with the number Next.
type position struct {
	Version int       `json:"v"`
	Log     string    `json:"log"`
	Next    int64     `json:"next"`
	Last    string    `json:"last,omitempty"` // hash of the line before Next; empty if it was not read
	Event   time.Time `json:"event,omitzero"` // the latest time of an event that was delivered
	After   time.Time `json:"after,omitzero"` // where the lane began, if not at the beginning
	Gap     *gap      `json:"gap,omitempty"`  // not delivered yet
}

// gap is an interval of which events may be missing.
type gap struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

const version = 1

func (p *position) encode() (source.Position, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("sluice: position: %w", err)
	}
	return text, nil
}

// parsePosition reads a position, which must be of the log. If the name of the log is not
// known yet, it is compared when the reader reads.
func parsePosition(pos source.Position, log string) (*position, error) {
	var p position
	d := json.NewDecoder(bytes.NewReader(pos))
	d.DisallowUnknownFields()
	err := d.Decode(&p)
	if _, rest := d.Token(); err == nil && rest != io.EOF {
		err = errors.New("something follows it")
	}
	switch {
	case err != nil:
		return nil, unusable{fmt.Errorf("sluice: position: %w", err)}
	case p.Version != version:
		return nil, unusable{fmt.Errorf("sluice: position: version %d is not supported, only version %d is", p.Version, version)}
	case p.Log == "" || p.Next < 0:
		return nil, unusable{errors.New("sluice: position: it names no log, or no line")}
	}
	return &p, p.of(log)
}

// of returns an error if the position is of another log.
func (p *position) of(log string) error {
	if log != "" && p.Log != log {
		return unusable{fmt.Errorf("sluice: the position is of own log %s, and the state has own log %s", p.Log, log)}
	}
	return nil
}

// unusable marks the error of a position that is corrupt or of another log.
type unusable struct{ error }

func (e unusable) Unwrap() error        { return e.error }
func (e unusable) Is(target error) bool { return target == source.ErrUnusable }

func (unusable) ErrorHint() string {
	return "the own log was removed or replaced: put it back, or choose where its lanes resume with `sluice checkpoint set`"
}

// follows reports whether the position can be behind a line with that number.
func (p *position) follows(l Line) bool { return l.Number == p.Next-1 && hashOf(l.Text) == p.Last }

// hashOf tells a line from one that another history of the log has under its number.
func hashOf(line []byte) string {
	sum := sha256.Sum256(line)
	return hex.EncodeToString(sum[:8])
}

// through is the time until which everything was delivered.
func (p *position) through() time.Time {
	if p.After.After(p.Event) {
		return p.After
	}
	return p.Event
}

func (p *position) describe() source.Description {
	d := source.Description{Event: p.Event, Floor: p.through(), Through: p.through()}
	if p.Gap != nil {
		d.Gap, d.Through = source.Interval(*p.Gap), p.Gap.From
	}
	return d
}

// skip notes that the lines before a number are gone, of which the lane has not read the
// last ones. oldest is the time of the oldest event left.
func (p *position) skip(to int64, oldest time.Time) {
	from := p.through()
	if from.IsZero() || from.After(oldest) {
		from = oldest
	}
	if p.Gap != nil {
		from = p.Gap.From
	}
	p.Next, p.Last, p.Gap = to, "", &gap{From: from, To: oldest}
}
