package checkpoint

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"path"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/internal/lease"
	"github.com/sluice-siem/sluice/pkg/internal/objectlog"
	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// BucketSettings are the settings of what replicas share in a bucket.
type BucketSettings struct {
	Store objectstore.Settings `yaml:",inline"`
	Lease setting.Duration     `yaml:"lease" doc:"How long a replica that died keeps its sources, 5s to 10m. A third of it is how often each replica asks the store: a shorter lease costs more requests."`
}

// DefaultBucket are the defaults.
var DefaultBucket = BucketSettings{Lease: setting.Duration(30 * time.Second)}

const longestLease = 10 * time.Minute

// Validate checks the lease. The keys of the store have a Validate of their own.
func (s *BucketSettings) Validate() []error {
	if d := s.Lease.Std(); d < lease.Least || d > longestLease {
		return []error{setting.Invalid("lease", fmt.Errorf("is %s; write a duration from 5s to 10m", s.Lease))}
	}
	return nil
}

// ofState is the folder of all that replicas share. A sink of type s3 may use the same bucket
// and prefix: its folder is another one, and readers of tables skip both.
const ofState = "_sluice-state"

// Open returns the part of the bucket that belongs to the state. It does not connect. The
// caller closes it.
func (s *BucketSettings) Open() *objectstore.S3 {
	own := s.Store
	own.Prefix = path.Join(own.Prefix, ofState)
	return objectstore.OpenS3(&own)
}

// Leases returns the settings of the leases in a store that Open returned.
func (s *BucketSettings) Leases(store objectstore.Store, name string) lease.Settings {
	return lease.Settings{Store: store, Root: "replicas", Lease: s.Lease.Std(), Name: name}
}

// Bucket stores positions and dead letters in an object store, for lanes whose sink does not
// store the position itself. Each lane has a log there, which whoever takes the lane closes
// for its predecessor: a replica that has lost a lane without noticing it cannot change
// anything (see package objectlog).
type Bucket struct {
	store   objectstore.Store
	end     func() // closes the store
	confirm func(lane string) func(context.Context) error
	log     zerolog.Logger
	made    time.Time

	mu    sync.Mutex
	lanes map[string]*bucketLane
}

// bucketLane is one lane of a Bucket. The lane calls one method at a time.
type bucketLane struct {
	*objectlog.Log
	position source.Position // saved last
}

// NewBucket returns the positions in a store, which Close closes with end. confirm returns
// the function that must confirm before a lane is taken, which may be nil.
func NewBucket(store objectstore.Store, end func(), confirm func(lane string) func(context.Context) error, log zerolog.Logger) *Bucket {
	return &Bucket{store: store, end: end, confirm: confirm, log: log, made: time.Now(), lanes: make(map[string]*bucketLane)}
}

// Prepare finds out whether the store can be used. There is nothing to create.
func (b *Bucket) Prepare(ctx context.Context) error { return b.store.Reach(ctx) }

func (b *Bucket) lane(name string) *bucketLane {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.lanes[name]
	if l == nil {
		s := objectlog.Settings{Store: b.store, Confirm: b.confirm(name), Log: b.log.With().Str("lane", name).Logger()}
		l = &bucketLane{Log: objectlog.New(name, s)}
		b.lanes[name] = l
	}
	return l
}

// Load takes the lane and returns its last saved position, nil if there is none. Any
// error may pass.
func (b *Bucket) Load(ctx context.Context, lane string) (source.Position, error) {
	l := b.lane(lane)
	pos, err := l.Take(ctx)
	if err != nil {
		return nil, err
	}
	l.position = pos
	return pos, nil
}

// Save returns nil once the position is committed. sink.ErrMoved means that another
// instance or a person moved the position; call Load for the new one.
func (b *Bucket) Save(ctx context.Context, lane string, pos source.Position) error {
	l := b.lane(lane)
	if err := l.Commit(ctx, "position "+string(pos), nil, nil, pos); err != nil {
		return err
	}
	l.position = pos
	return nil
}

// Put returns nil once the dead letters are committed. The position stays.
func (b *Bucket) Put(ctx context.Context, lane string, rejects []sink.Reject) error {
	if len(rejects) == 0 {
		return nil
	}
	l := b.lane(lane)
	if l.position == nil {
		return fmt.Errorf("lane %s has no position to commit dead letters with", lane)
	}
	return l.Commit(ctx, "letters "+sumOf(rejects), nil, rejects, l.position)
}

// sumOf identifies rejects.
func sumOf(rejects []sink.Reject) string {
	sum := sha256.New()
	for _, r := range rejects {
		fmt.Fprintf(sum, "%q %q %d %d ", r.Record.ID, r.Reason, len(r.Record.Body), len(r.Raw))
		sum.Write(r.Record.Body)
		sum.Write(r.Raw)
	}
	return string(sum.Sum(nil))
}

// Look returns the position of a lane, nil if there is none, and when it was saved.
// It does not take the lane.
func (b *Bucket) Look(ctx context.Context, lane string) (source.Position, time.Time, error) {
	e, err := b.reading(lane).Look(ctx)
	return source.Position(e.Position), e.Saved, err
}

// reading returns a log of the lane that takes nothing. It is another one than the lane's
// own, which only one goroutine may use.
func (b *Bucket) reading(lane string) *objectlog.Log {
	return objectlog.New(lane, objectlog.Settings{Store: b.store, Log: b.log})
}

// Holds reports whether there is a position of the lane. It does not take the lane.
func (b *Bucket) Holds(ctx context.Context, lane string) (bool, error) {
	pos, _, err := b.Look(ctx, lane)
	return pos != nil, err
}

// Forget returns nil once there is no position of the lane. It may take the lane.
func (b *Bucket) Forget(ctx context.Context, lane string) error {
	l := b.lane(lane)
	if err := l.Release(ctx, func([]byte) error { return nil }); err != nil {
		return err
	}
	l.position = nil
	return nil
}

// Rejects returns the dead letters of a lane, oldest first. An error stands for one dead
// letter that cannot be read, or ends the sequence. It does not take the lane.
func (b *Bucket) Rejects(ctx context.Context, lane string) iter.Seq2[sink.Reject, error] {
	return b.reading(lane).Rejects(ctx)
}

// Redrive returns a redrive of the dead letters of a lane, which cannot be done.
func (b *Bucket) Redrive(lane string) Redrive { return noRedrive{lane} }

// noRedrive refuses to redrive: nothing in the bucket says yet which letters were.
type noRedrive struct{ lane string }

func (r noRedrive) err() error {
	return sink.Hint(fmt.Errorf("dead letters of lane %s are in the bucket of the state, from where they cannot be redriven", r.lane),
		"once the reason is gone, deliver the events again with sluice replay; sluice deadletter list names them")
}

func (r noRedrive) Letters(context.Context) iter.Seq2[sink.Reject, error] {
	return func(yield func(sink.Reject, error) bool) { yield(sink.Reject{}, r.err()) }
}

func (r noRedrive) Redriven(context.Context, []sink.Record, []sink.Reject) error { return r.err() }

func (r noRedrive) Close() {}

// Traces looks for what earlier runs left: dead letters of the lane, and the positions of
// others from before this process.
func (b *Bucket) Traces(ctx context.Context, lane string) (sink.Traces, error) {
	for range b.Rejects(ctx, lane) {
		return sink.Traces{Proof: true, Found: "dead letters of the lane are in " + b.store.String()}, nil
	}
	all, err := b.Lanes(ctx)
	var others []string
	for _, c := range all {
		if c.Lane != lane && c.Saved.Before(b.made) {
			others = append(others, c.Lane)
		}
	}
	return sink.TracesOfOthers(b.store.String(), others), err
}

// Lanes returns the positions in the bucket. It takes no lane.
func (b *Bucket) Lanes(ctx context.Context) ([]Checkpoint, error) {
	names, err := objectlog.Lanes(ctx, b.store)
	var all []Checkpoint
	for _, name := range names {
		pos, saved, failed := b.Look(ctx, name)
		if failed != nil {
			return all, errors.Join(err, failed)
		}
		if pos != nil {
			all = append(all, Checkpoint{Lane: name, Path: b.store.String(), Saved: saved, Position: pos})
		}
	}
	return all, err
}

// Rename moves the position of lane from to lane to, which must have none. It takes both. If
// it is interrupted, both may have the position.
func (b *Bucket) Rename(ctx context.Context, from, to string) error {
	holds, err := b.Holds(ctx, to)
	switch {
	case err != nil:
		return err
	case holds:
		return fmt.Errorf("lane %s already has a position", to)
	}
	holds, err = b.Holds(ctx, from)
	switch {
	case err != nil:
		return err
	case !holds:
		return fmt.Errorf("lane %s: %w", from, ErrNone)
	}
	return b.lane(from).Release(ctx, func(pos []byte) error { return b.Set(ctx, to, func([]byte) ([]byte, error) { return pos, nil }) })
}

// Set takes the lane and commits a position that a person chose, as sink.Ledger says.
func (b *Bucket) Set(ctx context.Context, lane string, choose func(former []byte) ([]byte, error)) error {
	return b.lane(lane).Set(ctx, choose)
}

// Check checks whether the lane's position could be read, and changes nothing.
func (b *Bucket) Check(ctx context.Context, lane string) (string, error) {
	if err := b.store.Reach(ctx); err != nil {
		return "", err
	}
	if _, _, err := b.Look(ctx, lane); err != nil {
		return "", err
	}
	return b.store.String() + " can be read; whether it may be written, and knows If-None-Match, shows when a lane starts", nil
}

// Drop closes a lane. It can be loaded again.
func (b *Bucket) Drop(lane string) {
	b.mu.Lock()
	l := b.lanes[lane]
	delete(b.lanes, lane)
	b.mu.Unlock()
	if l != nil {
		l.Close()
	}
}

// Close closes all lanes, and the store.
func (b *Bucket) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.lanes {
		l.Close()
	}
	clear(b.lanes)
	b.end()
}
