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

// tail is how many offsets of a partition, the newest ones, are searched for records of
// a lane.
const tail = 1000

// These headers of a record hold the time and the action of its event.
const (
	headerTime   = "sluice-event-time"
	headerAction = "sluice-action"
)

// Traces looks for what earlier runs of the lane left in Kafka. Records and dead
// letters that name the lane are proof: the lane had a position when it wrote them.
// Positions of other lanes only show that the cluster was in use. Traces reads the
// newest committed records of each partition. It does not take the lane.
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
		t, err := v.searchTopic(ctx, l.lane)
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
	others, err := l.otherLanes(ctx, &view{remote: r, client: c, topic: l.settings.Positions})
	if err != nil || hidden.Found != "" {
		return hidden, err
	}
	return others, nil
}

// searchTopic searches the topic for records of a lane. A sink may be allowed to write
// to its topic and not to read it; then nobody can know.
func (v *view) searchTopic(ctx context.Context, lane string) (found sink.Traces, err error) {
	if v.topic == "" {
		return found, nil
	}
	described, err := v.metadata(ctx, v.topic)
	for _, p := range described.Partitions {
		if err != nil {
			break
		}
		v.number = p.Partition
		err = v.searchPartition(ctx, func(r *kgo.Record) { found = v.addTrace(found, r, lane) })
	}
	switch {
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		return sink.Traces{}, nil
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return sink.Traces{Found: fmt.Sprintf("topic %s may not be read, so nobody knows whether it holds records of the lane; allow --operation Read on it", v.topic)}, nil
	}
	return found, err
}

// searchPartition calls f with the newest records of the partition.
func (v *view) searchPartition(ctx context.Context, f func(*kgo.Record)) error {
	end, err := v.lastStable(ctx)
	if err != nil {
		return err
	}
	for r, err := range v.newestRecords(ctx, end, tail) {
		if err != nil {
			return err
		}
		f(r)
	}
	return nil
}

// addTrace adds what a record says to what was found.
func (v *view) addTrace(found sink.Traces, r *kgo.Record, lane string) sink.Traces {
	if header(r, HeaderLane) != lane || header(r, headerAction) == sink.TestAction {
		return found
	}
	found.Proof, found.Found = true, fmt.Sprintf("topic %s holds records of the lane", v.topic)
	if at, err := time.Parse(time.RFC3339Nano, header(r, headerTime)); err == nil && at.After(found.Newest) && !sink.IsNote(header(r, headerAction)) {
		found.Newest = at
	}
	return found
}

// otherLanes reports lanes that saved a position in the topic before this ledger was
// made. Then the cluster was in use, and this lane may have been too.
func (l *Ledger) otherLanes(ctx context.Context, v *view) (sink.Traces, error) {
	entries, err := v.entries(ctx)
	var lanes []string
	for _, e := range entries {
		if e.Lane != l.lane && e.Saved.Before(l.made) {
			lanes = append(lanes, e.Lane)
		}
	}
	if err != nil {
		return sink.Traces{}, err
	}
	return sink.TracesOfOthers("topic "+v.topic, lanes), nil
}

// Lanes returns the newest entry of every lane of the namespace that has a position in
// the topic. It takes no lane.
func (l *Ledger) Lanes(ctx context.Context) ([]Entry, error) {
	r := &remote{settings: l.settings}
	c, err := r.client()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return (&view{remote: r, client: c, topic: l.settings.Positions}).entries(ctx)
}

// entries returns one entry per lane of the namespace, ordered by lane. It returns none
// if the topic does not exist or may not be read: a lane that needs the topic reports
// that itself.
func (v *view) entries(ctx context.Context) ([]Entry, error) {
	newest := make(map[string]Entry)
	described, err := v.metadata(ctx, v.topic)
	for _, p := range described.Partitions {
		if err != nil {
			break
		}
		v.number = p.Partition
		err = v.addEntries(ctx, newest)
	}
	switch {
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.TopicAuthorizationFailed):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return slices.SortedFunc(maps.Values(newest), func(a, b Entry) int { return strings.Compare(a.Lane, b.Lane) }), nil
}

// addEntries adds the entries of the partition.
func (v *view) addEntries(ctx context.Context, newest map[string]Entry) error {
	end, err := v.lastStable(ctx)
	if err != nil {
		return err
	}
	for r, err := range v.records(ctx, end) {
		if err != nil {
			return err
		}
		v.addEntry(newest, r)
	}
	return nil
}

// addEntry makes a record's entry the newest of its lane. If the record is no entry, or
// of another namespace, its key has none.
func (v *view) addEntry(newest map[string]Entry, r *kgo.Record) {
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
