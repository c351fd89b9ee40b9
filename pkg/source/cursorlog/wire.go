package cursorlog

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/rawjson"
	"github.com/sluice-siem/sluice/pkg/source"
)

// wire is a position as it is saved. The times of names are milliseconds after the floor:
// so 20,000 names stay below 512 kB. Without a floor they are milliseconds after the
// epoch.
type wire struct {
	Version      int       `json:"v"`
	Host         string    `json:"host"`
	Organization string    `json:"organization"`
	Floor        time.Time `json:"floor,omitzero"`
	Newest       time.Time `json:"newest,omitzero"`
	Through      time.Time `json:"through,omitzero"`
	Awaits       time.Time `json:"awaits,omitzero"`
	Behind       string    `json:"behind,omitempty"`
	Anchor       []string  `json:"anchor,omitempty"`
	Gap          *gap      `json:"gap,omitempty"`
	Under        time.Time `json:"under,omitzero"`
	Gone         time.Time `json:"gone,omitzero"`
	Edge         *edge     `json:"edge,omitempty"`
	Forgot       bool      `json:"forgot_undated,omitempty"`
	Undated      []string  `json:"undated,omitempty"`
	Ahead        []ahead   `json:"ahead,omitempty"`
}

// ahead is an event that was ahead of all clocks when it was delivered. It is named until
// the floor passes its time.
type ahead struct {
	ID string `json:"id"`
	At int64  `json:"at"` // milliseconds since the epoch
}

// encode appends the names without reflection: it runs once a page.
func (p *position) encode() (source.Position, error) {
	w := wire{
		Version: version, Host: p.host, Organization: p.organization,
		Floor: moment(p.floor), Newest: moment(p.newest), Through: moment(p.through),
		Gap: p.gap, Under: moment(p.under), Gone: moment(p.gone), Edge: p.edge, Forgot: p.forgot,
	}
	if p.awaits != none {
		w.Awaits, w.Behind = moment(p.awaits), p.behind
	}
	for _, n := range p.undated {
		if n.at == never {
			w.Undated = append(w.Undated, n.id)
		} else {
			w.Ahead = append(w.Ahead, ahead{n.id, n.at})
		}
	}
	if p.anchor[0] != "" {
		w.Anchor = p.anchor[:]
	}
	head, err := json.Marshal(w)
	if err != nil {
		return nil, fmt.Errorf("position: %w", err)
	}
	out := make([]byte, 0, len(head)+16+32*len(p.named))
	out = append(out, head[:len(head)-1]...)
	out = append(out, `,"named":{`...)
	for i, n := range p.named {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendName(out, n.id)
		out = append(out, ':')
		out = strconv.AppendInt(out, n.at-max(p.floor, 0), 10)
	}
	return append(out, '}', '}'), nil
}

// appendName quotes an id. Most ids are plain; others take the slow way.
func appendName(out []byte, id string) []byte {
	for i := range len(id) {
		if c := id[i]; c < 0x20 || c == '"' || c == '\\' || c >= 0x7f {
			quoted, _ := json.Marshal(id) // a string always marshals
			return append(out, quoted...)
		}
	}
	out = append(out, '"')
	out = append(out, id...)
	return append(out, '"')
}

// parsePosition reads a saved position.
func parsePosition(data []byte) (*position, error) {
	var named []name
	p, err := readPosition(data, func(id string, after int64) { named = append(named, name{strings.Clone(id), after}) })
	if err != nil {
		return nil, err
	}
	base := max(p.floor, 0)
	for i := range named {
		n := &named[i]
		if n.at > latestTime-base || n.at < -latestTime {
			return nil, fmt.Errorf("position: time of %q is out of range", n.id)
		}
		n.at += base
		p.index[n.id] = 0
	}
	p.named = named
	return p, nil
}

// latestTime is in milliseconds, as all times. It is the end of the year 9999.
const latestTime = 253402300799999

// readPosition reads a saved position apart from the events that it names. It calls named
// with each of those, in the order in which they were delivered. They are most of the
// text, and a lane reads its position once a minute to describe it.
func readPosition(data []byte, named func(id string, after int64)) (*position, error) {
	head, bad, err := scanNamed(data, named)
	if err != nil {
		return nil, fmt.Errorf("position: %w", err)
	}
	var w wire
	if err := json.Unmarshal(head, &w); err != nil {
		return nil, fmt.Errorf("position: %w", err)
	}
	if w.Version != version {
		return nil, fmt.Errorf("position: version %d is not supported, only version %d is", w.Version, version)
	}
	return w.position(), bad
}

// scanNamed calls named with what the key "named" holds, and returns the text without it.
// bad is what is wrong there, in JSON that is valid.
func scanNamed(data []byte, named func(id string, after int64)) (head []byte, bad, err error) {
	s := rawjson.Scanner{In: data}
	if s.Peek() != '{' {
		return nil, nil, s.Unexpected("a position is an object")
	}
	begin, end := 0, 0
	bad = errors.New(`position: key "named" is missing`)
	err = s.Object(0, nil, func(key string) error {
		if key != "named" {
			_, err := s.Value(1)
			return err
		}
		if bad = nil; end > 0 {
			bad = errors.New(`position: key "named" is there twice`)
		}
		isObject := s.Peek() == '{'
		begin = s.Pos
		defer func() { end = s.Pos }()
		if !isObject {
			bad = errors.New(`position: key "named" is not an object`)
			_, err := s.Value(1)
			return err
		}
		return s.Object(1, nil, func(id string) error {
			text, err := s.Value(2)
			after, wrong := strconv.ParseInt(text, 10, 64)
			if wrong != nil {
				bad = fmt.Errorf("position: time of %q is %.40s, not a whole number", id, text)
			}
			named(id, after)
			return err
		})
	})
	if err == nil {
		err = s.End()
	}
	if err != nil || end == 0 {
		return data, bad, err
	}
	return slices.Concat(data[:begin], []byte("{}"), data[end:]), bad, err
}

// position returns the position without the names that are above the floor.
func (w *wire) position() *position {
	p := newPosition(w.Host, w.Organization)
	p.floor, p.newest, p.through = millis(w.Floor), millis(w.Newest), millis(w.Through)
	p.gap, p.under, p.gone, p.edge, p.forgot = w.Gap, millis(w.Under), millis(w.Gone), w.Edge, w.Forgot
	if !w.Awaits.IsZero() {
		p.awaits, p.behind = millis(w.Awaits), w.Behind
	}
	if len(w.Anchor) == 2 {
		p.anchor = [2]string(w.Anchor)
	}
	for _, id := range w.Undated {
		p.undated = append(p.undated, name{id, never})
		p.index[id] = 0
	}
	for _, a := range w.Ahead {
		p.undated = append(p.undated, name{a.ID, a.At})
		p.index[a.ID] = 0
	}
	return p
}
