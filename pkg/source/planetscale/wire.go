package planetscale

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
)

// wire is a position as it is saved. The names' times are milliseconds after
// the floor, which keeps 20,000 of them under 512 kB; where there is no floor
// they are after the epoch.
type wire struct {
	Version      int       `json:"v"`
	Host         string    `json:"host"`
	Organization string    `json:"organization"`
	Floor        time.Time `json:"floor,omitzero"`
	Newest       time.Time `json:"newest,omitzero"`
	Through      time.Time `json:"through,omitzero"`
	Anchor       []string  `json:"anchor,omitempty"`
	Gap          *gap      `json:"gap,omitempty"`
	Under        time.Time `json:"under,omitzero"`
	Gone         time.Time `json:"gone,omitzero"`
	Edge         *edge     `json:"edge,omitempty"`
	Forgot       bool      `json:"forgot_undated,omitempty"`
	Undated      []string  `json:"undated,omitempty"`
	Ahead        []ahead   `json:"ahead,omitempty"`
}

// ahead is an event that was ahead of all clocks when it was delivered. It is
// named until the floor passes the time that it claims.
type ahead struct {
	ID string `json:"id"`
	At int64  `json:"at"` // milliseconds since the epoch
}

// encode is appended by hand where it is long: it is done once a page.
func (p *position) encode() (source.Position, error) {
	w := wire{
		Version: version, Host: p.host, Organization: p.organization,
		Floor: moment(p.floor), Newest: moment(p.newest), Through: moment(p.through),
		Gap: p.gap, Under: moment(p.under), Gone: moment(p.gone), Edge: p.edge, Forgot: p.forgot,
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

// appendName quotes an id. Those of the API are plain; one that is not was sent
// by a server that breaks the contract, and takes the slow way.
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

func parsePosition(data []byte) (*position, error) {
	var w struct {
		wire
		Named json.RawMessage `json:"named"`
	}
	if err := json.Unmarshal(data, &w); err != nil {
		return nil, fmt.Errorf("position: %w", err)
	}
	if w.Version != version {
		return nil, fmt.Errorf("position: version %d is not %d", w.Version, version)
	}
	p := newPosition(w.Host, w.Organization)
	p.floor, p.newest, p.through = millis(w.Floor), millis(w.Newest), millis(w.Through)
	p.gap, p.under, p.gone, p.edge, p.forgot = w.Gap, millis(w.Under), millis(w.Gone), w.Edge, w.Forgot
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
	return p, p.parseNamed(w.Named)
}

// parseNamed reads the names in the order in which they were delivered.
func (p *position) parseNamed(data []byte) error {
	if len(data) == 0 {
		return errors.New("position: named is missing")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return errors.New("position: named is not an object")
	}
	for dec.More() {
		id, err := dec.Token()
		if err != nil {
			return fmt.Errorf("position: %w", err)
		}
		var after int64
		if err := dec.Decode(&after); err != nil {
			return fmt.Errorf("position: time of %q: %w", id, err)
		}
		p.named = append(p.named, name{id.(string), after + max(p.floor, 0)})
		p.index[id.(string)] = 0
	}
	return nil
}
