package splunkhec

import (
	"bytes"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// request is a run of a batch's records, encoded.
type request struct {
	first int    // where in the batch it begins
	body  []byte // envelopes, one after the other
	ends  []int  // of each in body; empty only where the batch is
}

func (q request) len() int { return len(q.ends) }

// slice is the request for the records from i up to j, over the same memory.
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

// next encodes as many records of a batch, from first on, as a request may hold.
// One that is too large by itself, which the limits that the format was told
// leave to odd cases, is sent alone: what is too large is for Splunk to say.
func (h *hec) next(batch []sink.Record, first int) request {
	q := request{first: first, body: make([]byte, 0, h.room)}
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
	h.room = len(q.body) + len(q.body)/8
	return q
}

// compress returns what is sent of a body, in memory of its own: http.Transport
// may go on reading it for a moment after it returned.
func (h *hec) compress(body []byte) ([]byte, error) {
	if h.settings.Compression == "none" {
		return bytes.Clone(body), nil
	}
	out := bytes.NewBuffer(make([]byte, 0, len(body)/4+512))
	w := h.gzips.Get().(*gzip.Writer)
	defer h.gzips.Put(w)
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

// newGzip is the fastest level: audit events are so alike that it makes a tenth
// of them.
func newGzip() any {
	w, err := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed)
	if err != nil {
		panic(err) // of a level that there is not
	}
	return w
}
