package kafka

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// OpenOver opens a sink over another network, with an eye on what its client
// does.
func OpenOver(dial kafkaclient.Dial, env sink.Env, s Settings, hooks ...kgo.Hook) (sink.Sink, error) {
	return openOver(network{dial, hooks}, env, s)
}

// Flush has the sink's client send what is buffered, as it may on its own when
// it is still at it from before.
func Flush(ctx context.Context, snk sink.Sink) error { return client(snk).Flush(ctx) }

// Refresh has the sink's client ask for the topic again.
func Refresh(snk sink.Sink) { client(snk).ForceMetadataRefresh() }

func client(snk sink.Sink) *kafkaclient.Client {
	k := snk.(*plain).kafka
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.client
}
