// Package azureblob writes records as objects to Azure Blob Storage. Package objects says what
// it guarantees, and what an object is.
package azureblob

import (
	"context"

	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/internal/objects"
)

// Type is the sink type azure_blob.
var Type = sink.NewType("azure_blob", Settings{Objects: objects.Defaults}, open)

// Settings are the keys of the sink.
type Settings struct {
	Store   objectstore.AzureSettings `yaml:",inline"`
	Objects objects.Options           `yaml:",inline"`
}

// KeepsRejects implements sink.KeepsRejects.
func (s *Settings) KeepsRejects() string {
	if s.Objects.Delivery == objects.ExactlyOnce {
		return "container " + s.Store.Container
	}
	return ""
}

// Questions implements setting.Asker.
func (s *Settings) Questions() []setting.Question {
	return []setting.Question{
		{Key: "account", Text: "Storage account"},
		{Key: "container", Text: "Container, which must exist"},
	}
}

// Destination implements setting.Destination.
func (s *Settings) Destination() string { return s.Store.Destination() }

func open(_ context.Context, env sink.Env, s Settings) (sink.Sink, error) {
	store := objectstore.OpenAzure(&s.Store)
	return objects.Open(env, objects.Bucket{
		Options: s.Objects, Store: store, Close: store.Close,
		Destination: s.Destination(), Warnings: s.Store.Warnings(),
	}), nil
}

// ReadBack implements sink.Readable.
func (s *Settings) ReadBack(ctx context.Context, lanes []sink.Env, access sink.Access, each func(sink.Stored) error) error {
	store := objectstore.OpenAzure(&s.Store)
	defer store.Close()
	return objects.ReadBack(ctx, store, lanes, access, each)
}
