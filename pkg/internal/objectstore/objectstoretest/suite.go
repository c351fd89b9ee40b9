package objectstoretest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
)

// Run checks what a store promises. store is empty, and Run leaves objects in it.
func Run(t *testing.T, store objectstore.Store) {
	t.Helper()
	ctx := t.Context()
	if err := store.Reach(ctx); err != nil {
		t.Fatalf("Reach: %v", err)
	}
	body := func(text string) objectstore.Object {
		return objectstore.Object{Body: []byte(text), Type: "application/json", Metadata: map[string]string{"sluice-owner": text}}
	}
	t.Run("an object is created once", func(t *testing.T) {
		if err := store.Create(ctx, "once/0001.json", body("first")); err != nil {
			t.Fatal(err)
		}
		if err := store.Create(ctx, "once/0001.json", body("second")); !errors.Is(err, objectstore.ErrExists) {
			t.Errorf("got %v, want ErrExists", err)
		}
		got, err := store.Read(ctx, "once/0001.json")
		if diff := cmp.Diff(body("first"), got); err != nil || diff != "" {
			t.Errorf("got %v (-want +got):\n%s", err, diff)
		}
	})
	t.Run("of many who create it at once one succeeds", func(t *testing.T) {
		var won atomic.Int32
		var group sync.WaitGroup
		for i := range 16 {
			group.Go(func() {
				for {
					err := store.Create(ctx, "race/0001.json", body(fmt.Sprint(i)))
					switch {
					case err == nil:
						won.Add(1)
					case errors.Is(err, objectstore.ErrBusy): // 409 ConditionalRequestConflict
						continue
					case !errors.Is(err, objectstore.ErrExists):
						t.Error(err)
					}
					return
				}
			})
		}
		group.Wait()
		if won.Load() != 1 {
			t.Errorf("%d creations succeeded, want 1", won.Load())
		}
	})
	t.Run("an object is replaced", func(t *testing.T) {
		for _, text := range []string{"first", "second"} {
			if err := store.Put(ctx, "put/hint.json", body(text)); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := store.Read(ctx, "put/hint.json"); err != nil || string(got.Body) != "second" {
			t.Errorf("got %q, %v, want second", got.Body, err)
		}
	})
	t.Run("an empty object", func(t *testing.T) {
		if err := store.Create(ctx, "empty/0001", objectstore.Object{Type: "application/gzip"}); err != nil {
			t.Fatal(err)
		}
		if got, err := store.Head(ctx, "empty/0001"); err != nil || got.Size != 0 {
			t.Errorf("got %+v, %v, want no bytes", got, err)
		}
	})
	t.Run("what is known of an object", func(t *testing.T) {
		if err := store.Create(ctx, "known/organization=acme/o'clock_(1)!.json", body("text")); err != nil {
			t.Fatal(err)
		}
		got, err := store.Head(ctx, "known/organization=acme/o'clock_(1)!.json")
		if err != nil || got.Key != "known/organization=acme/o'clock_(1)!.json" || got.Size != 4 || got.Modified.IsZero() || got.Metadata["sluice-owner"] != "text" {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	t.Run("an object that is not there", func(t *testing.T) {
		if _, err := store.Read(ctx, "known/nothing"); !errors.Is(err, objectstore.ErrNotFound) {
			t.Errorf("Read: got %v, want ErrNotFound", err)
		}
		if _, err := store.Head(ctx, "known/nothing"); !errors.Is(err, objectstore.ErrNotFound) {
			t.Errorf("Head: got %v, want ErrNotFound", err)
		}
		if err := store.Delete(ctx, "known/nothing"); err != nil {
			t.Errorf("Delete: got %v, want none", err)
		}
	})
	t.Run("a deleted object is gone, and can be created", func(t *testing.T) {
		for range 2 {
			if err := store.Create(ctx, "gone/0001.json", body("text")); err != nil {
				t.Fatal(err)
			}
			if err := store.Delete(ctx, "gone/0001.json"); err != nil {
				t.Fatal(err)
			}
			if _, err := store.Head(ctx, "gone/0001.json"); !errors.Is(err, objectstore.ErrNotFound) {
				t.Errorf("got %v, want ErrNotFound", err)
			}
		}
	})
	t.Run("keys are listed in order", func(t *testing.T) { list(t, store) })
}

func list(t *testing.T, store objectstore.Store) {
	ctx := t.Context()
	for _, key := range []string{"list/b/0002", "list/b/0010", "list/a", "list/b/0001", "list/b-c/0001", "list/c"} {
		if err := store.Create(ctx, key, objectstore.Object{Body: []byte(key)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct{ prefix, after, want string }{
		{"list/b/", "", "list/b/0001 list/b/0002 list/b/0010"},
		{"list/b/", "list/b/0001", "list/b/0002 list/b/0010"},
		{"list/b/", "list/b/0009", "list/b/0010"},
		{"list/b/", "list/b/0010", ""},
		{"list/none/", "", ""},
	} {
		infos, more, err := store.List(ctx, tt.prefix, tt.after)
		var keys []string
		for _, info := range infos {
			keys = append(keys, info.Key)
			if info.Size != int64(len(info.Key)) || info.Modified.IsZero() {
				t.Errorf("%s: got size %d and time %v", info.Key, info.Size, info.Modified)
			}
		}
		if got := strings.Join(keys, " "); got != tt.want || more || err != nil {
			t.Errorf("List(%q, %q): got %s, %v, %v, want %s", tt.prefix, tt.after, got, more, err, tt.want)
		}
	}
}
