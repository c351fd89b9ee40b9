package ownlog

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
	"github.com/sluice-siem/sluice/pkg/internal/ledger"
)

// DefaultTopic is the name of the topic with the own log.
const DefaultTopic = ledger.DefaultOwnLog

// Topic is a Store in a Kafka topic with one partition, which replicas and commands share.
// The number of a line is its offset, and the log has the name of the topic's id. Kafka
// removes old lines by their age, or by the size of the topic.
type Topic struct {
	name string
	log  *ledger.Log
	err  error // why there is no client

	mu       sync.Mutex
	id       string
	appended chan struct{}      // closed when Kafka has taken the next line
	waiting  map[string]*taking // lines whose Append did not return nil yet
}

// taking is a line that Kafka was given.
type taking struct {
	done chan struct{} // closed once it is known whether Kafka took the line
	err  error
}

// NewTopic returns the log in a topic. It does not connect to a broker.
func NewTopic(cluster *kafkaclient.Settings, name string, log zerolog.Logger) *Topic {
	t := &Topic{name: name, appended: make(chan struct{}), waiting: map[string]*taking{}}
	t.log, t.err = ledger.OpenLog(ledger.Settings{Cluster: cluster, OwnLog: name, Log: log})
	return t
}

// Prepare creates the topic if it is missing, and refuses one with unfit settings.
func (t *Topic) Prepare(ctx context.Context) error {
	if t.err != nil {
		return t.err
	}
	if err := t.log.Prepare(ctx); err != nil {
		return fmt.Errorf("own log: %w", err)
	}
	_, err := t.Bounds(ctx)
	return err
}

// Check finds out what Prepare would return, and changes nothing. The line says what was
// found.
func (t *Topic) Check(ctx context.Context) (string, error) {
	if t.err != nil {
		return "", t.err
	}
	line, err := t.log.Check(ctx)
	if err != nil {
		return "", fmt.Errorf("own log: %w", err)
	}
	return line, nil
}

// Log implements Store. The name is known after Prepare.
func (t *Topic) Log() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.id
}

// Append implements Store. If ctx ends before Kafka has taken the line, the client goes on
// trying. The next Append of the same line waits for that, so Kafka gets it once.
func (t *Topic) Append(ctx context.Context, line []byte) error {
	if t.err != nil {
		return t.err
	}
	if err := fit(line); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	k, err := t.take(line)
	if err != nil {
		return err
	}
	select {
	case <-k.done:
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.waiting, string(line))
		return refused(k.err)
	case <-ctx.Done():
		return fmt.Errorf("own log: %w", t.log.Explain(ctx.Err()))
	}
}

// refused is why Kafka did not take a line. One that is too large for the topic always is.
func refused(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kerr.MessageTooLarge):
		return fmt.Errorf("%w: %w", ErrUnfit, err)
	}
	return fmt.Errorf("own log: %w", err)
}

// take gives a line to Kafka, unless that has been done.
func (t *Topic) take(line []byte) (*taking, error) {
	k, given, err := t.expect(line)
	if given || err != nil {
		return k, err
	}
	t.log.Append(line, func(err error) {
		k.err = err
		close(k.done)
		t.signal()
	})
	return k, nil
}

// expect notes that a line waits; given says that it did before.
func (t *Topic) expect(line []byte) (k *taking, given bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if k = t.waiting[string(line)]; k != nil {
		return k, true, nil
	}
	if !t.room() {
		return nil, false, errors.New("own log: too many events wait for Kafka")
	}
	k = &taking{done: make(chan struct{})}
	t.waiting[string(line)] = k
	return k, false, nil
}

// room reports whether there is room for another line that waits. It forgets one that Kafka
// took or refused: its caller has probably given up.
func (t *Topic) room() bool {
	if len(t.waiting) < mostFailed {
		return true
	}
	for line, k := range t.waiting {
		select {
		case <-k.done:
			delete(t.waiting, line)
			return true
		default:
		}
	}
	return false
}

// signal wakes who waits for a line.
func (t *Topic) signal() {
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.appended)
	t.appended = make(chan struct{})
}

// Read implements Store. An offset without a line is no line that is gone: only Kafka's
// retention removes lines, from the beginning.
func (t *Topic) Read(ctx context.Context, from int64, most int) (Passage, error) {
	b, err := t.Bounds(ctx)
	if err != nil {
		return Passage{}, err
	}
	p := Passage{Gone: from < b.First}
	records, err := t.log.Read(ctx, max(from, b.First), b.Next, most)
	if err != nil {
		return Passage{}, fmt.Errorf("own log: %w", err)
	}
	for _, r := range records {
		if most -= len(r.Value); most < 0 && len(p.Lines) > 0 {
			break
		}
		p.Lines = append(p.Lines, Line{r.Offset, r.Value})
	}
	return p, nil
}

// Bounds implements Store.
func (t *Topic) Bounds(ctx context.Context) (Bounds, error) {
	if t.err != nil {
		return Bounds{}, t.err
	}
	b, err := t.log.Bounds(ctx)
	if err != nil {
		return Bounds{}, fmt.Errorf("own log: %w", err)
	}
	id := t.name // of brokers that know no ids
	if b.ID != [16]byte{} {
		id = hex.EncodeToString(b.ID[:])
	}
	t.mu.Lock()
	t.id = id
	t.mu.Unlock()
	return Bounds{Log: id, First: b.First, Next: b.Next}, nil
}

// Wait implements Store.
func (t *Topic) Wait(ctx context.Context, _ int64) error {
	t.mu.Lock()
	appended := t.appended
	t.mu.Unlock()
	return waitFor(ctx, appended)
}

// Close implements Store. Lines that Kafka has not taken are given up.
func (t *Topic) Close() error {
	if t.err == nil {
		t.log.Close()
	}
	return nil
}
