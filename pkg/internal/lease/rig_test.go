package lease_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/internal/lease"
	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
	"github.com/sluice-siem/sluice/pkg/internal/objectstore/objectstoretest"
)

const (
	term  = 30 * time.Second // of a lease
	round = term / 3
	root  = "_sluice/state/replicas"
)

// takeover is within which time somebody runs the sources of a replica that died: a lease
// after its last renewal was seen, which may take a round, and then two rounds at most.
const takeover = term + 4*round

// fleet are replicas that share a store.
type fleet struct {
	store *objectstoretest.Store

	mu       sync.Mutex
	runners  map[string]string // who runs each source
	overlaps []string          // what two replicas ran at once
	members  []*replica
}

func newFleet() *fleet { return &fleet{store: objectstoretest.New(), runners: map[string]string{}} }

// replica is one of them.
type replica struct {
	*lease.Leases
	name  string
	fleet *fleet
	line  *line
	log   bytes.Buffer
	tail  time.Duration // how long run takes to return

	mu      sync.Mutex
	sources []string
	held    map[string]*lease.Held
	dead    bool

	end  context.CancelFunc
	done chan error
}

// join starts a replica that follows sources.
func (f *fleet) join(name string, sources ...string) *replica {
	r := &replica{
		name: name, fleet: f, line: &line{Store: f.store}, sources: sources,
		held: map[string]*lease.Held{}, done: make(chan error, 1),
	}
	s := lease.Settings{Store: r.line, Root: root, Lease: term, Name: name}
	r.Leases = lease.New(s, zerolog.New(zerolog.SyncWriter(&r.log)))
	ctx, end := context.WithCancel(context.Background())
	r.end = end
	f.members = append(f.members, r)
	go func() { r.done <- r.Run(ctx, r.follows, r.run) }()
	return r
}

func (r *replica) follows() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.sources)
}

// slowly makes run take so long to return.
func (r *replica) slowly(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tail = d
}

func (r *replica) ending() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tail
}

func (r *replica) follow(sources ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sources = sources
}

// run notes that a replica runs a source until the context ends, and a while longer.
func (r *replica) run(ctx context.Context, h *lease.Held) error {
	r.mu.Lock()
	r.held[h.Source] = h
	r.mu.Unlock()
	r.fleet.begin(r, h.Source)
	<-ctx.Done()
	time.Sleep(r.ending())
	r.fleet.finish(r, h.Source)
	return ctx.Err()
}

func (r *replica) holding(source string) *lease.Held {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held[source]
}

func (f *fleet) begin(r *replica, source string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.dead {
		return
	}
	if other := f.runners[source]; other != "" {
		f.overlaps = append(f.overlaps, fmt.Sprintf("%s began %s, which %s runs", r.name, source, other))
	}
	f.runners[source] = r.name
}

func (f *fleet) finish(r *replica, source string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.runners[source] == r.name && !r.dead {
		delete(f.runners, source)
	}
}

// kill ends a replica as SIGKILL does: nothing of it reaches the store any more.
func (r *replica) kill() {
	r.line.cut()
	r.fleet.mu.Lock()
	defer r.fleet.mu.Unlock()
	r.dead = true
	maps.DeleteFunc(r.fleet.runners, func(_, by string) bool { return by == r.name })
}

// stop ends a replica as SIGTERM does.
func (r *replica) stop() error {
	r.end()
	return <-r.done
}

// stopAll ends all replicas, so that nothing is left in the bubble.
func (f *fleet) stopAll() {
	for _, r := range f.members {
		r.end()
	}
	for _, r := range f.members {
		r.done <- <-r.done // stop may be called again
	}
}

func (f *fleet) running() map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.runners)
}

// share returns how many sources each replica runs.
func (f *fleet) share() map[string]int {
	n := map[string]int{}
	for _, by := range f.running() {
		n[by]++
	}
	return n
}

func (f *fleet) wantNoOverlap(t *testing.T) {
	t.Helper()
	if len(f.overlaps) > 0 {
		t.Error(strings.Join(f.overlaps, "\n"))
	}
}

// line is the connection of one replica to the store.
type line struct {
	objectstore.Store

	mu     sync.Mutex
	broken bool
	reads  bool                               // Create is refused
	before func()                             // called before the next Create; nil: nothing
	frozen chan struct{}                      // requests wait for it, whatever their context says
	delay  func() (there, back time.Duration) // of a request and its answer; nil: none
}

var errCut = errors.New("no route to host")

func (l *line) cut() { l.mu.Lock(); defer l.mu.Unlock(); l.broken = true }
func (l *line) slow(delay func() (there, back time.Duration)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delay = delay
}

// meddle has f called before the next Create.
func (l *line) meddle(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.before = f
}

// onlyRead decides whether Create is refused.
func (l *line) onlyRead(does bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reads = does
}

func (l *line) mend() { l.mu.Lock(); defer l.mu.Unlock(); l.broken = false }

// freeze stops the replica at its next request until thaw is called, as SIGSTOP would.
func (l *line) freeze() (thaw func()) {
	c := make(chan struct{})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.frozen = c
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.frozen = nil
		close(c)
	}
}

// send passes a request on. The sender may give up while it or its answer is on the way.
func (l *line) send(ctx context.Context, request func() error) error {
	l.mu.Lock()
	broken, frozen, there, back := l.broken, l.frozen, time.Duration(0), time.Duration(0)
	if l.delay != nil {
		there, back = l.delay()
	}
	l.mu.Unlock()
	if frozen != nil {
		<-frozen
	}
	if broken {
		return errCut
	}
	answer := make(chan error, 1)
	go func() {
		time.Sleep(there)
		err := request()
		time.Sleep(back)
		answer <- err
	}()
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// The request is made without the context: it arrives although its sender gave up.
func (l *line) Create(ctx context.Context, key string, o objectstore.Object) error {
	l.mu.Lock()
	reads, before := l.reads, l.before
	l.before = nil
	l.mu.Unlock()
	if reads {
		return errCut
	}
	if before != nil {
		before()
	}
	return l.send(ctx, func() error { return l.Store.Create(context.WithoutCancel(ctx), key, o) })
}

func (l *line) Put(ctx context.Context, key string, o objectstore.Object) error {
	return l.send(ctx, func() error { return l.Store.Put(context.WithoutCancel(ctx), key, o) })
}

func (l *line) Read(ctx context.Context, key string) (objectstore.Object, error) {
	answer := make(chan objectstore.Object, 1)
	err := l.send(ctx, func() error {
		o, err := l.Store.Read(context.WithoutCancel(ctx), key)
		answer <- o
		return err
	})
	if err != nil {
		return objectstore.Object{}, err
	}
	return <-answer, nil
}

func (l *line) List(ctx context.Context, prefix, after string) ([]objectstore.Info, bool, error) {
	type listed struct {
		infos []objectstore.Info
		more  bool
	}
	answer := make(chan listed, 1)
	err := l.send(ctx, func() error {
		infos, more, err := l.Store.List(context.WithoutCancel(ctx), prefix, after)
		answer <- listed{infos, more}
		return err
	})
	if err != nil {
		return nil, false, err
	}
	a := <-answer
	return a.infos, a.more, nil
}

func (l *line) Delete(ctx context.Context, key string) error {
	return l.send(ctx, func() error { return l.Store.Delete(context.WithoutCancel(ctx), key) })
}
