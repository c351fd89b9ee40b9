package committed_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/sluice-siem/sluice/pkg/internal/committed"
)

// For any bytes the log is read correctly or refused: no panic, rising offsets, and no
// record both committed and open. The checksums are corrected, since otherwise no input
// would get past them.
func FuzzLog(f *testing.F) {
	for _, data := range segments(f) {
		f.Add(data)
	}
	f.Add(log(data(0, 7, "a"), data(1, 8, "b"), end(2, 8, commit)))
	f.Fuzz(func(t *testing.T, data []byte) {
		data = bytes.Clone(data)
		for at := 0; len(data)-at >= 61; {
			length := int(binary.BigEndian.Uint32(data[at+8:]))
			if length < 49 || length > len(data)-at-12 {
				break
			}
			sum := crc32.Checksum(data[at+21:at+12+length], crc32.MakeTable(crc32.Castagnoli))
			binary.BigEndian.PutUint32(data[at+17:], sum)
			at += 12 + length
		}
		last := int64(-1)
		open, next, err := committed.ReadLog(data, func(r committed.Record) error {
			if r.Offset <= last {
				t.Errorf("offset %d comes after %d", r.Offset, last)
			}
			last = r.Offset
			return nil
		})
		if err == nil && last >= next {
			t.Errorf("offset %d was read, and %d is next", last, next)
		}
		for _, o := range open {
			if o.Records < 1 {
				t.Errorf("open without a record: %+v", o)
			}
		}
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add(append(make([]byte, 64), 0, 0, 0, 0))
	f.Fuzz(func(t *testing.T, data []byte) {
		if got, err := committed.ReadAnswer(data); err == nil && len(got) > len(data) {
			t.Errorf("got %d bytes of %d", len(got), len(data))
		}
	})
}
