package kafka

import (
	"bytes"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/twmb/franz-go/pkg/kgo"
)

// zstdCompressor compresses batches with zstd at its fastest level. The window is
// larger than that of kgo's own compressor, and one encoder serves all lanes. So it
// takes less CPU and less memory, and audit events become smaller (docs/performance.md).
type zstdCompressor struct{}

// zstdWindow is how far back a batch refers. A larger one hardly makes batches smaller.
const zstdWindow = 512 << 10

// zstdEncoder compresses as many batches at once as there are processors.
var zstdEncoder = sync.OnceValue(func() *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(zstdWindow))
	if err != nil {
		panic(err) // only for options that are out of range
	}
	return e
})

// Compress implements kgo.Compressor.
func (zstdCompressor) Compress(dst *bytes.Buffer, src []byte, flags ...kgo.CompressFlag) ([]byte, kgo.CompressionCodecType) {
	if slices.Contains(flags, kgo.CompressDisableZstd) {
		return src, kgo.CodecNone
	}
	dst.Grow(len(src) / 4) // kgo keeps the buffer for later batches.
	return zstdEncoder().EncodeAll(src, dst.AvailableBuffer()), kgo.CodecZstd
}
