package pause

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
	"github.com/sluice-siem/sluice/pkg/internal/ledger"
)

// topic is a Kafka topic with markers.
type topic struct {
	settings  ledger.Settings
	namespace string // of the keys, since installations may share the topic
	marks     *ledger.Marks
}

// NewTopic returns the markers in a topic. It sends nothing.
func NewTopic(cluster *kafkaclient.Settings, namespace, name string, log zerolog.Logger) *Shared {
	s := ledger.Settings{Cluster: cluster, Marks: name, Log: log}
	return newShared(&topic{settings: s, namespace: namespace, marks: ledger.NewMarks(s)})
}

func (t *topic) prepare(ctx context.Context) error { return ledger.Prepare(ctx, t.settings) }

func (t *topic) check(ctx context.Context) (missing string, err error) {
	m := ledger.NewMarks(t.settings)
	defer m.Close()
	absent, err := m.Check(ctx)
	if absent {
		missing = "topic " + t.settings.Marks
	}
	return missing, err
}

func (t *topic) values(ctx context.Context) (map[string][]byte, error) {
	values, err := t.marks.Values(ctx)
	if errors.Is(err, ledger.ErrNoTopic) {
		err = fmt.Errorf("%w: %w", errMissing, err)
	}
	return values, err
}

// key is that of a lane's marker. A lane has one slash, so no two have the same key.
func (t *topic) key(lane string) string { return t.namespace + "/" + lane }

func (t *topic) put(ctx context.Context, lane string, data []byte) error {
	return ledger.NewMarks(t.settings).Put(ctx, t.key(lane), data)
}

func (t *topic) age() time.Duration { return 900 * time.Millisecond }

func (t *topic) close() { t.marks.Close() }
