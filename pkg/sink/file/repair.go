package file

import (
	"bytes"
	"errors"
	"fmt"
	"time"
)

var errNotOurs = errors.New("the file does not end with a line that a sink wrote")

// measure cuts off a torn last line. The rest of the file counts as acknowledged.
func (a *archive) measure() error {
	info, err := a.f.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	end, err := a.lastLineEnd(size)
	if err != nil {
		return err
	}
	if end < size {
		if err := a.disk.truncate(a.f, end); err != nil {
			return fmt.Errorf("cutting off a torn last line: %w", err)
		}
		a.log.Warn().Str("path", a.path).Int64("bytes", size-end).
			Msg("cut off a torn last line that a crash left; its record was not acknowledged and is published again")
	}
	a.acknowledged, a.last = end, info.ModTime()
	if end == 0 {
		a.last = time.Time{}
	}
	return nil
}

// lastLineEnd returns the offset after the last line end, 0 if there is none. It
// searches back no further than the longest possible line.
func (a *archive) lastLineEnd(size int64) (int64, error) {
	const chunk = 64 << 10
	buf := make([]byte, chunk)
	for to := size; to > 0; to = max(0, to-chunk) {
		if size-to > longest {
			return 0, errNotOurs
		}
		part := buf[:min(chunk, to)]
		if _, err := a.f.ReadAt(part, to-int64(len(part))); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(part, '\n'); i >= 0 {
			return to - int64(len(part)) + int64(i) + 1, nil
		}
	}
	return 0, nil
}
