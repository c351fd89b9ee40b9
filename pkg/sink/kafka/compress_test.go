package kafka_test

import (
	"bytes"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-siem/sluice/pkg/sink/kafka"
)

// bodies are the bodies of n audit records, one after the other.
func bodies(n int) []byte {
	var all []byte
	records, _ := auditRecords(n)
	for i := range records {
		all = append(all, records[i].Body...)
	}
	return all
}

// Lanes share the encoder, so their batches are compressed concurrently.
func TestZstdGivesBackWhatItTook(t *testing.T) {
	decompressor := kgo.DefaultDecompressor()
	var lanes sync.WaitGroup
	for i := range 4 {
		lanes.Go(func() {
			for _, n := range []int{1, 100 + i, 2000 + i} {
				want := bodies(n)
				compressed, codec := kafka.Zstd.Compress(new(bytes.Buffer), want)
				got, err := decompressor.Decompress(compressed, codec)
				if err != nil || codec != kgo.CodecZstd || !bytes.Equal(got, want) {
					t.Errorf("%d records: got %d bytes of codec %d and %v, want %d of zstd", n, len(got), codec, err, len(want))
				}
			}
		})
	}
	lanes.Wait()
}

func TestZstdMakesBatchesSmallerThanKgoDoes(t *testing.T) {
	theirs, err := kgo.DefaultCompressor(kgo.ZstdCompression())
	if err != nil {
		t.Fatal(err)
	}
	batch := bodies(2000)
	want, _ := theirs.Compress(new(bytes.Buffer), batch)
	if got, _ := kafka.Zstd.Compress(new(bytes.Buffer), batch); len(got) >= len(want) {
		t.Errorf("%d bytes became %d, want fewer than %d", len(batch), len(got), len(want))
	}
}

// Kafka before 2.1 does not know zstd.
func TestZstdIsLeftOutForOldBrokers(t *testing.T) {
	batch := bodies(100)
	got, codec := kafka.Zstd.Compress(new(bytes.Buffer), batch, kgo.CompressDisableZstd)
	if codec != kgo.CodecNone || !bytes.Equal(got, batch) {
		t.Errorf("got %d bytes of codec %d, want the batch as it is", len(got), codec)
	}
}
