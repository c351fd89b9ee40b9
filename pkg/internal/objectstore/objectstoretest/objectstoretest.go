// Package objectstoretest is a strict object store in memory, for tests of what is built on
// objectstore. A test chooses for each request what goes wrong with it: the answer is lost,
// the store is busy, or a write arrives long after its sender gave up. The store refuses
// what a real one would refuse, and remembers what was written in which order.
package objectstoretest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
)

// Op is an operation of a store.
type Op string

// The operations of a store, as errors name them.
const (
	Create Op = "creating"
	Put    Op = "writing"
	Read   Op = "reading"
	Head   Op = "looking at"
	List   Op = "listing"
	Delete Op = "deleting"
	Reach  Op = "reaching"
)

// Writes reports whether the operation changes the store.
func (op Op) Writes() bool { return op == Create || op == Put || op == Delete }

// Fault is what goes wrong with a request.
type Fault int

// What may go wrong.
const (
	None     Fault = iota
	Lost           // it takes place, and the answer is lost
	Cut            // it never arrives
	Late           // the sender gives up; a write takes place when Arrive is called
	Busy           // 503 SlowDown
	Conflict       // 409 ConditionalRequestConflict: another conditional write is under way
	Refused        // 403
	NoBucket       // 404 NoSuchBucket
	Region         // 301
)

// Faults are all that may go wrong and mends itself.
var Faults = []Fault{Lost, Cut, Late, Busy, Conflict}

// ErrDown is the cause of an error of a request whose answer never came.
var ErrDown = errors.New("connection reset by peer")

// Store is a store in memory. The zero Store is not usable; call New.
type Store struct {
	mu      sync.Mutex
	now     func() time.Time
	objects map[string]stored
	written []string
	late    []func()
	fault   func(Op, string) Fault
	asked   map[Op]int
}

type stored struct {
	objectstore.Object
	modified time.Time
}

var _ objectstore.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store {
	return &Store{
		now: time.Now, objects: map[string]stored{}, asked: map[Op]int{},
		fault: func(Op, string) Fault { return None },
	}
}

// Interfere has f decide what goes wrong with each request from now on. f must not call the
// store. Nil: nothing goes wrong.
func (s *Store) Interfere(f func(Op, string) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f == nil {
		f = func(Op, string) Fault { return None }
	}
	s.fault = f
}

// Late is how many writes are under way whose senders gave up.
func (s *Store) Late() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.late)
}

// Arrive lets the write under way with this index take place, as if it was sent now: a
// Create then finds what exists now.
func (s *Store) Arrive(index int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	write := s.late[index]
	s.late = slices.Delete(s.late, index, index+1)
	write()
}

// Asked is how many requests there were of an operation.
func (s *Store) Asked(op Op) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[op]
}

// Written are the keys that were created or put, in that order.
func (s *Store) Written() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.written)
}

// Keys are those of all objects, in order.
func (s *Store) Keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.objects))
}

// Create implements objectstore.Store, as all methods below.
func (s *Store) Create(ctx context.Context, key string, o objectstore.Object) error {
	if err := valid(o); err != nil {
		return s.fail(Create, key, nil, err)
	}
	o = clone(o)
	return s.do(ctx, Create, key, func() error {
		if _, ok := s.objects[key]; ok {
			return s.fail(Create, key, objectstore.ErrExists, nil)
		}
		s.keep(key, o)
		return nil
	})
}

func (s *Store) Put(ctx context.Context, key string, o objectstore.Object) error {
	if err := valid(o); err != nil {
		return s.fail(Put, key, nil, err)
	}
	o = clone(o)
	return s.do(ctx, Put, key, func() error { s.keep(key, o); return nil })
}

func (s *Store) keep(key string, o objectstore.Object) {
	s.objects[key] = stored{o, s.now()}
	s.written = append(s.written, key)
}

func (s *Store) Read(ctx context.Context, key string) (o objectstore.Object, err error) {
	err = s.do(ctx, Read, key, func() error {
		found, ok := s.objects[key]
		if !ok {
			return s.fail(Read, key, objectstore.ErrNotFound, nil)
		}
		o = clone(found.Object)
		return nil
	})
	if err != nil {
		return objectstore.Object{}, err
	}
	return o, nil
}

func (s *Store) Head(ctx context.Context, key string) (info objectstore.Info, err error) {
	err = s.do(ctx, Head, key, func() error {
		found, ok := s.objects[key]
		if !ok {
			return s.fail(Head, key, objectstore.ErrNotFound, nil)
		}
		info = found.info(key)
		info.Metadata = maps.Clone(found.Metadata)
		return nil
	})
	if err != nil {
		return objectstore.Info{}, err
	}
	return info, nil
}

func (s *Store) List(ctx context.Context, prefix, after string) (infos []objectstore.Info, more bool, err error) {
	err = s.do(ctx, List, prefix, func() error {
		for _, key := range slices.Sorted(maps.Keys(s.objects)) {
			switch {
			case !strings.HasPrefix(key, prefix) || key <= after:
			case len(infos) == objectstore.Page:
				more = true
				return nil
			default:
				infos = append(infos, s.objects[key].info(key))
			}
		}
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	return infos, more, nil
}

func (s *Store) Delete(ctx context.Context, key string) error {
	return s.do(ctx, Delete, key, func() error {
		if lock := s.objects[key].Lock; lock != nil && s.now().Before(lock(s.now()).Until) {
			return s.fail(Delete, key, objectstore.ErrRefused, errors.New("the object is locked"))
		}
		delete(s.objects, key)
		return nil
	})
}

func (s *Store) Reach(ctx context.Context) error {
	return s.do(ctx, Reach, "", func() error { return nil })
}

func (s *Store) String() string { return "mem://bucket" }

// do runs an operation, or what goes wrong with it.
func (s *Store) do(ctx context.Context, op Op, key string, operate func() error) error {
	if err := validKey(op, key); err != nil {
		return s.fail(op, key, nil, err)
	}
	if err := ctx.Err(); err != nil {
		return s.fail(op, key, nil, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[op]++
	fault := s.fault(op, key)
	switch fault {
	case None:
		return operate()
	case Busy:
		return s.fail(op, key, objectstore.ErrBusy, errors.New("503 SlowDown"))
	case Refused:
		return s.fail(op, key, objectstore.ErrRefused, errors.New("403 AccessDenied"))
	case NoBucket:
		return s.fail(op, key, objectstore.ErrNoBucket, errors.New("404 NoSuchBucket"))
	case Region:
		return s.fail(op, key, objectstore.ErrRegion, errors.New("301 PermanentRedirect"))
	case Conflict:
		if op == Create {
			return s.fail(op, key, objectstore.ErrBusy, errors.New("409 ConditionalRequestConflict"))
		}
		return operate()
	case Lost:
		_ = operate() // Nobody hears the answer.
	case Late:
		if op.Writes() {
			s.late = append(s.late, func() { _ = operate() })
		}
	case Cut:
	default:
		return s.fail(op, key, nil, fmt.Errorf("unknown fault %d", fault))
	}
	return s.fail(op, key, nil, ErrDown)
}

func (s *Store) fail(op Op, key string, kind, cause error) error {
	return objectstore.Fault(&objectstore.Error{Op: string(op), At: s.String() + "/" + key, Kind: kind, Cause: cause}, "the test wants it so")
}

func (o stored) info(key string) objectstore.Info {
	return objectstore.Info{Key: key, Size: int64(len(o.Body)), Modified: o.modified}
}

func clone(o objectstore.Object) objectstore.Object {
	o.Body, o.Metadata = bytes.Clone(o.Body), maps.Clone(o.Metadata)
	return o
}

// mostMetadata is the most that Amazon S3 takes ("User-defined object metadata").
const mostMetadata = 2 << 10

func valid(o objectstore.Object) error {
	size := 0
	for key, value := range o.Metadata {
		size += len(key) + len(value)
		if key == "" || strings.Trim(key, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return fmt.Errorf("the metadata key %q is no name of a header in lower case", key)
		}
		if strings.IndexFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) >= 0 || strings.TrimSpace(value) != value {
			return fmt.Errorf("the metadata value %q cannot be a header", value)
		}
	}
	if size > mostMetadata {
		return fmt.Errorf("the metadata has %d bytes, more than %d", size, mostMetadata)
	}
	return nil
}

// safe are the characters of keys that need no escape anywhere (Amazon S3 User Guide,
// "Naming Amazon S3 objects"), and =, which paths in Hive's layout have.
const safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!_.*'()=-/"

func validKey(op Op, key string) error {
	switch {
	case op == List && key == "", op == Reach, op == List && strings.Trim(key, safe) == "":
		return nil
	case key == "" || len(key) > 700 || strings.Trim(key, safe) != "":
		return fmt.Errorf("the key %q is empty, too long, or has characters that not every store takes", key)
	case op != List && (strings.HasSuffix(key, "/") || strings.HasPrefix(key, "/") || strings.Contains(key, "//") || strings.Contains("/"+key+"/", "/../") || strings.Contains("/"+key+"/", "/./")):
		return fmt.Errorf("the key %q is no path", key)
	}
	return nil
}
