// Package pause stores which lanes are paused: a marker for each, in the state directory or
// in what replicas share.
//
// A marker outlives every process. The command that pauses a lane writes it, and whoever
// runs the lane reads it before the lane starts and each second after that. So it makes no
// difference whether sluice runs meanwhile, where, or how often it is restarted.
//
// Its guarantee is that a lane somebody paused does not start by itself. A marker that is
// cut, edited or of another lane therefore still means that its lane is paused, and says
// what is wrong with it. Only Resume removes a marker.
//
// Dir does not take the lock of the state directory, which belongs to the process that runs
// the lanes. A marker is one small file that is replaced as a whole, so there is nothing to
// lock.
package pause

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// Marker says that a lane is paused.
type Marker struct {
	Lane   string    `json:"lane"`
	Since  time.Time `json:"since"`
	By     string    `json:"by"` // such as "root@siem-1"
	Reason string    `json:"reason,omitempty"`

	// Err is why the marker cannot be used. The lane is paused all the same, and the other
	// fields but Lane are not known.
	Err error `json:"-"`
}

// maxMarker limits a marker, in bytes, and maxReason the reason in it.
const (
	maxMarker = 8 << 10
	maxReason = 500
)

// Validate returns an error if the marker is not one that can be written.
func (m *Marker) Validate() error {
	if len(m.Reason) > maxReason {
		return fmt.Errorf("the reason has %d bytes, and at most %d can be saved", len(m.Reason), maxReason)
	}
	return nil
}

const version = 1

type content struct {
	Version int `json:"version"`
	Marker
}

// encode writes a marker. Texts that are not UTF-8 would not be read as they were written.
func encode(m Marker) ([]byte, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	m.By, m.Reason = strings.ToValidUTF8(m.By, "\uFFFD"), strings.ToValidUTF8(m.Reason, "\uFFFD")
	m.Since = m.Since.UTC().Truncate(time.Second)
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(content{version, m})
	return b.Bytes(), err
}

var errCorrupt = errors.New("it was cut or edited")

// decode returns the marker of a lane. It accepts only what encode writes.
func decode(data []byte, lane string) Marker {
	var c content
	err := json.Unmarshal(data, &c)
	switch {
	case err != nil:
		err = fmt.Errorf("%w: %w", errCorrupt, err)
	case c.Version != version:
		err = fmt.Errorf("it has version %d, and this build reads version %d", c.Version, version)
	case c.Lane != lane:
		err = fmt.Errorf("it belongs to lane %q", c.Lane)
	default:
		if again, _ := encode(c.Marker); !bytes.Equal(again, data) {
			err = errCorrupt
		}
	}
	if err != nil {
		return unusable(lane, err)
	}
	return c.Marker
}

func unusable(lane string, err error) Marker {
	return Marker{Lane: lane, Err: sink.Hint(fmt.Errorf("the marker of the pause cannot be used: %w", err),
		fmt.Sprintf("start the lane with sluice resume -c FILE %s, or keep it paused with sluice pause -c FILE %s", lane, lane))}
}
