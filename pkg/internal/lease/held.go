package lease

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
)

// Held is a source that this replica holds until the context of run ends.
type Held struct {
	Source string

	leases *Leases
	epoch  int64
	ctx    context.Context
	end    context.CancelFunc
	done   chan struct{} // closed when run has returned
}

// take creates an epoch and, if it is the newest one, runs the source.
func (l *Leases) take(ctx context.Context, source string, epoch int64) error {
	err := l.board.create(ctx, source, epoch, l.id, l.settings.Name)
	if errors.Is(err, objectstore.ErrExists) {
		return nil // Another one was faster, or an earlier attempt of this one succeeded.
	}
	if err != nil {
		return err
	}
	// Newer epochs than this one may have come and their older ones gone since the board was
	// read.
	newest, err := l.board.newest(ctx, source)
	if err != nil {
		return err
	}
	if newest == epoch {
		l.start(source, epoch)
	}
	return nil
}

func (l *Leases) start(source string, epoch int64) {
	if !l.valid() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held[source] != nil {
		return
	}
	h := &Held{Source: source, leases: l, epoch: epoch, done: make(chan struct{})}
	h.ctx, h.end = context.WithCancel(context.Background())
	l.held[source] = h
	l.runs.Go(h.serve)
}

func (h *Held) serve() {
	defer close(h.done)
	err := h.leases.run(h.ctx, h)
	switch {
	case err == nil || errors.Is(err, context.Canceled):
	case h.ctx.Err() == nil:
		h.leases.fail(err)
	default:
		h.leases.log.Warn().Err(err).Str("source", h.Source).Msg("a source ended with an error")
	}
}

// giveBack ends what runs for a source, and then tells the others that it is free. Rounds go
// on meanwhile.
func (l *Leases) giveBack(source string) {
	l.mu.Lock()
	h := l.held[source]
	l.mu.Unlock()
	if h == nil || h.ctx.Err() != nil {
		return
	}
	h.end()
	l.runs.Go(func() {
		<-h.done
		ctx, cancel := context.WithTimeout(context.Background(), l.settings.round())
		defer cancel()
		l.free(ctx, h)
		select {
		case l.again <- struct{}{}:
		default:
		}
	})
}

// free tells the others that a source is free. If it fails, they find out when this replica
// is gone; until then the source is held by it, and it takes it again.
func (l *Leases) free(ctx context.Context, h *Held) {
	if l.valid() { // Otherwise the epoch may be another's.
		if err := l.board.create(ctx, h.Source, h.epoch+1, "", ""); err != nil && !errors.Is(err, objectstore.ErrExists) {
			l.report(err)
		}
	}
	l.forget(h)
}

func (l *Leases) forget(h *Held) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held[h.Source] == h {
		delete(l.held, h.Source)
	}
}

// drop ends what runs for a source, without a word to the others.
func (l *Leases) drop(h *Held) {
	h.end()
	<-h.done
	l.forget(h)
}

// holding returns what this replica holds now. What is given back may be forgotten at any
// moment after that.
func (l *Leases) holding() []*Held {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(maps.Values(l.held))
}

func (l *Leases) endAll() {
	for _, h := range l.holding() {
		h.end()
	}
}

// leave gives all sources back, and removes this replica.
func (l *Leases) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, l.settings.round())
	defer cancel()
	var freeing sync.WaitGroup
	for _, h := range l.holding() {
		freeing.Go(func() { l.free(ctx, h) })
	}
	freeing.Wait()
	if err := l.board.remove(ctx, l.id); err != nil {
		l.log.Warn().Err(err).Stringer("lease", l.settings.Lease).Msg("leaving the other replicas failed; they take the sources over when their leases end")
	}
}

// Confirm asks the store whether this replica still holds the source.
//
// It returns nil if it does, and an error that wraps [ErrNotHolder] if it does not. After any
// other error the answer is unknown, and Confirm may be called again.
func (h *Held) Confirm(ctx context.Context) error {
	newest, err := h.leases.board.newest(ctx, h.Source)
	switch {
	case h.ctx.Err() != nil || !h.leases.valid() || err == nil && newest != h.epoch:
		return &notHolder{h.Source}
	}
	return err
}

type notHolder struct{ source string }

func (e *notHolder) Error() string { return "source " + e.source + ": " + ErrNotHolder.Error() }
func (e *notHolder) Unwrap() error { return ErrNotHolder }
