package objectstoretest_test

import (
	"errors"
	"testing"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
	"github.com/sluice-siem/sluice/pkg/internal/objectstore/objectstoretest"
)

func TestStore(t *testing.T) { objectstoretest.Run(t, objectstoretest.New()) }

// Whether a request whose answer did not come took place is the whole difficulty.
func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		fault        objectstoretest.Fault
		kind         error
		now, arrived bool // is the object there at once, and once what is late arrived?
	}{
		{objectstoretest.None, nil, true, true},
		{objectstoretest.Lost, objectstoretest.ErrDown, true, true},
		{objectstoretest.Cut, objectstoretest.ErrDown, false, false},
		{objectstoretest.Late, objectstoretest.ErrDown, false, true},
		{objectstoretest.Busy, objectstore.ErrBusy, false, false},
		{objectstoretest.Conflict, objectstore.ErrBusy, false, false},
		{objectstoretest.Refused, objectstore.ErrRefused, false, false},
		{objectstoretest.NoBucket, objectstore.ErrNoBucket, false, false},
		{objectstoretest.Region, objectstore.ErrRegion, false, false},
	} {
		store := objectstoretest.New()
		store.Interfere(func(objectstoretest.Op, string) objectstoretest.Fault { return tt.fault })
		err := store.Create(t.Context(), "a/b", objectstore.Object{})
		if !errors.Is(err, tt.kind) {
			t.Errorf("fault %d: got %v, want %v", tt.fault, err, tt.kind)
		}
		if got, want := failure.IsRefused(err), tt.kind == objectstore.ErrRefused; got != want {
			t.Errorf("fault %d: refused: got %v, want %v", tt.fault, got, want)
		}
		if got := len(store.Keys()) == 1; got != tt.now {
			t.Errorf("fault %d: the object is there: %v, want %v", tt.fault, got, tt.now)
		}
		for store.Late() > 0 {
			store.Arrive(0)
		}
		if got := len(store.Keys()) == 1; got != tt.arrived {
			t.Errorf("fault %d: the object is there in the end: %v, want %v", tt.fault, got, tt.arrived)
		}
	}
}

// A Create that arrives late finds what was created meanwhile.
func TestALateCreateReplacesNothing(t *testing.T) {
	store := objectstoretest.New()
	fault := objectstoretest.Late
	store.Interfere(func(objectstoretest.Op, string) objectstoretest.Fault { return fault })
	_ = store.Create(t.Context(), "a/b", objectstore.Object{Body: []byte("late")})
	fault = objectstoretest.None
	if err := store.Create(t.Context(), "a/b", objectstore.Object{Body: []byte("first")}); err != nil {
		t.Fatal(err)
	}
	store.Arrive(0)
	if got, err := store.Read(t.Context(), "a/b"); err != nil || string(got.Body) != "first" {
		t.Errorf("got %q, %v, want the first", got.Body, err)
	}
}
