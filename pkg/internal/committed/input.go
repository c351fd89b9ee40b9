package committed

import (
	"encoding/binary"
	"errors"
)

var errShort = errors.New("it ends too early")

// input reads Kafka's primitive types from the front of data. After an error every value is
// zero. Byte strings share the memory of data.
type input struct {
	data []byte
	err  error
}

func (in *input) next(n int) []byte {
	if in.err == nil && n > len(in.data) {
		in.err = errShort
	}
	if in.err != nil {
		return make([]byte, min(n, 8))
	}
	front := in.data[:n:n]
	in.data = in.data[n:]
	return front
}

func (in *input) int8() int8   { return int8(in.next(1)[0]) }
func (in *input) int16() int16 { return int16(binary.BigEndian.Uint16(in.next(2))) }
func (in *input) int32() int32 { return int32(binary.BigEndian.Uint32(in.next(4))) }
func (in *input) int64() int64 { return int64(binary.BigEndian.Uint64(in.next(8))) }

// varint is a number in zigzag encoding, of at most 64 bits.
func (in *input) varint() int64 {
	if in.err != nil {
		return 0
	}
	v, n := binary.Varint(in.data)
	if n <= 0 {
		in.err = errShort
		return 0
	}
	in.data = in.data[n:]
	return v
}

// bytes is a string of n bytes; nil if n is negative.
func (in *input) bytes(n int64) []byte {
	if n > int64(len(in.data)) && in.err == nil {
		in.err = errShort
	}
	if n < 0 || in.err != nil {
		return nil
	}
	return in.next(int(n))
}
