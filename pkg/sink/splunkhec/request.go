package splunkhec

import (
	"bytes"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"

	"github.com/sluice-siem/sluice/pkg/internal/pool"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// request holds consecutive records of a batch, encoded.
type request struct {
	first int    // index of its first record in the batch
	body  []byte // envelopes, one after the other; of the pool, until the request is delivered
	ends  []int  // end of each envelope in body
}

func (q request) len() int { return len(q.ends) }

// slice returns the request of the records i up to, but without, j. It shares the
// memory of body.
func (q request) slice(i, j int) request {
	begin := 0
	if i > 0 {
		begin = q.ends[i-1]
	}
	part := request{first: q.first + i, ends: make([]int, j-i)}
	if j > i {
		part.body = q.body[begin:q.ends[j-1]]
	}
	for n := range part.ends {
		part.ends[n] = q.ends[i+n] - begin
	}
	return part
}

// next encodes as many records of a batch, from first on, as a request may hold. A
// record that is too large by itself is sent alone, and Splunk decides about it. The
// record limit makes this rare.
func (h *hec) next(batch []sink.Record, first int) request {
	q := request{first: first, body: pool.Get(h.bodySize)}
	limit := int(h.settings.MaxRequestBytes)
	for i := first; i < len(batch) && q.len() < h.settings.MaxRequestEvents; i++ {
		end := len(q.body)
		q.body = h.envelope.append(q.body, &batch[i])
		if q.len() > 0 && len(q.body) > limit {
			q.body = q.body[:end]
			break
		}
		q.ends = append(q.ends, len(q.body))
	}
	h.bodySize = len(q.body) + len(q.body)/8
	return q
}

// compress returns the body to send, in new memory: http.Transport may read it for a
// moment after it returned.
func (h *hec) compress(body []byte) ([]byte, error) {
	if h.settings.Compression == "none" {
		return bytes.Clone(body), nil
	}
	out := bytes.NewBuffer(make([]byte, 0, len(body)/4+512))
	w := gzips.Get().(*gzip.Writer)
	defer gzips.Put(w)
	w.Reset(out)
	_, err := w.Write(body)
	if closing := w.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return nil, fmt.Errorf("compressing: %w", err)
	}
	return out.Bytes(), nil
}

// gzips are the writers of all sinks. Each takes half a megabyte, so an idle sink has none.
var gzips = sync.Pool{New: newGzip}

// newGzip returns a writer with the fastest level. Audit events are so alike that it
// shrinks them to a tenth.
func newGzip() any {
	w, err := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed)
	if err != nil {
		panic(err) // only for an unknown level
	}
	return w
}
