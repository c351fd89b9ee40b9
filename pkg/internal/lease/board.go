package lease

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// board is what the replicas write for each other. One goroutine reads and renews; the other
// methods may be called concurrently.
type board struct {
	store  objectstore.Store
	root   string
	number int64                  // of the last renewal
	leases map[string]leaseObject // by key: what was read, which never changes
	seen   map[string]sighting    // by id: the other replicas
}

// member is the object of a replica.
type member struct {
	Name    string   `json:"name"`
	Number  int64    `json:"number"`
	Sources []string `json:"sources"`
}

// leaseObject is the object of an epoch.
type leaseObject struct {
	Epoch  int64  `json:"epoch"`
	Holder string `json:"holder,omitempty"` // id of the replica; empty: the source was given back
	Name   string `json:"name,omitempty"`   // of the replica, for people
}

// sighting is when another replica was last seen with another number than before.
type sighting struct {
	member
	at   time.Time
	gone bool // its object is not there; only a lease names it
}

// view is what the board said at a time.
type view struct {
	at      time.Time              // after it was read
	leases  map[string]leaseObject // the newest of each source
	older   map[string][]int64     // other epochs by source
	members map[string]sighting    // by id; without this replica
}

// alive reports whether a replica may still run what it holds.
func (v *view) alive(id string, lease time.Duration) bool {
	s, ok := v.members[id]
	return ok && v.at.Sub(s.at) < lease
}

func newBoard(store objectstore.Store, root string) board {
	return board{
		store: store, root: root, leases: map[string]leaseObject{}, seen: map[string]sighting{},
	}
}

func (b *board) memberKey(id string) string { return b.root + "/members/" + id + ".json" }

func (b *board) leasesOf(source string) string { return b.root + "/leases/" + source + "/" }

func (b *board) leaseKey(source string, epoch int64) string {
	return fmt.Sprintf("%s%012d.json", b.leasesOf(source), epoch)
}

// sourceOf returns the source and the epoch of a lease's key. ok is false for another key.
func (b *board) sourceOf(key string) (source string, epoch int64, ok bool) {
	rest, ok := strings.CutPrefix(key, b.root+"/leases/")
	if !ok {
		return "", 0, false
	}
	source, file, ok := strings.Cut(rest, "/")
	if !ok {
		return "", 0, false
	}
	epoch, err := strconv.ParseInt(strings.TrimSuffix(file, ".json"), 10, 64)
	return source, epoch, err == nil && b.leaseKey(source, epoch) == key
}

func object(v any) objectstore.Object {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // Names and numbers always can be encoded.
	}
	return objectstore.Object{Body: append(body, '\n'), Type: "application/json"}
}

func (b *board) renew(ctx context.Context, id, name string, sources []string) error {
	b.number++
	return b.store.Put(ctx, b.memberKey(id), object(member{name, b.number, sources}))
}

func (b *board) remove(ctx context.Context, id string) error {
	return b.store.Delete(ctx, b.memberKey(id))
}

func (b *board) create(ctx context.Context, source string, epoch int64, holder, name string) error {
	return b.store.Create(ctx, b.leaseKey(source, epoch), object(leaseObject{epoch, holder, name}))
}

// newest returns the newest epoch of a source, 0 if there is none.
func (b *board) newest(ctx context.Context, source string) (newest int64, err error) {
	for info, err := range list(ctx, b.store, b.leasesOf(source)) {
		if err != nil {
			return 0, err
		}
		if _, epoch, ok := b.sourceOf(info.Key); ok {
			newest = max(newest, epoch)
		}
	}
	return newest, nil
}

// list returns all objects under a prefix.
func list(ctx context.Context, store objectstore.Store, prefix string) iter.Seq2[objectstore.Info, error] {
	return func(yield func(objectstore.Info, error) bool) {
		after, more := "", true
		for more {
			var infos []objectstore.Info
			var err error
			if infos, more, err = store.List(ctx, prefix, after); err != nil {
				yield(objectstore.Info{}, err)
				return
			}
			for _, info := range infos {
				if !yield(info, nil) {
					return
				}
				after = info.Key
			}
		}
	}
}

// errChanged says that the board changed while it was read. It can be read again at once.
var errChanged = errors.New("the leases changed while they were read")

// read reads the board for a replica: a list of all objects, those of the other replicas, and
// those of leases that are new.
func (b *board) read(ctx context.Context, me string) (view, error) {
	v := view{leases: map[string]leaseObject{}, older: map[string][]int64{}}
	newest := map[string]int64{}
	var ids []string
	for info, err := range list(ctx, b.store, b.root+"/") {
		if err != nil {
			return view{}, err
		}
		if source, epoch, ok := b.sourceOf(info.Key); ok {
			if last, known := newest[source]; known {
				v.older[source] = append(v.older[source], min(last, epoch))
			}
			newest[source] = max(newest[source], epoch)
		}
		if id, ok := b.idOf(info.Key); ok && id != me {
			ids = append(ids, id)
		}
	}
	if err := b.readLeases(ctx, newest, v.leases); err != nil {
		return view{}, err
	}
	if err := b.readMembers(ctx, me, ids, v.leases); err != nil {
		return view{}, err
	}
	v.at, v.members = time.Now(), b.seen
	return v, nil
}

// idOf returns the id of the replica whose object has that key.
func (b *board) idOf(key string) (id string, ok bool) {
	id, ok = strings.CutPrefix(key, b.root+"/members/")
	id, of := strings.CutSuffix(id, ".json")
	return id, ok && of
}

func (b *board) readLeases(ctx context.Context, newest map[string]int64, into map[string]leaseObject) error {
	known := map[string]leaseObject{}
	for source, epoch := range newest {
		key := b.leaseKey(source, epoch)
		found, ok := b.leases[key]
		if !ok {
			err := b.readObject(ctx, key, &found)
			if errors.Is(err, objectstore.ErrNotFound) {
				return errChanged // There is a newer one, whose holder deleted this one.
			}
			if err != nil {
				return err
			}
			found.Epoch = epoch
		}
		known[key], into[source] = found, found
	}
	b.leases = known
	return nil
}

// readMembers notes which of the other replicas have another number. One that only a lease
// names counts from when the lease was first seen.
func (b *board) readMembers(ctx context.Context, me string, ids []string, leases map[string]leaseObject) error {
	seen := map[string]sighting{}
	for _, id := range ids {
		var m member
		err := b.readObject(ctx, b.memberKey(id), &m)
		if errors.Is(err, objectstore.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		s, ok := b.seen[id]
		if !ok || s.Number != m.Number || s.gone {
			s.at = time.Now()
		}
		s.member, s.gone = m, false
		seen[id] = s
	}
	for _, lease := range leases {
		if _, there := seen[lease.Holder]; there || lease.Holder == "" || lease.Holder == me {
			continue
		}
		s, ok := b.seen[lease.Holder]
		if !ok {
			s.at = time.Now()
		}
		s.gone = true
		seen[lease.Holder] = s
	}
	b.seen = seen
	return nil
}

// readObject reads an object. One that cannot be decoded is an error that names it.
func (b *board) readObject(ctx context.Context, key string, into any) error {
	o, err := b.store.Read(ctx, key)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(o.Body, into); err != nil {
		return sink.Destination(fmt.Errorf("object %s in %s is not one of Sluice: %w", key, b.store, err),
			"delete the object: who holds the source takes it anew")
	}
	return nil
}

// tidy deletes the older leases of sources that this replica holds, and the objects of
// replicas that it did not see for that long.
func (b *board) tidy(ctx context.Context, v view, held map[string]int64, age time.Duration) error {
	for source := range held {
		for _, epoch := range v.older[source] {
			if err := b.store.Delete(ctx, b.leaseKey(source, epoch)); err != nil {
				return err
			}
		}
	}
	for id, s := range v.members {
		if !s.gone && v.at.Sub(s.at) >= age {
			if err := b.remove(ctx, id); err != nil {
				return err
			}
		}
	}
	return nil
}
