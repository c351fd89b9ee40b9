package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
)

const version = 1

// content is the part of a file that decode reads.
type content struct {
	Version  int             `json:"version"`
	Lane     string          `json:"lane"`
	Saved    time.Time       `json:"saved"`
	Position json.RawMessage `json:"position"`
}

// encode returns the content of a file. It copies the position without decoding it,
// since positions may be long and are saved often.
func encode(lane string, saved time.Time, pos source.Position) ([]byte, error) {
	if len(pos) > maxPosition {
		return nil, fmt.Errorf("position has %d bytes, and at most %d can be saved", len(pos), maxPosition)
	}
	name, err := json.Marshal(lane)
	if err != nil {
		return nil, err
	}
	b := bytes.NewBuffer(make([]byte, 0, len(pos)+len(name)+256))
	fmt.Fprintf(b, "{\n  \"version\": %d,\n  \"lane\": %s,\n  \"saved\": %q,\n  \"position\": ",
		version, name, saved.UTC().Format(time.RFC3339Nano))
	if err := json.Compact(b, pos); err != nil {
		return nil, fmt.Errorf("position is not JSON: %w", err)
	}
	b.WriteString(",\n")
	sum := sha256.Sum256(b.Bytes())
	fmt.Fprintf(b, "  \"sha256\": %q\n}\n", hex.EncodeToString(sum[:]))
	return b.Bytes(), nil
}

// decode is the inverse of encode. It accepts only bytes that encode writes.
func decode(data []byte) (Checkpoint, error) {
	if len(data) > maxFile {
		return Checkpoint{}, fmt.Errorf("%w: it is larger than %d bytes", ErrCorrupt, maxFile)
	}
	// A later version may differ in all but the number.
	var probe struct{ Version int }
	if err := json.Unmarshal(data, &probe); err != nil {
		return Checkpoint{}, fmt.Errorf("%w: it is not complete: %w", ErrCorrupt, err)
	}
	if probe.Version != version {
		return Checkpoint{}, fmt.Errorf("%w: it has version %d, and this build reads version %d", ErrVersion, probe.Version, version)
	}
	var f content
	if err := json.Unmarshal(data, &f); err != nil {
		return Checkpoint{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	want, err := encode(f.Lane, f.Saved, f.Position)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if !bytes.Equal(data, want) {
		return Checkpoint{}, fmt.Errorf("%w: %w", ErrCorrupt, errChecksum)
	}
	return Checkpoint{Lane: f.Lane, Saved: f.Saved, Position: f.Position}, nil
}

var errChecksum = errors.New("it does not match its sha256, so it was edited or the disk damaged it")
