package posting

import (
	"bytes"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Compression is how the bodies of requests are compressed. Except for None it is the value
// of the header Content-Encoding (RFC 9110, section 8.4.1; RFC 8878, section 7.2).
type Compression string

// Compressions.
const (
	None Compression = "none"
	Gzip Compression = "gzip"
	Zstd Compression = "zstd"
)

// Encode returns the body to send, in new memory: http.Transport may read it for a moment
// after it returned.
func (q Request) Encode(c Compression) ([]byte, error) {
	if c == None {
		return q.write(make([]byte, 0, q.Size())), nil
	}
	out := bytes.NewBuffer(make([]byte, 0, q.Size()/4+512))
	writers := writersOf(c)
	w := writers.Get().(writer)
	defer writers.Put(w)
	w.Reset(out)
	if err := q.writeTo(w); err != nil {
		return nil, fmt.Errorf("compressing: %w", err)
	}
	return out.Bytes(), nil
}

func (q Request) write(dst []byte) []byte {
	return append(append(append(dst, q.framing.Head...), q.joined...), q.framing.Tail...)
}

func (q Request) writeTo(w io.WriteCloser) error {
	for _, part := range [...][]byte{[]byte(q.framing.Head), q.joined, []byte(q.framing.Tail)} {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return w.Close()
}

type writer interface {
	io.WriteCloser
	Reset(io.Writer)
}

func writersOf(c Compression) *sync.Pool {
	if c == Zstd {
		return &zstds
	}
	return &gzips
}

// The writers of all sinks. One of gzip takes half a megabyte, so an idle sink has none.
var (
	gzips = sync.Pool{New: newGzip}
	zstds = sync.Pool{New: newZstd}
)

// newGzip returns a writer with the fastest level. Audit events are so alike that it
// shrinks them to a tenth.
func newGzip() any {
	w, err := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed)
	if err != nil {
		panic(err) // only for an unknown level
	}
	return w
}

// newZstd returns a writer without goroutines of its own. A window of 1 MiB holds most
// requests, and the memory of a writer grows with it.
func newZstd() any {
	w, err := zstd.NewWriter(io.Discard, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20), zstd.WithLowerEncoderMem(true))
	if err != nil {
		panic(err) // only for a wrong option
	}
	return w
}
