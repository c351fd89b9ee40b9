package ownlog

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
)

// Bucket is a Store in an object store, which replicas and commands share. A line is an
// object, whose key has its number. Of all who append at once, one creates an object, and
// the others go on to the next number. The log has a random name, which is an object, too.
type Bucket struct {
	store objectstore.Store
	end   func() // closes the store

	mu       sync.Mutex
	log      string
	known    Bounds           // as they were at read; Next is 0: not known
	read     time.Time        // when the store was last asked for them
	tried    map[string]int64 // by line: the number that an Append tried which failed
	appended chan struct{}    // closed when this process has appended the next line
}

const (
	bucketName  = "own-log/log.json"
	bucketLines = "own-log/lines/"

	// mostLines is how many lines there are before the oldest are deleted, sweep how many at
	// a time.
	mostLines = 10_000
	sweep     = 100

	// lookOnce is how often one process looks for the lines of others, for all its lanes.
	lookOnce = 10 * time.Second
)

// NewBucket returns the log in an object store, which Close closes with end. It does not
// connect.
func NewBucket(store objectstore.Store, end func()) *Bucket {
	return &Bucket{store: store, end: end, tried: map[string]int64{}, appended: make(chan struct{})}
}

func lineKey(n int64) string { return fmt.Sprintf("%s%012d.json", bucketLines, n) }

// numberOf is the number of a line; ok is false for another object.
func numberOf(key string) (n int64, ok bool) {
	n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimPrefix(key, bucketLines), ".json"), 10, 64)
	return n, err == nil && lineKey(n) == key
}

// Prepare gives the log a name if it has none.
func (b *Bucket) Prepare(ctx context.Context) error {
	err := b.named(ctx)
	if !errors.Is(err, objectstore.ErrNotFound) {
		return err
	}
	name := []byte(rand.Text())
	err = b.store.Create(ctx, bucketName, objectstore.Object{Body: name, Type: "text/plain"})
	if err != nil && !errors.Is(err, objectstore.ErrExists) {
		return fmt.Errorf("own log: %w", err)
	}
	return b.named(ctx)
}

// named reads the name of the log.
func (b *Bucket) named(ctx context.Context) error {
	if b.Log() != "" {
		return nil
	}
	o, err := b.store.Read(ctx, bucketName)
	if err != nil {
		return fmt.Errorf("own log: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.log = string(bytes.TrimSpace(o.Body))
	return nil
}

// Check finds out whether the log can be read, and changes nothing.
func (b *Bucket) Check(ctx context.Context) (string, error) {
	err := b.named(ctx)
	if errors.Is(err, objectstore.ErrNotFound) {
		return b.store.String() + " has none yet; it will be created", nil
	}
	return "in " + b.store.String(), err
}

// Log implements Store.
func (b *Bucket) Log() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log
}

// Append implements Store. After an error the next Append of the same line tries the same
// number first: if the former attempt succeeded after all, it finds the line there.
func (b *Bucket) Append(ctx context.Context, line []byte) error {
	if err := fit(line); err != nil {
		return err
	}
	if _, err := b.Bounds(ctx); err != nil {
		return err
	}
	b.mu.Lock()
	n, again := b.tried[string(line)]
	if !again {
		n = b.known.Next
	}
	b.mu.Unlock()
	for ; ; n++ {
		err := b.store.Create(ctx, lineKey(n), objectstore.Object{Body: line, Type: "application/json"})
		if errors.Is(err, objectstore.ErrExists) {
			var mine bool
			if mine, err = b.mine(ctx, n, line, again); !mine && err == nil {
				continue
			}
		}
		b.note(line, n, err)
		if err != nil {
			return fmt.Errorf("own log: %w", err)
		}
		b.sweep(ctx, n)
		return nil
	}
}

// mine reports whether the line with that number is one that an attempt before wrote.
func (b *Bucket) mine(ctx context.Context, n int64, line []byte, again bool) (bool, error) {
	if !again {
		return false, nil
	}
	o, err := b.store.Read(ctx, lineKey(n))
	return err == nil && bytes.Equal(o.Body, line), err
}

// note remembers how an attempt to write a line ended.
func (b *Bucket) note(line []byte, n int64, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		if len(b.tried) >= mostFailed {
			clear(b.tried) // Their callers have probably given up.
		}
		b.tried[string(line)] = n
		return
	}
	delete(b.tried, string(line))
	b.known.Next = max(b.known.Next, n+1)
	close(b.appended)
	b.appended = make(chan struct{})
}

// sweep deletes the oldest lines now and then. It is no error of an Append if that fails.
func (b *Bucket) sweep(ctx context.Context, n int64) {
	if n%sweep != 0 || n <= mostLines {
		return
	}
	infos, _, err := b.store.List(ctx, bucketLines, "")
	if err != nil {
		return
	}
	for _, info := range infos {
		number, ok := numberOf(info.Key)
		if !ok || number > n-mostLines {
			return
		}
		if b.store.Delete(ctx, info.Key) != nil {
			return
		}
	}
}

// Read implements Store.
func (b *Bucket) Read(ctx context.Context, from int64, most int) (Passage, error) {
	var p Passage
	infos, _, err := b.store.List(ctx, bucketLines, lineKey(from-1))
	if err != nil {
		return p, fmt.Errorf("own log: %w", err)
	}
	for _, info := range infos {
		n, ok := numberOf(info.Key)
		if !ok {
			continue
		}
		if len(p.Lines) == 0 {
			p.Gone = n > from
		}
		if most -= int(info.Size); most < 0 && len(p.Lines) > 0 {
			break
		}
		o, err := b.store.Read(ctx, info.Key)
		if errors.Is(err, objectstore.ErrNotFound) && len(p.Lines) == 0 {
			p.Gone = true // It was deleted just then.
			continue
		}
		if err != nil {
			return Passage{}, fmt.Errorf("own log: %w", err)
		}
		p.Lines = append(p.Lines, Line{n, o.Body})
	}
	return p, nil
}

// Bounds implements Store. It may not know lines that other processes appended in the last
// ten seconds.
func (b *Bucket) Bounds(ctx context.Context) (Bounds, error) {
	if err := b.named(ctx); err != nil {
		return Bounds{}, err
	}
	b.mu.Lock()
	known, read := b.known, b.read
	b.mu.Unlock()
	if known.Next != 0 && time.Since(read) < lookOnce {
		return known, nil
	}
	began := time.Now()
	if known.Next == 0 {
		known = Bounds{Log: b.Log(), First: 1, Next: 1}
	}
	for after, more := lineKey(known.Next-1), true; more; {
		var infos []objectstore.Info
		var err error
		if infos, more, err = b.store.List(ctx, bucketLines, after); err != nil {
			return Bounds{}, fmt.Errorf("own log: %w", err)
		}
		for _, info := range infos {
			after = info.Key
			n, ok := numberOf(info.Key)
			if !ok {
				continue
			}
			if known.First == known.Next {
				known.First = n
			}
			known.Next = n + 1
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	known.Next = max(known.Next, b.known.Next)
	b.known, b.read = known, began
	return known, nil
}

// Wait implements Store.
func (b *Bucket) Wait(ctx context.Context, _ int64) error {
	b.mu.Lock()
	appended := b.appended
	b.mu.Unlock()
	return waitFor(ctx, appended)
}

// Close implements Store.
func (b *Bucket) Close() error {
	b.end()
	return nil
}
