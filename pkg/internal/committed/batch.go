package committed

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/segmentio/kafka-go/compress"
)

// batch is a record batch of version 2 (Kafka documentation, Implementation, Message
// Format).
type batch struct {
	base, next    int64 // its first offset, and the offset behind its last; compaction may have removed their records
	producer      int64
	epoch         int16
	transactional bool
	control       bool
	outcome       outcome  // of the transaction that it ends, if control is set
	records       []Record // the control record, if control is set
}

// Lengths and bits of a record batch.
const (
	batchPrefix  = 12 // base offset and length
	batchHeader  = 49 // bytes of the header that the length counts
	crcCovers    = 9  // the checksum covers the bytes from here on
	magic        = 2
	compressions = 0x07
	bitTransact  = 0x10
	bitControl   = 0x20
)

// maxBatch bounds the decompressed records of a batch, in bytes.
const maxBatch = 128 << 20

// errCut says that the data ends inside a batch.
var errCut = errors.New("the batch is cut off")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// parse reads the batch at the beginning of data, and returns the rest of data.
func parse(data []byte) (b batch, rest []byte, err error) {
	in := input{data: data}
	b.base = in.int64()
	length := in.int32()
	if in.err != nil {
		return batch{}, nil, errCut
	}
	if length < batchHeader {
		return batch{}, nil, fmt.Errorf("batch at offset %d: a length of %d bytes is shorter than its header", b.base, length)
	}
	if int(length) > len(in.data) {
		return batch{}, nil, errCut
	}
	body, rest := in.data[:length], in.data[length:]
	if err := b.parse(body); err != nil {
		return batch{}, nil, fmt.Errorf("batch at offset %d: %w", b.base, err)
	}
	return b, rest, nil
}

// parse reads the part of a batch that its length counts.
func (b *batch) parse(body []byte) error {
	in := input{data: body}
	in.int32() // epoch of the partition's leader
	if v := in.int8(); v != magic {
		return fmt.Errorf("format version %d; only version %d is supported", v, magic)
	}
	if want, got := uint32(in.int32()), crc32.Checksum(body[crcCovers:], castagnoli); want != got {
		return fmt.Errorf("checksum is %08x, but its bytes have %08x", want, got)
	}
	attributes := in.int16()
	last := in.int32()
	in.int64() // timestamps: the first, the latest
	in.int64()
	b.producer, b.epoch = in.int64(), in.int16()
	in.int32() // sequence number of the first record
	count := in.int32()
	b.next = b.base + int64(last) + 1
	b.transactional = attributes&bitTransact != 0
	b.control = attributes&bitControl != 0
	if last < 0 || b.base < 0 || b.next <= b.base || count < 0 {
		return fmt.Errorf("%d records up to offset %d + %d", count, b.base, last)
	}
	if b.transactional && b.producer < 0 {
		return errors.New("a transaction with no producer")
	}
	data, err := decompress(attributes&compressions, in.data)
	if err != nil {
		return err
	}
	if err := b.readRecords(data, int(count)); err != nil {
		return err
	}
	if b.control {
		return b.readEnd()
	}
	return nil
}

func decompress(codec int16, data []byte) (all []byte, err error) {
	if codec == 0 {
		return data, nil
	}
	if int(codec) >= len(compress.Codecs) {
		return nil, fmt.Errorf("compression %d is unknown", codec)
	}
	c := compress.Compression(codec)
	r := c.Codec().NewReader(bytes.NewReader(data))
	defer func() {
		if closed := r.Close(); err == nil && closed != nil {
			err = fmt.Errorf("decompressing %s: %w", c, closed)
		}
	}()
	all, err = io.ReadAll(io.LimitReader(r, maxBatch+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("decompressing %s: %w", c, err)
	case len(all) > maxBatch:
		return nil, fmt.Errorf("more than %d bytes once decompressed", maxBatch)
	}
	return all, nil
}

// readRecords reads the records of the batch. They must take up all of data.
func (b *batch) readRecords(data []byte, count int) error {
	in := input{data: data}
	before := b.base - 1
	for i := range count {
		r, err := b.readRecord(in.bytes(in.varint()))
		if in.err != nil {
			err = in.err
		}
		if err == nil && (r.Offset <= before || r.Offset >= b.next) {
			err = fmt.Errorf("offset %d is not between %d and %d", r.Offset, before, b.next)
		}
		if err != nil {
			return fmt.Errorf("record %d of %d: %w", i+1, count, err)
		}
		before = r.Offset
		b.records = append(b.records, r)
	}
	if len(in.data) > 0 {
		return fmt.Errorf("%d bytes behind the last of %d records", len(in.data), count)
	}
	return nil
}

func (b *batch) readRecord(data []byte) (Record, error) {
	in := input{data: data}
	in.int8()   // attributes: none are defined
	in.varint() // timestamp, relative to the batch's
	r := Record{Offset: b.base + in.varint(), Producer: b.producer}
	r.Key = in.bytes(in.varint())
	r.Value = in.bytes(in.varint())
	for n := in.varint(); n > 0 && in.err == nil; n-- {
		key := in.bytes(in.varint())
		r.Headers = append(r.Headers, Header{Key: string(key), Value: in.bytes(in.varint())})
	}
	if in.err == nil && len(in.data) > 0 {
		in.err = fmt.Errorf("%d bytes behind its last header", len(in.data))
	}
	return r, in.err
}

// readEnd reads the control record of the batch, which ends a transaction. Its key has a
// version and a type: 0 is abort and 1 is commit. Other types do not occur in topics that
// clients write.
func (b *batch) readEnd() error {
	if !b.transactional || len(b.records) != 1 {
		return fmt.Errorf("a control batch with %d records, transactional: %t", len(b.records), b.transactional)
	}
	in := input{data: b.records[0].Key}
	in.int16() // version
	switch kind := in.int16(); {
	case in.err != nil:
		return fmt.Errorf("key of a control record: %w", in.err)
	case kind == 0:
		b.outcome = aborted
	case kind == 1:
		b.outcome = committed
	default:
		return fmt.Errorf("a control record of type %d", kind)
	}
	return nil
}
