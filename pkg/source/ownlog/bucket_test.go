package ownlog_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/objectstore/objectstoretest"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
)

func bucketLog(t *testing.T, store *objectstoretest.Store) *ownlog.Bucket {
	t.Helper()
	b := ownlog.NewBucket(store, func() {})
	if err := b.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

// Several processes append at once while requests fail. Each line is there once, and the
// lines of one process are in their order.
func TestABucketHasEachLineOnce(t *testing.T) {
	const writers, lines = 3, 40
	store := objectstoretest.New()
	logs := [writers]*ownlog.Bucket{}
	for i := range logs {
		logs[i] = bucketLog(t, store)
	}
	var mu sync.Mutex
	chance := rand.New(rand.NewPCG(1, 2))
	store.Interfere(func(objectstoretest.Op, string) objectstoretest.Fault {
		mu.Lock()
		defer mu.Unlock()
		if chance.IntN(4) > 0 {
			return objectstoretest.None
		}
		return []objectstoretest.Fault{objectstoretest.Lost, objectstoretest.Cut, objectstoretest.Busy}[chance.IntN(3)]
	})
	var all sync.WaitGroup
	for w, log := range logs {
		all.Go(func() {
			for n := range lines {
				text := fmt.Appendf(nil, `{"id":"%d-%d"}`, w, n)
				for log.Append(t.Context(), text) != nil {
				}
			}
		})
	}
	all.Wait()
	store.Interfere(nil)
	p, err := bucketLog(t, store).Read(t.Context(), 1, 1<<20)
	if err != nil || p.Gone || len(p.Lines) != writers*lines {
		t.Fatalf("got %d lines, gone %t, %v", len(p.Lines), p.Gone, err)
	}
	var next [writers]int
	for i, l := range p.Lines {
		var w, n int
		if _, err := fmt.Sscanf(string(l.Text), `{"id":"%d-%d"}`, &w, &n); err != nil {
			t.Fatal(err)
		}
		if l.Number != int64(i+1) || n != next[w] {
			t.Errorf("line %d has number %d and is %s", i+1, l.Number, l.Text)
		}
		next[w]++
	}
}

func TestABucketIsBoundedAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := objectstoretest.New()
		log, reader := bucketLog(t, store), bucketLog(t, store)
		if b, err := reader.Bounds(t.Context()); err != nil || b.First != 1 || b.Next != 1 || b.Log == "" || b.Log != log.Log() {
			t.Errorf("empty: %+v, %v", b, err)
		}
		const lines = 10_100
		for n := range lines {
			if err := log.Append(t.Context(), fmt.Appendf(nil, `{"n":%d}`, n)); err != nil {
				t.Fatal(err)
			}
		}
		b, err := bucketLog(t, store).Bounds(t.Context())
		if err != nil || b.First != 101 || b.Next != lines+1 {
			t.Errorf("full: %+v, %v", b, err)
		}
		if b, _ := reader.Bounds(t.Context()); b.Next != 1 {
			t.Errorf("another process asks each time: %+v", b)
		}
		time.Sleep(10 * time.Second)
		if b, err := reader.Bounds(t.Context()); err != nil || b.Next != lines+1 {
			t.Errorf("after ten seconds: %+v, %v", b, err)
		}
		p, err := reader.Read(t.Context(), 50, 10)
		if err != nil || !p.Gone || len(p.Lines) != 1 || p.Lines[0].Number != 101 {
			t.Errorf("got %+v, %v", p, err)
		}
		if p, err = reader.Read(t.Context(), lines, 1<<20); err != nil || p.Gone || len(p.Lines) != 1 {
			t.Errorf("the last line: %+v, %v", p, err)
		}
	})
}
