package pause

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
	"github.com/sluice-siem/sluice/pkg/internal/ledger"
)

// Topic is a Kafka topic with markers, which all replicas follow. Its methods may be called
// concurrently.
type Topic struct {
	settings  ledger.Settings
	namespace string // of the keys, since installations may share the topic

	alive  context.Context // of reads, which outlive the call that begins them
	end    context.CancelFunc
	reads  sync.WaitGroup
	mu     sync.Mutex
	marks  *ledger.Marks // used by one read at a time
	newest *read         // under way, or the last one; nil: none was begun
}

// read is a read of the whole topic.
type read struct {
	began  time.Time
	done   chan struct{} // closed once values and err are set
	values map[string][]byte
	err    error
}

// NewTopic returns the markers in a topic. It sends nothing.
func NewTopic(cluster *kafkaclient.Settings, namespace, topic string, log zerolog.Logger) *Topic {
	s := ledger.Settings{Cluster: cluster, Marks: topic, Log: log}
	t := &Topic{settings: s, namespace: namespace, marks: ledger.NewMarks(s)}
	t.alive, t.end = context.WithCancel(context.Background())
	return t
}

// Prepare creates the topic if it is missing, and refuses one that could forget a marker.
func (t *Topic) Prepare(ctx context.Context) error { return ledger.Prepare(ctx, t.settings) }

// Check says whether the topic is fit, or missing. It creates nothing.
func (t *Topic) Check(ctx context.Context) (missing bool, err error) {
	m := ledger.NewMarks(t.settings)
	defer m.Close()
	return m.Check(ctx)
}

// key is that of a lane's marker. A lane has one slash, so no two have the same key.
func (t *Topic) key(lane string) string { return t.namespace + "/" + lane }

// Pause writes a marker. Once it has returned nil, every replica finds it.
func (t *Topic) Pause(ctx context.Context, m Marker) error {
	data, err := encode(m)
	if err != nil {
		return err
	}
	if err := t.Prepare(ctx); err != nil {
		return err
	}
	return ledger.NewMarks(t.settings).Put(ctx, t.key(m.Lane), data)
}

// Resume removes the marker of a lane, whatever is in it. was is false if there was none.
func (t *Topic) Resume(ctx context.Context, lane string) (was bool, err error) {
	m, err := t.Look(ctx, lane)
	if m == nil || err != nil {
		return false, err
	}
	return true, ledger.NewMarks(t.settings).Put(ctx, t.key(lane), nil)
}

// Look returns the marker of a lane, nil if there is none, as it is when Look is called, or
// later. If the topic is missing, there is no marker.
func (t *Topic) Look(ctx context.Context, lane string) (*Marker, error) {
	m, err := t.Known(ctx, lane, time.Now())
	if errors.Is(err, ledger.ErrNoTopic) {
		return nil, nil
	}
	return m, err
}

// Known returns the marker of a lane, nil if there is none, as it was at a time, or later.
// It reads the topic if nobody has read it since. Lanes that ask at once share a read.
func (t *Topic) Known(ctx context.Context, lane string, at time.Time) (*Marker, error) {
	for {
		r := t.readSince(at)
		select {
		case <-r.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		switch {
		case r.began.Before(at): // It was under way.
		case r.err != nil:
			return nil, r.err
		default:
			return find(r.values, t.key(lane), lane), nil
		}
	}
}

func find(values map[string][]byte, key, lane string) *Marker {
	data, ok := values[key]
	if !ok {
		return nil
	}
	m := decode(data, lane)
	return &m
}

// readSince returns the newest read. If that is over and began before at, it begins another.
func (t *Topic) readSince(at time.Time) *read {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r := t.newest; r != nil {
		select {
		case <-r.done:
			if !r.began.Before(at) {
				return r
			}
		default:
			return r
		}
	}
	r := &read{began: time.Now(), done: make(chan struct{})}
	t.newest = r
	t.reads.Go(func() {
		defer close(r.done)
		r.values, r.err = t.marks.Values(t.alive)
	})
	return r
}

// Close ends what is under way.
func (t *Topic) Close() {
	t.end()
	t.reads.Wait()
	t.marks.Close()
}
