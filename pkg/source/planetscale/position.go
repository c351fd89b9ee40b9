package planetscale

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
)

// A position is where a lane stands: everything before floor is settled, and at
// or above it exactly the events named are. It does not depend on any
// particular event being still there.
//
// Times are milliseconds since the epoch, so that what the API tells apart by
// less is a tie, and ties are safe: all comparisons are ≥ floor.
type position struct {
	host, organization string
	floor              int64 // settled is what has an earlier time
	newest             int64 // the latest time delivered
	through            int64 // the server's clock at the start of the last complete walk; while one is being handed out, the time up to which it was
	named              []name
	undated            []string // delivered, without a time that decides
	forgot             bool     // undated ones had to be forgotten
	anchor             [2]string
	gap                *gap // found, and to be told before anything else

	index map[string]uint64 // digests of what is named; 0 if not seen since the start
	owed  int64             // floor that bound could not raise yet
}

// name is a delivered event at or above the floor.
type name struct {
	id string
	at int64
}

// gap is an interval of which events may be missing.
type gap struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"` // the oldest event there was, or the server's clock where there was none

	saved bool // the position was returned with the gap in it
}

const (
	never = math.MinInt64

	maxNames   = 20000 // ids a position names
	maxUndated = 5000  // of them without a time
	maxBytes   = 500_000
	version    = 1
)

func newPosition(host, organization string) *position {
	return &position{
		host: host, organization: organization,
		floor: never, newest: never, through: never, owed: never,
		index: map[string]uint64{},
	}
}

// knows tells whether the event was delivered and is named.
func (p *position) knows(l *listed) bool {
	_, ok := p.index[l.id]
	return ok
}

// deliver names an event that was handed out. The digest of its bytes tells
// later whether it changed.
func (p *position) deliver(l *listed, digest uint64) {
	id := strings.Clone(l.id) // outlives the page
	p.index[id] = digest
	if !l.dated {
		p.undated = append(p.undated, id)
		return
	}
	p.named = append(p.named, name{id, l.at})
	p.newest = max(p.newest, l.at)
}

// raise moves the floor up, never down, and forgets the names below it.
func (p *position) raise(floor int64) {
	if floor <= p.floor {
		return
	}
	p.floor = floor
	p.named = slices.DeleteFunc(p.named, func(n name) bool {
		if n.at < floor {
			delete(p.index, n.id)
		}
		return n.at < floor
	})
}

// bound keeps the position within what it may name. waits is the earliest time
// of what is yet to be handed out: the floor never passes it, so rather than
// lose an event, names are forgotten without raising the floor, and a crash
// before that is made up for repeats them. It tells whether anything had to
// give way.
func (p *position) bound(waits int64) (shrunk bool) {
	if p.owed > p.floor {
		p.raise(min(p.owed, waits))
		shrunk = true
	}
	if n := len(p.undated) - maxUndated; n > 0 {
		p.forgetUndated(n)
		shrunk = true
	}
	excess := p.excess()
	if excess <= 0 {
		return shrunk
	}
	if excess > len(p.named) {
		p.forgetUndated(min(excess-len(p.named), len(p.undated)))
		excess = len(p.named)
	}
	if excess > 0 {
		times := make([]int64, len(p.named))
		for i, n := range p.named {
			times[i] = n.at
		}
		slices.Sort(times)
		p.owed = max(p.owed, times[excess-1]+1)
		p.raise(min(p.owed, waits))
		p.forgetNamed(p.excess())
	}
	return true
}

// excess is by how many names the position is too large.
func (p *position) excess() int {
	n := len(p.named) + len(p.undated) - maxNames
	size, base := 0, max(p.floor, 0)
	for _, m := range p.named {
		size += len(m.id) + len(`"":1,`)
		for after := m.at - base; after >= 10; after /= 10 {
			size++
		}
	}
	for _, id := range p.undated {
		size += len(id) + len(`"",`)
	}
	if size > maxBytes {
		mean := size / (len(p.named) + len(p.undated))
		n = max(n, (size-maxBytes)/mean+1)
	}
	return n
}

func (p *position) forgetUndated(n int) {
	for _, id := range p.undated[:n] {
		delete(p.index, id)
	}
	p.undated = slices.Delete(p.undated, 0, n)
	p.forgot = true
}

func (p *position) forgetNamed(n int) {
	n = min(max(n, 0), len(p.named))
	for _, m := range p.named[:n] {
		delete(p.index, m.id)
		p.owed = max(p.owed, m.at+1)
	}
	p.named = slices.Delete(p.named, 0, n)
}

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
	Forgot       bool      `json:"forgot_undated,omitempty"`
	Undated      []string  `json:"undated,omitempty"`
}

// encode is appended by hand where it is long: it is done once a page.
func (p *position) encode() (source.Position, error) {
	w := wire{
		Version: version, Host: p.host, Organization: p.organization,
		Floor: moment(p.floor), Newest: moment(p.newest), Through: moment(p.through),
		Gap: p.gap, Forgot: p.forgot, Undated: p.undated,
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
	p.gap, p.forgot, p.undated = w.Gap, w.Forgot, w.Undated
	if len(w.Anchor) == 2 {
		p.anchor = [2]string(w.Anchor)
	}
	for _, id := range p.undated {
		p.index[id] = 0
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

func (p *position) describe(retention time.Duration) source.Description {
	d := source.Description{Event: moment(p.newest), Floor: moment(p.floor), Through: moment(p.through)}
	if !d.Through.IsZero() {
		d.Expires = d.Through.Add(retention)
	}
	return d
}

// moment is zero where there is no time.
func moment(ms int64) time.Time {
	if ms == never {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return never
	}
	return t.UnixMilli()
}
