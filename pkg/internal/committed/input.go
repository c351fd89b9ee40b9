package committed

import (
	"encoding/binary"
	"errors"
)

var errShort = errors.New("it ends too early")

// input is read from front to back, in Kafka's primitive types. After an error all
// that is read is zero. Byte strings are parts of the data.
type input struct {
	data []byte
	err  error
}

func (in *input) take(n int) []byte {
	if in.err == nil && n > len(in.data) {
		in.err = errShort
	}
	if in.err != nil {
		return make([]byte, min(n, 8))
	}
	taken := in.data[:n:n]
	in.data = in.data[n:]
	return taken
}

func (in *input) int8() int8   { return int8(in.take(1)[0]) }
func (in *input) int16() int16 { return int16(binary.BigEndian.Uint16(in.take(2))) }
func (in *input) int32() int32 { return int32(binary.BigEndian.Uint32(in.take(4))) }
func (in *input) int64() int64 { return int64(binary.BigEndian.Uint64(in.take(8))) }

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
	return in.take(int(n))
}
