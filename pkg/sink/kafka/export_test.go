package kafka

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// OpenOver opens a sink with another network and hooks of its client.
func OpenOver(dial kafkaclient.Dial, env sink.Env, s Settings, hooks ...kgo.Hook) (sink.Sink, error) {
	return openOver(network{dial, hooks}, env, s)
}

// Flush makes the sink's client send its buffer, as the client may do by itself while
// an earlier flush runs.
func Flush(ctx context.Context, snk sink.Sink) error { return client(snk).Flush(ctx) }

// Refresh makes the sink's client ask for the topic again.
func Refresh(snk sink.Sink) { client(snk).ForceMetadataRefresh() }

func client(snk sink.Sink) *kafkaclient.Client {
	k := snk.(*plain).kafka
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.client
}

// Zstd compresses batches.
var Zstd kgo.Compressor = zstdCompressor{}
