// Package s3 writes records as objects to Amazon S3, or to a store that speaks its
// language. Package objects says what it guarantees, and what an object is.
package s3

import (
	"context"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/internal/objects"
)

func open(_ context.Context, env sink.Env, s Settings) (sink.Sink, error) {
	store := objectstore.OpenS3(&s.Store)
	b := objects.Bucket{
		Options: s.Options, Store: store, Close: store.Close, Class: s.StorageClass,
		Destination: s.Destination(), Warnings: s.Store.Warnings(),
	}
	if lock := s.ObjectLock; lock != nil {
		b.Lock = func(now time.Time) *objectstore.Lock {
			return &objectstore.Lock{Mode: lock.Mode, Until: now.Add(lock.Retention.Std())}
		}
	}
	return objects.Open(env, b), nil
}

// ReadBack implements sink.Readable.
func (s *Settings) ReadBack(ctx context.Context, lanes []sink.Env, access sink.Access, each func(sink.Stored) error) error {
	store := objectstore.OpenS3(&s.Store)
	defer store.Close()
	return objects.ReadBack(ctx, store, lanes, access, each)
}
