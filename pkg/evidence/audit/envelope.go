package audit

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
)

// key is under which a position keeps a count, beside the position that the lane would have
// without it.
const key = "audit"

// saved is Hours as JSON.
type saved struct {
	Since   time.Time `json:"since,omitzero"`
	Audited time.Time `json:"audited"`
	Reach   int64     `json:"reach_ms,omitempty"`
	Last    *Result   `json:"last,omitempty"`
	Hours   string    `json:"hours,omitempty"` // base64 of encode
	Apart   string    `json:"apart,omitempty"` // base64 of 8 bytes each
}

// Join returns a position that keeps the count.
func Join(h *Hours, pos source.Position) (source.Position, error) {
	v := saved{Since: h.Since, Audited: h.Audited, Reach: h.Reach.Milliseconds(), Hours: base64.StdEncoding.EncodeToString(h.encode())}
	if !h.Last.At.IsZero() {
		v.Last = &h.Last
	}
	var apart []byte
	for _, id := range h.apart {
		apart = binary.BigEndian.AppendUint64(apart, id)
	}
	v.Apart = base64.StdEncoding.EncodeToString(apart)
	return source.Enclose(key, v, pos)
}

// Inner returns the position without its count. It costs little.
func Inner(pos source.Position) source.Position {
	_, inner, err := source.Enclosed(key, pos)
	if err != nil {
		return pos
	}
	return inner
}

// Split returns the position without its count, and the count; nil if it has none. The
// error is source.ErrUnusable.
func Split(pos source.Position) (source.Position, *Hours, error) {
	beside, inner, err := source.Enclosed(key, pos)
	if beside == nil || err != nil {
		return inner, nil, err
	}
	var v saved
	var h *Hours
	if err = json.Unmarshal(beside, &v); err == nil {
		h, err = v.hours()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("count of an audit in the position: %w: %w", err, source.ErrUnusable)
	}
	return inner, h, nil
}

func (v *saved) hours() (*Hours, error) {
	h := &Hours{Since: v.Since, Audited: v.Audited, Reach: time.Duration(v.Reach) * time.Millisecond}
	if v.Last != nil {
		h.Last = *v.Last
	}
	apart, err := base64.StdEncoding.DecodeString(v.Apart)
	if err != nil {
		return nil, err
	}
	for ; len(apart) >= 8; apart = apart[8:] {
		h.apart = append(h.apart, binary.BigEndian.Uint64(apart))
	}
	sums, err := base64.StdEncoding.DecodeString(v.Hours)
	if err != nil {
		return nil, err
	}
	return h, h.decode(sums)
}

// encode returns the sums: for each hour with events, in their order, the hours since the
// one before and the number of events as varints, and the sums as 8 bytes each. Both is
// left out for a single event.
func (h *Hours) encode() []byte {
	b := make([]byte, 0, 27*len(h.sums))
	before := int64(0)
	for _, hour := range slices.Sorted(maps.Keys(h.sums)) {
		s := h.sums[hour]
		b = binary.AppendUvarint(b, uint64(hour-before))
		b = binary.AppendUvarint(b, s.Events)
		b = binary.BigEndian.AppendUint64(b, s.IDs)
		b = binary.BigEndian.AppendUint64(b, s.Bytes)
		if s.Events > 1 {
			b = binary.BigEndian.AppendUint64(b, s.Both)
		}
		before = hour
	}
	return b
}

var errHours = errors.New("the hours are not complete")

func (h *Hours) decode(b []byte) error {
	hour := int64(0)
	for len(b) > 0 {
		after, n := binary.Uvarint(b)
		if n <= 0 || after > 1<<32 {
			return errHours
		}
		b = b[n:]
		var s Sum
		if s.Events, n = binary.Uvarint(b); n <= 0 || s.Events == 0 {
			return errHours
		}
		b = b[n:]
		sums := []*uint64{&s.IDs, &s.Bytes}
		if s.Events > 1 {
			sums = append(sums, &s.Both)
		}
		for _, to := range sums {
			if len(b) < 8 {
				return errHours
			}
			if *to = binary.BigEndian.Uint64(b); *to >= prime {
				return errHours
			}
			b = b[8:]
		}
		if s.Events == 1 {
			s.Both = times(s.IDs, s.Bytes)
		}
		hour += int64(after)
		h.set(hour, s)
	}
	return nil
}
