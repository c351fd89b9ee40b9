package pause

import (
	"context"
	"errors"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/objectlog"
	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
)

// bucket is a folder of an object store with markers.
type bucket struct {
	store objectstore.Store
	end   func() // closes the store
}

// markers is the folder.
const markers = "pauses/"

// NewBucket returns the markers in an object store, which Close closes with end.
func NewBucket(store objectstore.Store, end func()) *Shared { return newShared(&bucket{store, end}) }

func (b *bucket) prepare(context.Context) error { return nil }

func (b *bucket) check(context.Context) (missing string, err error) { return "", nil }

// values lists the folder, and reads the markers in it: mostly there are none.
func (b *bucket) values(ctx context.Context) (map[string][]byte, error) {
	values := map[string][]byte{}
	for after, more := "", true; more; {
		var infos []objectstore.Info
		var err error
		if infos, more, err = b.store.List(ctx, markers, after); err != nil {
			return nil, err
		}
		for _, info := range infos {
			after = info.Key
			o, err := b.store.Read(ctx, info.Key)
			if errors.Is(err, objectstore.ErrNotFound) {
				continue // The lane was resumed just then.
			}
			if err != nil {
				return nil, err
			}
			values[info.Key] = o.Body
		}
	}
	return values, nil
}

func (b *bucket) key(lane string) string { return markers + objectlog.LaneName(lane) + ".json" }

func (b *bucket) put(ctx context.Context, lane string, data []byte) error {
	if data == nil {
		return b.store.Delete(ctx, b.key(lane))
	}
	return b.store.Put(ctx, b.key(lane), objectstore.Object{Body: data, Type: "application/json"})
}

// age weighs how soon a pause takes effect against the requests that each replica makes.
func (b *bucket) age() time.Duration { return 10 * time.Second }

func (b *bucket) close() { b.end() }
