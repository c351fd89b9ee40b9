package pause

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Shared are the markers that replicas share. All of them follow the markers. Its methods
// may be called concurrently.
type Shared struct {
	store store

	alive  context.Context // of reads, which outlive the call that begins them
	end    context.CancelFunc
	reads  sync.WaitGroup
	mu     sync.Mutex
	newest *read // under way, or the last one; nil: none was begun
}

// store keeps the markers of an installation.
type store interface {
	// prepare creates what is missing, and refuses what could forget a marker. check says
	// whether it is fit, or missing, and creates nothing.
	prepare(ctx context.Context) error
	check(ctx context.Context) (missing string, err error)

	// values returns the markers of all lanes by their keys. errMissing means that nothing
	// was created yet. Only one call at a time is under way.
	values(ctx context.Context) (map[string][]byte, error)

	key(lane string) string                                  // no two lanes have the same
	put(ctx context.Context, lane string, data []byte) error // nil removes
	age() time.Duration                                      // how old what is known of a running lane may be
	close()
}

// errMissing says that there is no place for markers, and therefore none.
var errMissing = errors.New("there is no place for markers")

// read is a read of all markers.
type read struct {
	began  time.Time
	done   chan struct{} // closed once values and err are set
	values map[string][]byte
	err    error
}

func newShared(s store) *Shared {
	t := &Shared{store: s}
	t.alive, t.end = context.WithCancel(context.Background())
	return t
}

// Prepare creates what is missing, and refuses what could forget a marker.
func (t *Shared) Prepare(ctx context.Context) error { return t.store.prepare(ctx) }

// Check says whether markers could be kept. missing describes what Prepare would create, and
// is empty if there is nothing. It creates nothing.
func (t *Shared) Check(ctx context.Context) (missing string, err error) { return t.store.check(ctx) }

// Age is how old what is known of a lane that runs may be.
func (t *Shared) Age() time.Duration { return t.store.age() }

// Pause writes a marker. Once it has returned nil, every replica finds it.
func (t *Shared) Pause(ctx context.Context, m Marker) error {
	data, err := encode(m)
	if err != nil {
		return err
	}
	if err := t.Prepare(ctx); err != nil {
		return err
	}
	return t.store.put(ctx, m.Lane, data)
}

// Resume removes the marker of a lane, whatever is in it. was is false if there was none.
func (t *Shared) Resume(ctx context.Context, lane string) (was bool, err error) {
	m, err := t.Look(ctx, lane)
	if m == nil || err != nil {
		return false, err
	}
	return true, t.store.put(ctx, lane, nil)
}

// Look returns the marker of a lane, nil if there is none, as it is when Look is called, or
// later.
func (t *Shared) Look(ctx context.Context, lane string) (*Marker, error) {
	m, err := t.Known(ctx, lane, time.Now())
	if errors.Is(err, errMissing) {
		return nil, nil
	}
	return m, err
}

// Known returns the marker of a lane, nil if there is none, as it was at a time, or later.
// It reads all markers if nobody has read them since. Lanes that ask at once share a read.
func (t *Shared) Known(ctx context.Context, lane string, at time.Time) (*Marker, error) {
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
			return find(r.values, t.store.key(lane), lane), nil
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
func (t *Shared) readSince(at time.Time) *read {
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
		r.values, r.err = t.store.values(t.alive)
	})
	return r
}

// Close ends what is under way.
func (t *Shared) Close() {
	t.end()
	t.reads.Wait()
	t.store.close()
}
