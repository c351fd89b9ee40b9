package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// A redrive publishes the dead letters of a lane again. It removes none of them, since a
// topic cannot do that. It writes how far it came behind them: a record with the header
// sluice-redriven, which names the lane, and this JSON object as its value. Letters of the
// lane before these offsets were redriven. Those that were refused again are written as new
// letters in the same transaction.

const headerRedriven = "sluice-redriven"

// redriven is the offset in each partition before which all letters of a lane were redriven.
type redriven map[int32]int64

// add takes over what is further.
func (d redriven) add(other redriven) {
	for partition, offset := range other {
		d[partition] = max(d[partition], offset)
	}
}

// readRedriven adds to done what the partition says of a lane. end is the offset up to which
// it was read: everything that is committed by now.
func (v *view) readRedriven(ctx context.Context, lane string, done redriven) (end int64, err error) {
	if end, err = v.lastStable(ctx); err != nil {
		return 0, err
	}
	for r, err := range v.records(ctx, end) {
		if err != nil {
			return 0, err
		}
		if header(r, headerRedriven) != lane {
			continue
		}
		var found redriven
		if err := json.Unmarshal(r.Value, &found); err != nil {
			return 0, fmt.Errorf("record at offset %d of partition %d of topic %s, which says what was redriven: %w", r.Offset, v.number, v.topic, err)
		}
		done.add(found)
	}
	return end, nil
}

func (r *remote) redrivenRecord(lane string, done redriven) (kgo.Record, error) {
	value, err := json.Marshal(done)
	return kgo.Record{
		Topic: r.settings.DeadLetters, Key: []byte(lane), Value: value,
		Headers: []kgo.RecordHeader{
			{Key: headerRedriven, Value: []byte(lane)},
			{Key: headerType, Value: []byte("application/json")},
		},
	}, err
}

// Redrive is a redrive of the dead letters of a lane. Its methods are not called
// concurrently, except that Close may be called at any time.
type Redrive struct {
	aside *Aside
	done  redriven      // with the letters that were returned
	stuck []*kgo.Record // letters among them that cannot be read
}

// NewRedrive returns a redrive of a lane. It does not connect to a broker.
func NewRedrive(lane string, s Settings) *Redrive {
	return &Redrive{aside: NewAside(lane, "redrive", s)}
}

// Close lets go of the redrive.
func (r *Redrive) Close() { r.aside.Close() }

// Letters returns the letters of the lane that are committed by now and were not redriven,
// in their order. It first fences a redrive of the lane in another process, which can then
// commit nothing more. An error is about one letter that cannot be read, or it ends the
// sequence.
func (r *Redrive) Letters(ctx context.Context) iter.Seq2[sink.Reject, error] {
	return func(yield func(sink.Reject, error) bool) {
		if _, err := r.aside.take(ctx); err != nil {
			yield(sink.Reject{}, err)
			return
		}
		r.done, r.stuck = redriven{}, nil
		found := redriven{}
		for l, err := range r.aside.remote.letters(ctx, r.aside.lane, found) {
			if err == nil {
				r.done.add(found)
				r.done.add(redriven{l.partition: l.next})
				r.stuck = append(r.stuck, l.parts...)
				err = l.unreadable
			}
			if !yield(l.Reject, err) {
				return
			}
		}
	}
}

// Commit writes, in one transaction, records and that all letters that Letters has returned
// were redriven. The kept ones, and those that cannot be read, become letters again.
//
// Errors are those of Aside.Commit. After a crash in between, Letters returns the same
// letters again.
func (r *Redrive) Commit(ctx context.Context, records []kgo.Record, kept []sink.Reject) error {
	letters, err := r.aside.remote.letterRecords(r.aside.lane, kept)
	if err != nil {
		return err
	}
	for _, part := range r.stuck {
		letters = append(letters, kgo.Record{Topic: part.Topic, Key: part.Key, Value: part.Value, Headers: part.Headers, Timestamp: part.Timestamp})
	}
	mark, err := r.aside.remote.redrivenRecord(r.aside.lane, maps.Clone(r.done))
	if err != nil {
		return err
	}
	all := append(append(append(make([]kgo.Record, 0, len(records)+len(letters)+1), records...), letters...), mark)
	if err := r.aside.commit(ctx, all, len(records)); err != nil {
		return err
	}
	r.stuck = nil
	return nil
}
