package checkpoint_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/checkpoint"
	"github.com/sluice-siem/sluice/pkg/internal/objectstore/objectstoretest"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// inStore returns the positions of a process in a store.
func inStore(t *testing.T, store *objectstoretest.Store, confirm func(context.Context) error) *checkpoint.Bucket {
	t.Helper()
	b := checkpoint.NewBucket(store, func() {}, func(string) func(context.Context) error { return confirm }, zerolog.Nop())
	t.Cleanup(b.Close)
	return b
}

func wantIn(t *testing.T, b *checkpoint.Bucket, lane, want string) {
	t.Helper()
	pos, _, err := b.Look(t.Context(), lane)
	if err != nil || string(pos) != want {
		t.Errorf("lane %s: got %s and %v, want %s", lane, pos, err, want)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A replica that lost a lane without noticing it moves no position, and buries nothing.
func TestABucketFencesWhoLostALane(t *testing.T) {
	store := objectstoretest.New()
	mine := func(context.Context) error { return nil }
	one, two := inStore(t, store, mine), inStore(t, store, mine)
	ctx, lane := t.Context(), "acme/siem"
	if pos, err := one.Load(ctx, lane); pos != nil || err != nil {
		t.Errorf("got %s and %v, want no position", pos, err)
	}
	must(t, one.Save(ctx, lane, source.Position(`{"n":1}`)))
	pos, err := two.Load(ctx, lane)
	if err != nil || string(pos) != `{"n":1}` {
		t.Errorf("got %s and %v", pos, err)
	}
	must(t, two.Save(ctx, lane, source.Position(`{"n":2}`)))
	if err := one.Save(ctx, lane, source.Position(`{"n":3}`)); !errors.Is(err, sink.ErrMoved) {
		t.Errorf("got %v, want %v", err, sink.ErrMoved)
	}
	if err := one.Put(ctx, lane, []sink.Reject{{Reason: "bad"}}); !errors.Is(err, sink.ErrMoved) {
		t.Errorf("got %v, want %v", err, sink.ErrMoved)
	}
	wantIn(t, one, lane, `{"n":2}`)
	for r, err := range one.Rejects(ctx, lane) {
		t.Errorf("buried %+v, %v", r, err)
	}
	refused := errors.New("another replica owns the lane")
	if _, err := inStore(t, store, func(context.Context) error { return refused }).Load(ctx, lane); !errors.Is(err, refused) {
		t.Errorf("got %v, want %v", err, refused)
	}
	must(t, two.Save(ctx, lane, source.Position(`{"n":4}`))) // It was not taken.
}

// A Save whose answer was lost is made once.
func TestABucketSavesAgainAfterALostAnswer(t *testing.T) {
	for _, fault := range objectstoretest.Faults {
		store := objectstoretest.New()
		b := inStore(t, store, nil)
		ctx, lane := t.Context(), "acme/siem"
		_, err := b.Load(ctx, lane)
		must(t, err)
		once := true
		store.Interfere(func(op objectstoretest.Op, _ string) objectstoretest.Fault {
			if op == objectstoretest.Create && once {
				once = false
				return fault
			}
			return objectstoretest.None
		})
		pos := source.Position(`{"n":1}`)
		if err := b.Save(ctx, lane, pos); err == nil {
			t.Errorf("fault %d: the first attempt succeeded", fault)
		}
		for store.Late() > 0 {
			store.Arrive(0)
		}
		if err := b.Save(ctx, lane, pos); err != nil {
			t.Errorf("fault %d: %v", fault, err)
		}
		wantIn(t, b, lane, string(pos))
	}
}

func TestABucketKeepsDeadLetters(t *testing.T) {
	b := inStore(t, objectstoretest.New(), nil)
	ctx, lane := t.Context(), "acme/siem"
	_, err := b.Load(ctx, lane)
	must(t, err)
	if err := b.Put(ctx, lane, []sink.Reject{{Reason: "bad"}}); err == nil {
		t.Error("dead letters were kept without a position")
	}
	must(t, b.Save(ctx, lane, source.Position(`{"n":1}`)))
	must(t, b.Put(ctx, lane, []sink.Reject{{Record: sink.Record{ID: "a"}, Reason: "bad"}, {Record: sink.Record{ID: "b"}, Reason: "worse"}}))
	must(t, b.Put(ctx, lane, nil))
	var got []string
	for r, err := range b.Rejects(ctx, lane) {
		must(t, err)
		got = append(got, r.Record.ID+" "+r.Reason)
	}
	if diff := cmp.Diff([]string{"a bad", "b worse"}, got); diff != "" {
		t.Error(diff)
	}
	wantIn(t, b, lane, `{"n":1}`)
	found, err := b.Traces(ctx, lane)
	if err != nil || !found.Proof {
		t.Errorf("got %+v, %v", found, err)
	}
}

func TestABucketRenamesForgetsAndLists(t *testing.T) {
	store := objectstoretest.New()
	b, command := inStore(t, store, nil), inStore(t, store, nil)
	ctx := t.Context()
	for _, lane := range []string{"acme/siem", "acme.eu/siem", "other/x"} {
		_, err := b.Load(ctx, lane)
		must(t, err)
		must(t, b.Save(ctx, lane, source.Position(`{"of":"`+lane+`"}`)))
	}
	must(t, command.Rename(ctx, "acme/siem", "acme/new"))
	wantIn(t, b, "acme/new", `{"of":"acme/siem"}`)
	wantIn(t, b, "acme/siem", "")
	if err := b.Save(ctx, "acme/siem", source.Position(`{}`)); err == nil {
		t.Error("an instance that runs the former lane was not fenced")
	}
	if err := command.Rename(ctx, "acme/siem", "acme/more"); !errors.Is(err, checkpoint.ErrNone) {
		t.Errorf("got %v, want %v", err, checkpoint.ErrNone)
	}
	if err := command.Rename(ctx, "acme.eu/siem", "acme/new"); err == nil {
		t.Error("a position was replaced")
	}
	must(t, command.Set(ctx, "other/x", func([]byte) ([]byte, error) { return []byte(`{"set":true}`), nil }))
	if err := b.Save(ctx, "other/x", source.Position(`{}`)); !errors.Is(err, sink.ErrMoved) {
		t.Errorf("got %v, want %v", err, sink.ErrMoved)
	}
	must(t, b.Forget(ctx, "acme.eu/siem"))
	if holds, err := b.Holds(ctx, "acme.eu/siem"); holds || err != nil {
		t.Errorf("still there: %t, %v", holds, err)
	}
	all, err := command.Lanes(ctx)
	must(t, err)
	var names []string
	for _, c := range all {
		names = append(names, c.Lane)
	}
	if slices.Sort(names); !slices.Equal(names, []string{"acme/new", "other/x"}) {
		t.Errorf("got %q", names)
	}
	found, err := inStore(t, store, nil).Traces(ctx, "acme/fresh")
	if err != nil || found.Proof || found.Found == "" {
		t.Errorf("got %+v, %v", found, err)
	}
}

// What check asks writes nothing.
func TestCheckOfABucketWritesNothing(t *testing.T) {
	store := objectstoretest.New()
	if text, err := inStore(t, store, nil).Check(t.Context(), "acme/siem"); err != nil || text == "" {
		t.Errorf("got %q, %v", text, err)
	}
	if keys := store.Written(); len(keys) > 0 {
		t.Errorf("wrote %q", keys)
	}
}
