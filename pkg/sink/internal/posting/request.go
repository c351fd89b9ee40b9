package posting

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/sluice-siem/sluice/pkg/internal/pool"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// Framing is what stands around and between the encoded records of a request.
type Framing struct{ Head, Separator, Tail string }

// Framings that many servers understand.
var (
	NDJSON = Framing{Separator: "\n", Tail: "\n"}
	Array  = Framing{Head: "[", Separator: ",", Tail: "]"}
	Bare   = Framing{} // for requests of one record, and records that end themselves
)

// Request holds consecutive records of a batch, encoded. It may be used until the post that
// it was given to returns; the indexes of its records are good for longer.
type Request struct {
	First   int           // index of its first record in the batch
	Records []sink.Record // of the batch
	framing *Framing
	joined  []byte // the encoded records and the separators between them; of the pool
	ends    []int  // end of each record in joined
}

// Len returns the number of records.
func (q Request) Len() int { return len(q.Records) }

// Slice returns the request of the records i up to, but without, j. It shares memory with q.
func (q Request) Slice(i, j int) Request {
	part := Request{First: q.First + i, Records: q.Records[i:j], framing: q.framing}
	if i == j {
		return part
	}
	begin := 0
	if i > 0 {
		begin = q.ends[i-1] + len(q.framing.Separator)
	}
	part.joined = q.joined[begin:q.ends[j-1]]
	part.ends = make([]int, j-i)
	for n := range part.ends {
		part.ends[n] = q.ends[i+n] - begin
	}
	return part
}

// WithoutBody returns the request without its encoded records, for whoever needs only their
// indexes, for longer.
func (q Request) WithoutBody() Request {
	return Request{First: q.First, Records: q.Records, framing: q.framing, ends: q.ends}
}

// Size returns the size of the request before compression.
func (q Request) Size() int { return len(q.framing.Head) + len(q.joined) + len(q.framing.Tail) }

// Key identifies the request: the same bytes always have the same key, and others never do.
// It is the SHA-256 of the request before compression. The ids of its records would not do:
// logs of two organizations may share ids, and a server refuses a key with another body.
func (q Request) Key() string {
	sum := sha256.New()
	for _, part := range [...][]byte{[]byte(q.framing.Head), q.joined, []byte(q.framing.Tail)} {
		sum.Write(part)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// cut encodes as many records of the batch, from first on, as a request may hold. If the
// next record cannot be encoded, the request ends before it; if that is the first one, the
// request is empty, and the error is the outcome of that record. A record that is too large
// by itself is sent alone, and the server decides about it; the record limit makes this rare.
func (p *Publisher) cut(batch []sink.Record, first int) (Request, error) {
	q := Request{First: first, framing: &p.plan.Framing, joined: pool.Get(p.expected)}
	limit := p.plan.MaxBytes - len(q.framing.Head) - len(q.framing.Tail)
	for i := first; i < len(batch) && len(q.ends) < p.plan.MaxRecords; i++ {
		end := len(q.joined)
		if i > first {
			q.joined = append(q.joined, q.framing.Separator...)
		}
		next, err := p.plan.Append(q.joined, &batch[i])
		switch {
		case err != nil && i == first:
			return q, err
		case err != nil, i > first && len(next) > limit:
			// next may be the same memory, grown.
			q.joined = next[:end]
		default:
			q.joined = next
			q.ends = append(q.ends, len(next))
			continue
		}
		break
	}
	q.Records = batch[first : first+len(q.ends)]
	p.expected = len(q.joined) + len(q.joined)/8
	return q, nil
}
