// Package objects writes records as objects to an object store. It is all of the sinks s3,
// gcs and azure_blob but how their stores are found and asked.
//
// # Guarantee
//
// With delivery: exactly_once, the default, the records of an object, the dead letters and
// the lane's position are committed by the creation of that object (see package objectlog):
// whoever lists the bucket sees each event once. Objects of a lane are numbered without a
// gap, in the order of delivery. Two instances of a lane fence each other off, without
// Kafka. The store must refuse to create a key that exists; the sink finds out before it
// writes a record, and never falls back to less.
//
// With delivery: at_least_once, for stores that cannot, an object that is sent again is
// written again. Its key follows from the ids of its events, so the same batch replaces
// itself, but after a crash a batch may be cut elsewhere.
//
// # An object
//
// An object has one record a line, compressed with gzip. Its key is
//
//	organization=acme/date=2026-12-01/hour=14/acme.siem-000000000042-1f3a9c04.ndjson.gz
//
// below the prefix: the organization of its events, the hour of delivery in UTC, the lane, the number of the object, and the beginning
// of the SHA-256 of the ids. What is not a-z, A-Z, 0-9, - or _ in a name is written as ! and
// two hexadecimal digits. An object without records has the number of a batch that was given
// up; it is a valid gzip file of no bytes.
//
// The hour is when the object's number was given to it, by the clock of the instance, and
// never before that of an object with a lower number. So an hour of a lane is complete once
// an object of a later hour is there, or the log has an entry of a later hour.
//
// What is sent beside the lane, as replays are, has an id of its run in place of the number:
// the object of another run is never taken for its own.
//
// Its metadata is a contract, too. All values are ASCII.
//
//	sluice-lane        such as acme.siem
//	sluice-count       number of records
//	sluice-first-id    id of the first event; a long one is cut, a strange one escaped as in a URL
//	sluice-last-id     of the last
//	sluice-first-time  the earliest time of an event, RFC 3339 in UTC
//	sluice-last-time   the latest
//	sluice-format      such as ecs
//	sluice-sha256      of the records, before compression
//	sluice-commit      id of the commit, with exactly_once
package objects

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/objectlog"
	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// Bucket is a store with what the settings say about objects.
type Bucket struct {
	Options
	Store       objectstore.Store
	Close       func()                                 // ends idle connections
	Class       string                                 // storage class; empty: that of the bucket
	Lock        func(sent time.Time) *objectstore.Lock // nil: that of the bucket
	Destination string                                 // where the objects go, for people
	Warnings    []string                               // what weakens security
}

// bucket is what all deliveries share.
type bucket struct {
	of     Bucket
	lane   string
	run    string // part of names beside the lane: who replays once more means other records
	proven bool   // the store honours the condition of a creation
}

// Open returns the sink of a lane.
func Open(env sink.Env, of Bucket) sink.Sink {
	b := &bucket{of: of, lane: env.Lane}
	if env.Again {
		b.run = strings.ToLower(rand.Text()[:10]) + "-"
	}
	for _, warning := range of.Warnings {
		env.Log.Warn().Msg(warning)
	}
	log := objectlog.New(env.Lane, objectlog.Settings{Store: of.Store, Confirm: env.Confirm, Log: env.Log})
	switch {
	case env.Again:
		return b
	case of.Delivery == ExactlyOnce:
		return &exact{bucket: b, ledger: log}
	}
	return &plain{bucket: b, ledger: log}
}

// Limits returns the largest batch.
func (b *bucket) Limits() sink.Limits {
	return sink.Limits{
		Records: 50_000,
		Bytes:   int(b.of.MaxObjectBytes),
		Timeout: objectstore.RequestTimeout * 2,
		Linger:  b.of.FlushInterval.Std(),
	}
}

// Publish writes an object of its own, which no log knows of, with the records that can be
// lines. Its key follows from the ids of its events.
func (b *bucket) Publish(ctx context.Context, batch []sink.Record) error {
	bad := unfit(batch)
	if err := b.publish(ctx, fitting(batch, bad)); err != nil {
		return fmt.Errorf("publishing to %s: %w", b.of.Store, err)
	}
	if bad != nil {
		return bad
	}
	return nil
}

func (b *bucket) publish(ctx context.Context, batch []sink.Record) error {
	if len(batch) == 0 {
		return nil
	}
	p := b.pack(batch)
	o, err := p.object()
	if err != nil {
		return err
	}
	key := p.key(time.Now().UTC(), b.run+p.digest[:32])
	if b.of.Delivery == AtLeastOnce {
		return b.of.Store.Put(ctx, key, o)
	}
	return b.create(ctx, key, o)
}

// create writes an object that may be there from an earlier attempt, with the same records.
// The second creation must fail: it shows that the store honours the condition.
func (b *bucket) create(ctx context.Context, key string, o objectstore.Object) error {
	err := b.of.Store.Create(ctx, key, o)
	if err == nil && !b.proven {
		err = b.of.Store.Create(ctx, key, o)
		if err == nil {
			return objectlog.Ignored(b.of.Store, key)
		}
	}
	if errors.Is(err, objectstore.ErrExists) {
		b.proven = true
		return nil
	}
	return err
}

// Close ends idle connections. A request that runs ends with its context.
func (b *bucket) Close() error {
	b.of.Close()
	return nil
}

// Check asks for what the sink needs and can ask for without a write.
func (b *bucket) Check(ctx context.Context) (string, error) {
	if err := b.of.Store.Reach(ctx); err != nil {
		return "", err
	}
	return b.of.Destination + " can be listed; whether it may be written shows with the first object, or --send-test", nil
}
