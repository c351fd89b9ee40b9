package pause_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
	"github.com/sluice-siem/sluice/pkg/internal/objectstore/objectstoretest"
	"github.com/sluice-siem/sluice/pkg/pause"
)

func TestMarkersInABucket(t *testing.T) {
	store := objectstoretest.New()
	command, replica := pause.NewBucket(store, func() {}), pause.NewBucket(store, func() {})
	defer command.Close()
	defer replica.Close()
	ctx := within(t)
	want := func(want *pause.Marker) {
		t.Helper()
		got, err := replica.Known(ctx, marker.Lane, time.Now())
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v, -want +got:\n%s", err, diff)
		}
	}
	want(nil)
	if err := command.Pause(ctx, marker); err != nil {
		t.Fatal(err)
	}
	want(&marker)
	before := store.Asked(objectstoretest.List)
	for range 10 { // lanes that run
		if m, err := replica.Known(ctx, "acme/other", time.Now().Add(-replica.Age())); m != nil || err != nil {
			t.Errorf("got %+v, %v", m, err)
		}
	}
	if asked := store.Asked(objectstoretest.List) - before; asked != 0 {
		t.Errorf("asked the store %d times for what is known", asked)
	}
	for _, was := range []bool{true, false} {
		if got, err := command.Resume(ctx, marker.Lane); got != was || err != nil {
			t.Errorf("resumed: %t, %v, want %t", got, err, was)
		}
	}
	want(nil)
	if err := store.Put(ctx, "pauses/acme.siem.json", objectstore.Object{Body: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	if m, err := replica.Known(ctx, marker.Lane, time.Now()); err != nil || m == nil || m.Err == nil {
		t.Errorf("a marker that cannot be used: %+v, %v", m, err)
	}
}
