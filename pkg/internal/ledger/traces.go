package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// tail is how many of the newest offsets of a partition are searched for records
// of a lane.
const tail = 1000

// These headers of a record hold the time and the action of its event.
const (
	headerTime   = "sluice-event-time"
	headerAction = "sluice-action"
)

// Traces looks for what earlier runs of the lane left in Kafka. Records and dead
// letters that name the lane are proof: the lane had a position when it wrote
// them. Positions of other lanes only say that the lane may be an old one. It
// reads the newest committed records of each partition, and takes nothing.
func (l *Ledger) Traces(ctx context.Context) (sink.Traces, error) {
	r := &remote{settings: l.settings}
	c, err := r.client()
	if err != nil {
		return sink.Traces{}, err
	}
	defer c.Close()
	var hidden sink.Traces
	for _, topic := range []string{l.settings.Topic, l.settings.DeadLetters} {
		v := &view{remote: r, client: c, topic: topic}
		t, err := v.traces(ctx, l.lane)
		if err != nil {
			return sink.Traces{}, fmt.Errorf("searching topic %s for records of lane %s: %w", topic, l.lane, err)
		}
		if t.Proof {
			return t, nil
		}
		if hidden.Found == "" {
			hidden = t
		}
	}
	others, err := l.others(ctx, &view{remote: r, client: c, topic: l.settings.Positions})
	if err != nil || hidden.Found != "" {
		return hidden, err
	}
	return others, nil
}

// traces searches the topic for records of a lane. Writing to a topic needs no
// leave to read it, so where that is missing nobody can know.
func (v *view) traces(ctx context.Context, lane string) (found sink.Traces, err error) {
	if v.topic == "" {
		return found, nil
	}
	described, err := v.metadata(ctx, v.topic)
	for _, p := range described.Partitions {
		if err != nil {
			break
		}
		v.number = p.Partition
		err = v.search(ctx, func(r *kgo.Record) { found = v.trace(found, r, lane) })
	}
	switch {
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		return sink.Traces{}, nil
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return sink.Traces{Found: fmt.Sprintf("topic %s may not be read, so nobody can see whether it holds records of the lane; allow --operation Read on it", v.topic)}, nil
	}
	return found, err
}

// search calls f with the newest records of the partition.
func (v *view) search(ctx context.Context, f func(*kgo.Record)) error {
	end, err := v.stable(ctx)
	if err != nil {
		return err
	}
	for r, err := range v.newest(ctx, end, tail) {
		if err != nil {
			return err
		}
		f(r)
	}
	return nil
}

// trace adds what a record says to what was found.
func (v *view) trace(found sink.Traces, r *kgo.Record, lane string) sink.Traces {
	if header(r, HeaderLane) != lane || header(r, headerAction) == sink.TestAction {
		return found
	}
	found.Proof, found.Found = true, fmt.Sprintf("topic %s holds records of the lane", v.topic)
	if at, err := time.Parse(time.RFC3339Nano, header(r, headerTime)); err == nil && at.After(found.Newest) {
		found.Newest = at
	}
	return found
}

// others tells of lanes whose positions were in the topic before this ledger was
// made: the cluster has been in use, and the lane may have been too.
func (l *Ledger) others(ctx context.Context, v *view) (sink.Traces, error) {
	entries, err := v.entries(ctx)
	var lanes []string
	for _, e := range entries {
		if e.Lane != l.lane && e.Saved.Before(l.made) {
			lanes = append(lanes, e.Lane)
		}
	}
	if err != nil || len(lanes) == 0 {
		return sink.Traces{}, err
	}
	return sink.Traces{Found: fmt.Sprintf("topic %s holds positions of other lanes (%s)", v.topic, strings.Join(lanes, ", "))}, nil
}

// Lanes are the positions that the topic keeps for the lanes of the namespace. It
// takes nothing.
func (l *Ledger) Lanes(ctx context.Context) ([]Entry, error) {
	r := &remote{settings: l.settings}
	c, err := r.client()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return (&view{remote: r, client: c, topic: l.settings.Positions}).entries(ctx)
}

// entries are the positions that the topic keeps, one a lane, of the namespace.
// Where there is no topic, or none that may be read, there are none: a lane that
// needs it says so itself.
func (v *view) entries(ctx context.Context) ([]Entry, error) {
	newest := make(map[string]Entry)
	described, err := v.metadata(ctx, v.topic)
	for _, p := range described.Partitions {
		if err != nil {
			break
		}
		v.number = p.Partition
		err = v.gather(ctx, newest)
	}
	switch {
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.TopicAuthorizationFailed):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return slices.SortedFunc(maps.Values(newest), func(a, b Entry) int { return strings.Compare(a.Lane, b.Lane) }), nil
}

// gather adds the entries of a partition.
func (v *view) gather(ctx context.Context, newest map[string]Entry) error {
	end, err := v.stable(ctx)
	if err != nil {
		return err
	}
	for r, err := range v.records(ctx, end) {
		if err != nil {
			return err
		}
		v.keep(newest, r)
	}
	return nil
}

// keep makes a record the newest of its lane. One that is no entry, or of another
// namespace, tells of no lane here.
func (v *view) keep(newest map[string]Entry, r *kgo.Record) {
	key := string(r.Key)
	delete(newest, key)
	var named struct{ Lane string }
	if json.Unmarshal(r.Value, &named) != nil || TransactionalID(v.settings.Namespace, named.Lane) != key {
		return
	}
	if e, err := decode(r.Value, named.Lane); err == nil && e.Position != nil {
		newest[key] = e
	}
}
