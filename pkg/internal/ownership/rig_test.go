package ownership_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
	"github.com/sluice-siem/sluice/pkg/internal/ownership"
)

const (
	topic      = "sluice.positions"
	group      = "sluice"
	partitions = 25
)

// journal records what all replicas of a test run.
type journal struct {
	t       *testing.T
	mu      sync.Mutex
	running map[int32]string // the replica that runs each partition
	held    map[int32]*ownership.Partition
	began   map[int32]int // how often each partition was run
	changed chan struct{} // closed at the next change
}

func newJournal(t *testing.T) *journal {
	return &journal{
		t: t, running: make(map[int32]string), held: make(map[int32]*ownership.Partition),
		began: make(map[int32]int), changed: make(chan struct{}),
	}
}

func (j *journal) change(f func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	f()
	close(j.changed)
	j.changed = make(chan struct{})
}

// run returns the run function of a replica. It takes a while to end.
func (j *journal) run(name string, lingers time.Duration) func(context.Context, *ownership.Partition) error {
	return func(ctx context.Context, p *ownership.Partition) error {
		j.change(func() {
			if other, ok := j.running[p.Number]; ok {
				j.t.Errorf("%s began to run partition %d while %s ran it", name, p.Number, other)
			}
			j.running[p.Number], j.held[p.Number] = name, p
			j.began[p.Number]++
		})
		<-ctx.Done()
		if lingers > 0 {
			<-time.After(lingers)
		}
		j.change(func() { delete(j.running, p.Number) })
		return ctx.Err()
	}
}

// await waits until the running partitions satisfy is, and returns how long it took.
func (j *journal) await(d time.Duration, what string, is func(running map[int32]string) bool) time.Duration {
	j.t.Helper()
	began, deadline := time.Now(), time.After(d)
	for {
		j.mu.Lock()
		ok, changed, now := is(j.running), j.changed, fmt.Sprint(j.running)
		j.mu.Unlock()
		if ok {
			return time.Since(began)
		}
		select {
		case <-changed:
		case <-deadline:
			j.t.Fatalf("after %v: want %s, got %s", d, what, now)
		}
	}
}

// shared reports whether all partitions run, only on the given replicas, in shares that
// differ by at most one.
func shared(names ...string) func(map[int32]string) bool {
	return func(running map[int32]string) bool {
		count := make(map[string]int)
		for _, name := range running {
			count[name]++
		}
		for _, name := range names {
			if n := count[name]; n < partitions/len(names) || n > (partitions+len(names)-1)/len(names) {
				return false
			}
		}
		return len(running) == partitions && len(count) == len(names)
	}
}

func without(name string) func(map[int32]string) bool {
	return func(running map[int32]string) bool {
		for _, n := range running {
			if n == name {
				return false
			}
		}
		return true
	}
}

// begun returns how often each partition was run, in their order.
func (j *journal) begun() []int {
	j.mu.Lock()
	defer j.mu.Unlock()
	times := make([]int, partitions)
	for number, n := range j.began {
		times[number] = n
	}
	return times
}

// any returns one of the partitions that a replica runs.
func (j *journal) any(name string) *ownership.Partition {
	j.t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	for number, n := range j.running {
		if n == name {
			return j.held[number]
		}
	}
	j.t.Fatalf("%s runs nothing", name)
	return nil
}

// replica is a replica that runs until it is stopped.
type replica struct {
	*ownership.Ownership
	cancel context.CancelFunc
	ended  chan error
}

func join(t *testing.T, dial kafkaclient.Dial, s ownership.Settings, run func(context.Context, *ownership.Partition) error) *replica {
	t.Helper()
	return joinTelling(t, dial, s, io.Discard, run)
}

func joinTelling(t *testing.T, dial kafkaclient.Dial, s ownership.Settings, log io.Writer, run func(context.Context, *ownership.Partition) error) *replica {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &replica{ownership.NewOver(dial, s, zerolog.New(log).Level(zerolog.InfoLevel)), cancel, make(chan error, 1)}
	go func() { r.ended <- r.Run(ctx, run) }()
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// stop ends a replica as SIGTERM does, and returns what Run returned.
func (r *replica) stop() error {
	r.cancel()
	err := <-r.ended
	r.ended <- nil // for a second call of stop
	return err
}

// wire is the network of a replica.
type wire struct {
	dial kafkaclient.Dial
	mu   sync.Mutex
	cut  bool
	dead chan struct{} // closed: nothing passes, and there is no error
	open []net.Conn
}

func newWire(dial kafkaclient.Dial) *wire { return &wire{dial: dial, dead: make(chan struct{})} }

func (w *wire) connect(ctx context.Context, network, address string) (net.Conn, error) {
	w.mu.Lock()
	cut := w.cut
	w.mu.Unlock()
	if cut {
		return nil, &net.OpError{Op: "dial", Net: network, Err: net.ErrClosed}
	}
	select {
	case <-w.dead:
		<-ctx.Done()
		return nil, ctx.Err()
	default:
	}
	conn, err := w.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open = append(w.open, conn)
	return wired{conn, w}, nil
}

// sever closes all connections and refuses new ones, until mend.
func (w *wire) sever() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = true
	for _, conn := range w.open {
		conn.Close() // nobody waits for its error
	}
	w.open = nil
}

func (w *wire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = false
}

// wired is a connection on which nothing arrives once the wire is dead.
type wired struct {
	net.Conn
	wire *wire
}

func (c wired) Write(b []byte) (int, error) {
	select {
	case <-c.wire.dead:
		return len(b), nil
	default:
		return c.Conn.Write(b)
	}
}

func (c wired) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	select {
	case <-c.wire.dead:
		if err == nil {
			// Bytes that are under way when the wire dies are lost.
			return c.Read(b)
		}
	default:
	}
	return n, err
}

func all(n int) []int { return slices.Repeat([]int{n}, partitions) }

func isNotOwner(err error) bool { return errors.Is(err, ownership.ErrNotOwner) }
