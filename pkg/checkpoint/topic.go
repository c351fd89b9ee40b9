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

// TopicSettings are the settings of positions that replicas share in Kafka.
type TopicSettings struct {
	Cluster     kafkaclient.Settings `yaml:",inline"`
	Namespace   string               `yaml:"namespace" least:"1" doc:"First part of each lane's transactional.id."`
	Positions   string               `yaml:"positions_topic" pattern:"^[a-zA-Z0-9._-]{1,249}$" doc:"Topic for the positions of lanes. It is created if it is missing."`
	DeadLetters string               `yaml:"dead_letters_topic" pattern:"^[a-zA-Z0-9._-]{1,249}$" doc:"Topic for dead letters. It is created if it is missing."`
	OwnLog      string               `yaml:"own_log_topic" pattern:"^[a-zA-Z0-9._-]{1,249}$" doc:"Topic for Sluice's own log. It is created if it is missing and a sink gets own events."`
	Pauses      string               `yaml:"pauses_topic" pattern:"^[a-zA-Z0-9._-]{1,249}$" doc:"Topic that says which lanes are paused. It is created if it is missing."`
	Group       string               `yaml:"group" least:"1" doc:"Consumer group of the replicas."`
	InstanceID  string               `yaml:"instance_id" default:"none" doc:"Name of this replica, for static membership in the group. No two replicas may have the same."`
}

// DefaultTopic are the defaults.
var DefaultTopic = TopicSettings{
	Cluster:   kafkaclient.Settings{ClientID: kafkaclient.DefaultClientID},
	Namespace: ledger.DefaultNamespace, Positions: ledger.DefaultPositions,
	DeadLetters: "sluice.dead-letters", OwnLog: ledger.DefaultOwnLog, Pauses: "sluice.pauses", Group: "sluice",
}

// Validate reports names that Kafka does not take. A group and a transactional id may be
// any text, and the keys of positions have the namespace in them.
func (s *TopicSettings) Validate() []error {
	const missing = "write a name, or remove the key"
	absent := errors.New("missing; " + missing)
	var errs []error
	check := func(key string, err error) {
		if err != nil {
			errs = append(errs, setting.Invalid(key, err))
		}
	}
	check("positions_topic", kafkaclient.CheckName(s.Positions, missing))
	check("dead_letters_topic", kafkaclient.CheckName(s.DeadLetters, missing))
	check("own_log_topic", kafkaclient.CheckName(s.OwnLog, missing))
	check("pauses_topic", kafkaclient.CheckName(s.Pauses, missing))
	if s.Pauses == s.Positions || s.Pauses == s.DeadLetters || s.Pauses == s.OwnLog {
		check("pauses_topic", fmt.Errorf("%q is also the topic of something else; name another topic", s.Pauses))
	}
	if s.Namespace == "" {
		check("namespace", absent)
	}
	if s.Group == "" {
		check("group", absent)
	}
	return errs
}

// Topic stores positions and dead letters in Kafka, for lanes whose sink does not store
// the position itself. Each Save and each Put is a transaction with the lane's
// transactional.id: a replica that has lost a lane without noticing it cannot change
// anything (see package ledger).
type Topic struct {
	settings TopicSettings
	confirm  func(lane string) func(context.Context) error
	log      zerolog.Logger

	mu    sync.Mutex
	lanes map[string]*topicLane
}

// topicLane is one lane of a Topic. The lane calls one method at a time.
type topicLane struct {
	*ledger.Ledger
	position source.Position // saved last
}

// NewTopic returns a Topic. It does not connect to a broker. confirm returns the
// function that must confirm before a lane is taken, which may be nil.
func NewTopic(s TopicSettings, confirm func(lane string) func(context.Context) error, log zerolog.Logger) *Topic {
	return &Topic{settings: s, confirm: confirm, log: log, lanes: make(map[string]*topicLane)}
}

// Prepare creates missing topics, and refuses topics with an unsuitable configuration.
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

func (t *Topic) lane(name string) *topicLane {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.lanes[name]
	if l == nil {
		s := t.ledgerSettings(t.confirm(name))
		s.Log = t.log.With().Str("lane", name).Logger()
		l = &topicLane{Ledger: ledger.New(name, s)}
		t.lanes[name] = l
	}
	return l
}

// Load takes the lane and returns its last saved position, nil if there is none. Any
// error may pass.
func (t *Topic) Load(ctx context.Context, lane string) (source.Position, error) {
	k := t.lane(lane)
	pos, err := k.Take(ctx)
	if err != nil {
		return nil, err
	}
	k.position = pos
	return pos, nil
}

// Save returns nil once the position is committed. sink.ErrMoved means that another
// instance or a person moved the position; call Load for the new one.
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
		return fmt.Errorf("lane %s has no position to commit dead letters with", lane)
	}
	return k.Commit(ctx, nil, rejects, k.position)
}

// Look returns the position of a lane, nil if there is none, and when it was saved.
// It does not take the lane.
func (t *Topic) Look(ctx context.Context, lane string) (source.Position, time.Time, error) {
	e, err := t.lane(lane).Look(ctx)
	return e.Position, e.Saved, err
}

// Rejects returns the dead letters of a lane, oldest first. An error stands for one dead
// letter that cannot be read, or ends the sequence. It does not take the lane.
func (t *Topic) Rejects(ctx context.Context, lane string) iter.Seq2[sink.Reject, error] {
	return t.lane(lane).Rejects(ctx)
}

// Redrive returns a redrive of the dead letters of a lane, for a process that does not run
// the lane. The caller closes it.
func (t *Topic) Redrive(lane string) Redrive {
	return topicRedrive{ledger.NewRedrive(lane, t.ledgerSettings(nil))}
}

// Redrive is a redrive of dead letters that replicas share. It takes no records, since those
// go elsewhere.
type Redrive interface {
	sink.Redriver
	Close() // lets go of the redrive
}

type topicRedrive struct{ redrive *ledger.Redrive }

func (r topicRedrive) Letters(ctx context.Context) iter.Seq2[sink.Reject, error] {
	return r.redrive.Letters(ctx)
}

func (r topicRedrive) Redriven(ctx context.Context, _ []sink.Record, kept []sink.Reject) error {
	return r.redrive.Commit(ctx, nil, kept)
}

func (r topicRedrive) Close() { r.redrive.Close() }

// Traces looks for records that earlier runs of the lane left in Kafka. It does not take
// the lane.
func (t *Topic) Traces(ctx context.Context, lane string) (sink.Traces, error) {
	return t.lane(lane).Traces(ctx)
}

// Lanes returns the positions in the topic, including those of sinks that store theirs
// in the same topic. It takes no lane.
func (t *Topic) Lanes(ctx context.Context) ([]Checkpoint, error) {
	entries, err := ledger.New("", t.ledgerSettings(nil)).Lanes(ctx)
	var all []Checkpoint
	for _, e := range entries {
		all = append(all, Checkpoint{Lane: e.Lane, Path: "topic " + t.settings.Positions, Saved: e.Saved, Position: e.Position})
	}
	return all, err
}

// Rename moves the position of lane from to lane to, which must have none.
func (t *Topic) Rename(ctx context.Context, from, to string) error {
	return t.lane(to).Rename(ctx, from)
}

// Set takes the lane and commits a position that a person chose, as sink.Ledger says.
func (t *Topic) Set(ctx context.Context, lane string, choose func(former []byte) ([]byte, error)) error {
	return t.lane(lane).Set(ctx, choose)
}

// Check checks whether the lane's position could be stored, and changes nothing.
func (t *Topic) Check(ctx context.Context, lane string) (string, error) {
	return t.lane(lane).Check(ctx)
}

// Drop closes a lane. It can be loaded again.
func (t *Topic) Drop(lane string) {
	t.mu.Lock()
	k := t.lanes[lane]
	delete(t.lanes, lane)
	t.mu.Unlock()
	if k != nil {
		k.Close()
	}
}

// Close closes all lanes.
func (t *Topic) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, k := range t.lanes {
		k.Close()
	}
	clear(t.lanes)
}
