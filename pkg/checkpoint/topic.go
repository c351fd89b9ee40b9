package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
	"github.com/sluice-siem/sluice/pkg/internal/ledger"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// TopicSettings are those of positions that replicas share in Kafka.
type TopicSettings struct {
	Cluster     kafkaclient.Settings `yaml:",inline"`
	Namespace   string               `yaml:"namespace"`          // first part of the lanes' transactional.id; default "sluice"
	Positions   string               `yaml:"positions_topic"`    // default "sluice.positions"; created if missing
	DeadLetters string               `yaml:"dead_letters_topic"` // default "sluice.dead-letters"; created if missing
	Group       string               `yaml:"group"`              // consumer group of the replicas; default "sluice"
	InstanceID  string               `yaml:"instance_id"`        // of this replica, for static membership; default none
}

// DefaultTopic are the defaults.
var DefaultTopic = TopicSettings{
	Cluster:   kafkaclient.Settings{ClientID: kafkaclient.DefaultClientID},
	Namespace: ledger.DefaultNamespace, Positions: ledger.DefaultPositions,
	DeadLetters: "sluice.dead-letters", Group: "sluice",
}

// Validate reports keys that are empty.
func (s *TopicSettings) Validate() []error {
	var errs []error
	for _, key := range []struct{ name, value string }{
		{"namespace", s.Namespace}, {"positions_topic", s.Positions},
		{"dead_letters_topic", s.DeadLetters}, {"group", s.Group},
	} {
		if key.value == "" {
			errs = append(errs, setting.Invalid(key.name, errors.New("is empty; write a name, or remove the key")))
		}
	}
	return errs
}

// Topic keeps positions and dead letters in Kafka, for lanes whose sink does not
// keep its position itself. Each Save and each Put is a transaction under the
// lane's transactional.id: a replica that has lost a lane, and does not know it
// yet, can move nothing any more (see package ledger).
type Topic struct {
	settings TopicSettings
	confirm  func(lane string) func(context.Context) error
	log      zerolog.Logger

	mu    sync.Mutex
	lanes map[string]*kept
}

// kept is what is kept of one lane, which calls one method at a time.
type kept struct {
	*ledger.Ledger
	position source.Position // saved last
}

// NewTopic returns the positions that settings lead to. It reaches no broker.
// confirm gives for a lane what its taking is confirmed with, which may be nil.
func NewTopic(s TopicSettings, confirm func(lane string) func(context.Context) error, log zerolog.Logger) *Topic {
	return &Topic{settings: s, confirm: confirm, log: log, lanes: make(map[string]*kept)}
}

// Prepare creates the topics that are missing, and refuses those that are not fit.
func (t *Topic) Prepare(ctx context.Context) error {
	return ledger.Prepare(ctx, t.ledgerSettings(nil))
}

func (t *Topic) ledgerSettings(confirm func(context.Context) error) ledger.Settings {
	return ledger.Settings{
		Cluster: &t.settings.Cluster, Namespace: t.settings.Namespace, Positions: t.settings.Positions,
		DeadLetters: t.settings.DeadLetters, Confirm: confirm, Log: t.log,
		Options: []kgo.Opt{kgo.ProducerBatchCompression(kgo.ZstdCompression())},
	}
}

func (t *Topic) lane(name string) *kept {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.lanes[name]
	if k == nil {
		s := t.ledgerSettings(t.confirm(name))
		s.Log = t.log.With().Str("lane", name).Logger()
		k = &kept{Ledger: ledger.New(name, s)}
		t.lanes[name] = k
	}
	return k
}

// Load takes the lane and returns the position saved last, nil if there is none.
// All its errors may pass.
func (t *Topic) Load(ctx context.Context, lane string) (source.Position, error) {
	k := t.lane(lane)
	pos, err := k.Take(ctx)
	if err != nil {
		return nil, err
	}
	k.position = pos
	return pos, nil
}

// Save returns nil once the position is committed. sink.ErrMoved says that another
// has moved it, and that Load is to be asked.
func (t *Topic) Save(ctx context.Context, lane string, pos source.Position) error {
	k := t.lane(lane)
	if err := k.Commit(ctx, nil, nil, pos); err != nil {
		return err
	}
	k.position = pos
	return nil
}

// Put returns nil once the dead letters are committed. The position stays.
func (t *Topic) Put(ctx context.Context, lane string, rejects []sink.Reject) error {
	if len(rejects) == 0 {
		return nil
	}
	k := t.lane(lane)
	if k.position == nil {
		return fmt.Errorf("lane %s has no position to keep dead letters beside", lane)
	}
	return k.Commit(ctx, nil, rejects, k.position)
}

// Look returns the position of a lane, nil if there is none, and when it was saved.
// It takes nothing.
func (t *Topic) Look(ctx context.Context, lane string) (source.Position, time.Time, error) {
	e, err := t.lane(lane).Look(ctx)
	return e.Position, e.Saved, err
}

// Rejects are the dead letters of a lane, oldest first. An error is about one that
// cannot be read, or the last. It takes nothing.
func (t *Topic) Rejects(ctx context.Context, lane string) iter.Seq2[sink.Reject, error] {
	return t.lane(lane).Rejects(ctx)
}

// Traces looks for what earlier runs of the lane left in Kafka. It takes nothing.
func (t *Topic) Traces(ctx context.Context, lane string) (sink.Traces, error) {
	return t.lane(lane).Traces(ctx)
}

// Lanes are the positions that the topic keeps, those of sinks that keep theirs in
// the same topic included. It takes nothing.
func (t *Topic) Lanes(ctx context.Context) ([]Checkpoint, error) {
	entries, err := ledger.New("", t.ledgerSettings(nil)).Lanes(ctx)
	var all []Checkpoint
	for _, e := range entries {
		all = append(all, Checkpoint{Lane: e.Lane, Path: "topic " + t.settings.Positions, Saved: e.Saved, Position: e.Position})
	}
	return all, err
}

// Rename makes the position of lane from that of lane to, which must have none.
func (t *Topic) Rename(ctx context.Context, from, to string) error {
	return t.lane(to).Rename(ctx, from)
}

// Set takes the lane and commits a position that a person chose.
func (t *Topic) Set(ctx context.Context, lane string, pos source.Position) error {
	return t.lane(lane).Set(ctx, pos)
}

// Check says whether lanes could be kept, and changes nothing.
func (t *Topic) Check(ctx context.Context, lane string) (string, error) {
	return t.lane(lane).Check(ctx)
}

// Drop lets go of a lane, which can be loaded again.
func (t *Topic) Drop(lane string) {
	t.mu.Lock()
	k := t.lanes[lane]
	delete(t.lanes, lane)
	t.mu.Unlock()
	if k != nil {
		k.Close()
	}
}

// Close lets go of all lanes.
func (t *Topic) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, k := range t.lanes {
		k.Close()
	}
	clear(t.lanes)
}
