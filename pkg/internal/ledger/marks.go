package ledger

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Marks is a small compacted topic of one partition: a value for each key, which every
// replica reads whole. Unlike a position, anybody may write one at any time, and the last
// one counts. Its methods are not called concurrently.
type Marks struct {
	remote *remote
	view   *view             // nil: not connected
	next   int64             // the first offset that was not read
	values map[string][]byte // below next; nil: nothing was read
	read   time.Time         // when values was last brought up to date
}

// wholeAgain is the age from which what was read is not continued, but read again: after
// delete.retention.ms Kafka forgets that a key was removed (default a day).
const wholeAgain = time.Hour

// NewMarks returns the marks in topic s.Marks. It sends nothing.
func NewMarks(s Settings) *Marks { return &Marks{remote: &remote{settings: s}} }

// Prepare creates the topic if it is missing, and refuses one that could forget a mark.
func (m *Marks) Prepare(ctx context.Context) error { return Prepare(ctx, m.remote.settings) }

// Values returns the value of each key: at least all that were written before the call. The
// caller must not change it.
func (m *Marks) Values(ctx context.Context) (map[string][]byte, error) {
	err := m.catchUp(ctx)
	if err != nil {
		m.Close() // The next call connects again.
		return nil, err
	}
	return m.values, nil
}

func (m *Marks) catchUp(ctx context.Context) error {
	began := time.Now()
	if err := m.connect(); err != nil {
		return err
	}
	end, err := m.view.highWatermark(ctx)
	if err != nil {
		return err
	}
	at, values := m.next, maps.Clone(m.values)
	switch {
	case values == nil || began.Sub(m.read) >= wholeAgain:
		at, values = -1, map[string][]byte{}
	case at > end:
		m.remote.settings.Log.Warn().Str("topic", m.view.topic).Int64("end", end).Int64("read_until", at).Msg("the topic lost records, or was made again: it is read from its start")
		at, values = -1, map[string][]byte{}
	}
	if at < 0 {
		if at, err = m.view.offset(ctx, earliest, readUncommitted); err != nil {
			return err
		}
	}
	for at < end {
		var fetched []*kgo.Record
		if fetched, at, err = m.view.fetch(ctx, at, end); err != nil {
			return err
		}
		for _, r := range fetched {
			apply(values, r)
		}
	}
	m.next, m.values, m.read = at, values, began
	return nil
}

// apply notes a record. One without a value removes its key.
func apply(values map[string][]byte, r *kgo.Record) {
	if r.Value == nil {
		delete(values, string(r.Key))
		return
	}
	values[string(r.Key)] = r.Value
}

func (m *Marks) connect() error {
	if m.view != nil {
		return nil
	}
	c, err := m.remote.client()
	if err != nil {
		return err
	}
	m.view = &view{remote: m.remote, client: c, topic: m.remote.settings.Marks}
	return nil
}

// Put returns nil once the value is on all replicas that are in sync. A nil value removes
// the key.
func (m *Marks) Put(ctx context.Context, key string, value []byte) error {
	topic := m.remote.settings.Marks
	// Without idempotence a request that is under way can be given up. Written twice, a value
	// means the same.
	c, err := m.remote.client(kgo.RequiredAcks(kgo.AllISRAcks()), kgo.DisableIdempotentWrite(),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RecordDeliveryTimeout(produceTimeout))
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, produceTimeout)
	defer cancel()
	stop := refuse(c, cancel)
	defer stop()
	err = c.ProduceSync(ctx, &kgo.Record{Topic: topic, Key: []byte(key), Value: value}).FirstErr()
	if trouble := c.Trouble(); err != nil && trouble != nil {
		err = fmt.Errorf("%w: %w", err, trouble)
	}
	if err != nil {
		return m.remote.explain(fmt.Errorf("writing to topic %s: %w", topic, err), topic)
	}
	return nil
}

// Check says whether the topic is fit, or missing. It creates nothing.
func (m *Marks) Check(ctx context.Context) (missing bool, err error) {
	if err := m.connect(); err != nil {
		return false, err
	}
	for _, t := range m.remote.topics() {
		err := m.view.checkTopic(ctx, t)
		if errors.Is(err, kerr.UnknownTopicOrPartition) {
			return true, nil
		}
		if err != nil {
			return false, m.remote.explain(fmt.Errorf("checking topic %s: %w", t.name, err), t.name)
		}
	}
	return false, nil
}

// Close closes the connections. Marks may be used again.
func (m *Marks) Close() {
	if m.view != nil {
		m.view.close()
		m.view = nil
	}
}
