package objectlog_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/internal/objectlog"
	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
	"github.com/sluice-siem/sluice/pkg/internal/objectstore/objectstoretest"
	"github.com/sluice-siem/sluice/pkg/sink"
)

func open(store objectstore.Store) *objectlog.Log {
	return objectlog.New(lane, objectlog.Settings{Store: store})
}

func take(t *testing.T, l *objectlog.Log, want string) {
	t.Helper()
	if got, err := l.Take(t.Context()); err != nil || string(got) != want {
		t.Fatalf("Take: got %q, %v, want %q", got, err, want)
	}
}

func commit(l *objectlog.Log, from, to int) error {
	return l.Commit(context.Background(), fmt.Sprint(from, to), records(from, to), nil, fmt.Append(nil, to))
}

// careless is a store that ignores the condition, as some do.
type careless struct{ *objectstoretest.Store }

func (c careless) Create(ctx context.Context, key string, o objectstore.Object) error {
	return c.Store.Put(ctx, key, o)
}

func TestAStoreThatIgnoresTheConditionIsRefused(t *testing.T) {
	_, err := open(careless{objectstoretest.New()}).Take(t.Context())
	if err == nil || failure.Class(err) != "destination" || !strings.Contains(failure.Hint(err), "at_least_once") {
		t.Errorf("got %v with hint %q, want a refusal", err, failure.Hint(err))
	}
}

// What a lane costs: two requests that write for a batch, one for a position.
func TestRequestsOfACommit(t *testing.T) {
	store := objectstoretest.New()
	l := open(store)
	take(t, l, "")
	before := store.Asked(objectstoretest.Create)
	for n := range 3 {
		if err := commit(l, n, n+1); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Commit(t.Context(), "idle", nil, nil, []byte("3")); err != nil {
		t.Fatal(err)
	}
	if got, want := store.Asked(objectstoretest.Create)-before, 3*2+1; got != want {
		t.Errorf("got %d creations, want %d", got, want)
	}
	if got := store.Asked(objectstoretest.Head) + store.Asked(objectstoretest.Read) + store.Asked(objectstoretest.Put); got != 0 {
		t.Errorf("got %d other requests, want none", got)
	}
}

func TestAFencedInstancePauses(t *testing.T) {
	store := objectstoretest.New()
	first, second := open(store), open(store)
	take(t, first, "")
	take(t, second, "")
	err := commit(first, 0, 1)
	if failure.Class(err) != "fenced" || failure.RetryAfter(err) < time.Minute || failure.Hint(err) == "" {
		t.Fatalf("got %v of class %q after %v, want to be fenced, with a pause of a minute and a hint", err, failure.Class(err), failure.RetryAfter(err))
	}
	if err := commit(first, 0, 1); !errors.Is(err, sink.ErrMoved) {
		t.Errorf("got %v, want ErrMoved", err)
	}
}

// Of replicas that share lanes, the one that lost a lane asks at once who owns it.
func TestAFencedReplicaDoesNotPause(t *testing.T) {
	store := objectstoretest.New()
	owned := error(nil)
	first := objectlog.New(lane, objectlog.Settings{Store: store, Confirm: func(context.Context) error { return owned }})
	take(t, first, "")
	take(t, open(store), "")
	if err := commit(first, 0, 1); !errors.Is(err, sink.ErrMoved) {
		t.Errorf("got %v, want ErrMoved", err)
	}
	owned = errors.New("another replica owns it")
	if _, err := first.Take(t.Context()); !errors.Is(err, owned) {
		t.Errorf("got %v, want %v", err, owned)
	}
}

// set chooses a position, whatever was there.
func set(pos string) func([]byte) ([]byte, error) {
	return func([]byte) ([]byte, error) { return []byte(pos), nil }
}

func TestASetPositionIsFoundAtOnce(t *testing.T) {
	store := objectstoretest.New()
	l := open(store)
	take(t, l, "")
	if err := open(store).Set(t.Context(), set("5")); err != nil {
		t.Fatal(err)
	}
	if err := commit(l, 0, 1); !errors.Is(err, sink.ErrMoved) {
		t.Errorf("got %v, want ErrMoved", err)
	}
	take(t, l, "5")
}

func TestReleaseHandsThePositionOver(t *testing.T) {
	store := objectstoretest.New()
	l := open(store)
	kept := ""
	keep := func(pos []byte) error { kept = string(pos); return nil }
	if err := l.Release(t.Context(), keep); err != nil || kept != "" || len(store.Keys()) > 0 {
		t.Fatalf("without a position: got %q, %v, and %d objects", kept, err, len(store.Keys()))
	}
	take(t, l, "")
	if err := commit(l, 0, 2); err != nil {
		t.Fatal(err)
	}
	if err := open(store).Release(t.Context(), func([]byte) error { return errDead }); !errors.Is(err, errDead) {
		t.Fatalf("got %v, want what keep returned", err)
	}
	if err := open(store).Release(t.Context(), keep); err != nil || kept != "2" {
		t.Errorf("got %q, %v, want 2", kept, err)
	}
	take(t, l, "")
}

// A log of years is found with few requests, also if a rule of the bucket deleted its
// beginning.
func TestALongLogIsFoundInFewRequests(t *testing.T) {
	for _, first := range []int64{1, 3_456} {
		store := objectstoretest.New()
		const last = 6_000
		entry := `{"version":1,"lane":"acme/siem","number":6000,"kind":"take","commit":"x","saved":"2026-12-01T00:00:00Z","objects":7,"position":9}`
		for n := first; n <= last; n++ {
			if err := store.Create(t.Context(), objectlog.Folder(lane)+"log/"+objectlog.Number(n)+".json", objectstore.Object{Body: []byte(entry)}); err != nil {
				t.Fatal(err)
			}
		}
		e, err := open(store).Look(t.Context())
		if err != nil || e.Number != last || string(e.Position) != "9" {
			t.Errorf("got %+v, %v", e, err)
		}
		if got := store.Asked(objectstoretest.List); got > 25 {
			t.Errorf("got %d requests for the last of %d entries, want at most 25", got, last-first+1)
		}
	}
}

func TestAnEntryOfAnotherIsRefused(t *testing.T) {
	for name, body := range map[string]string{
		"another lane":    `{"version":1,"lane":"acme/other","number":1,"kind":"take","commit":"x","saved":"2026-12-01T00:00:00Z","objects":0}`,
		"another number":  `{"version":1,"lane":"acme/siem","number":2,"kind":"take","commit":"x","saved":"2026-12-01T00:00:00Z","objects":0}`,
		"another version": `{"version":2,"lane":"acme/siem","number":1,"kind":"take","commit":"x","saved":"2026-12-01T00:00:00Z","objects":0}`,
		"no commit":       `{"version":1,"lane":"acme/siem","number":1,"kind":"take","commit":"","saved":"2026-12-01T00:00:00Z","objects":0}`,
		"no object":       `{"version":1,"lane":"acme/siem","number":1,"kind":"batch","commit":"x","saved":"2026-12-01T00:00:00Z","objects":1}`,
		"a key twice":     `{"version":1,"lane":"acme/siem","number":1,"kind":"take","commit":"x","saved":"2026-12-01T00:00:00Z","objects":0,"objects":0}`,
		"no JSON":         `x`,
	} {
		store := objectstoretest.New()
		if err := store.Create(t.Context(), objectlog.Folder(lane)+"log/"+objectlog.Number(1)+".json", objectstore.Object{Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
		if _, err := open(store).Take(t.Context()); err == nil || failure.Class(err) != "destination" || failure.Hint(err) == "" {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// No name of a lane reaches the folder of another, and every key is one that all stores
// take.
func TestNamesOfLanesAreApart(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{"a/b.c", "a.b/c", "a/b", "a!2Eb/c", "a//b", "../x", "a/..", "日本/x", "a/b\n", "A/b", "a b/c"} {
		key := objectlog.Folder(name)
		if other, ok := seen[key]; ok {
			t.Errorf("%q and %q are both in %s", name, other, key)
		}
		seen[key] = name
		if err := objectstoretest.New().Create(t.Context(), key+"x", objectstore.Object{}); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if strings.Count(key, "/") != 2 {
			t.Errorf("%q is in %s, want a folder of its own under the root", name, key)
		}
	}
}

// dataKey is the key of the only object with records.
func dataKey(t *testing.T, store *objectstoretest.Store) string {
	t.Helper()
	for _, key := range store.Keys() {
		if strings.HasPrefix(key, "data/") {
			return key
		}
	}
	t.Fatal("no object of records")
	return ""
}

// A loader may take objects away once it has loaded them. After a clean stop this may be the
// newest, too.
func TestTheNewestObjectMayGoAfterClose(t *testing.T) {
	store := objectstoretest.New()
	l := open(store)
	take(t, l, "")
	if err := commit(l, 0, 2); err != nil {
		t.Fatal(err)
	}
	l.Close()
	l.Close()
	if err := store.Delete(t.Context(), dataKey(t, store)); err != nil {
		t.Fatal(err)
	}
	take(t, open(store), "2")
}

// Close writes only what is certain.
func TestCloseKeepsNoOpenBatch(t *testing.T) {
	store := objectstoretest.New()
	l := open(store)
	take(t, l, "")
	store.Interfere(func(_ objectstoretest.Op, key string) objectstoretest.Fault {
		if strings.HasPrefix(key, "data/") {
			return objectstoretest.Cut
		}
		return objectstoretest.None
	})
	if err := commit(l, 0, 2); err == nil {
		t.Fatal("committed without an object")
	}
	store.Interfere(nil)
	l.Close()
	take(t, open(store), "")
}

// An object that lost its metadata, or that another wrote, decides nothing. The lane stops,
// nothing is changed, and a person can set the position.
func TestAnObjectThatSaysNothingStopsTheLane(t *testing.T) {
	store := objectstoretest.New()
	l := open(store)
	take(t, l, "")
	if err := commit(l, 0, 2); err != nil {
		t.Fatal(err)
	}
	o, err := store.Read(t.Context(), dataKey(t, store))
	if err != nil {
		t.Fatal(err)
	}
	o.Metadata = nil
	if err := store.Put(t.Context(), dataKey(t, store), o); err != nil {
		t.Fatal(err)
	}
	before := len(store.Written())
	pos, err := open(store).Take(t.Context())
	if err == nil || failure.Class(err) != "destination" || !strings.Contains(failure.Hint(err), "checkpoint set -c FILE --to TIME "+lane) {
		t.Errorf("got %q, %v with hint %q, want that a person decides", pos, err, failure.Hint(err))
	}
	if got := store.Written()[before:]; len(got) > 0 {
		t.Errorf("wrote %v", got)
	}
	if err := open(store).Set(t.Context(), set("2")); err != nil {
		t.Fatal(err)
	}
	take(t, open(store), "2")
}

func TestAForeignObjectIsNoOtherInstance(t *testing.T) {
	store := objectstoretest.New()
	l := open(store)
	take(t, l, "")
	if err := store.Put(t.Context(), records(0, 2).Key(1, time.Time{}), objectstore.Object{Body: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := commit(l, 0, 2); failure.Class(err) != "destination" || failure.Hint(err) == "" {
			t.Errorf("got %v of class %s with hint %q, want that a person decides", err, failure.Class(err), failure.Hint(err))
		}
	}
	if err := open(store).Set(t.Context(), set("0")); err != nil {
		t.Fatal(err)
	}
	if err := commit(l, 0, 2); !errors.Is(err, sink.ErrMoved) {
		t.Fatalf("got %v, want ErrMoved", err)
	}
	take(t, l, "0")
	if err := commit(l, 0, 2); err != nil {
		t.Error(err)
	}
}

// A person can go on where a rule of the bucket deleted what the position was in.
func TestAnEntryThatIsGoneStopsTheLane(t *testing.T) {
	store := objectstoretest.New()
	l := open(store)
	take(t, l, "")
	store.Interfere(func(_ objectstoretest.Op, key string) objectstoretest.Fault {
		if strings.HasPrefix(key, "data/") {
			return objectstoretest.Cut
		}
		return objectstoretest.None
	})
	if err := commit(l, 0, 2); err == nil {
		t.Fatal("committed without an object")
	}
	store.Interfere(nil)
	if err := store.Delete(t.Context(), objectlog.Folder(lane)+"log/"+objectlog.Number(1)+".json"); err != nil {
		t.Fatal(err)
	}
	if _, err := open(store).Take(t.Context()); failure.Class(err) != "destination" || !strings.Contains(failure.Hint(err), "checkpoint set") {
		t.Errorf("got %v with the hint %q", err, failure.Hint(err))
	}
	if err := open(store).Set(t.Context(), set("1")); err != nil {
		t.Fatal(err)
	}
	if err := commit(l, 0, 2); failure.Class(err) == "" && !errors.Is(err, sink.ErrMoved) {
		t.Errorf("got %v, want that the batch was given up", err)
	}
	take(t, open(store), "1")
}

// stale is a store that does not list what is newest.
type stale struct{ *objectstoretest.Store }

func (s stale) List(ctx context.Context, prefix, after string) ([]objectstore.Info, bool, error) {
	infos, more, err := s.Store.List(ctx, prefix, after)
	return infos[:max(0, len(infos)-1)], more, err
}

func TestAStoreThatListsTooLittleIsNotAskedForEver(t *testing.T) {
	store := objectstoretest.New()
	l := open(store)
	take(t, l, "")
	for n := range 3 {
		if err := commit(l, n, n+1); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := open(stale{store}).Take(t.Context()); err == nil || failure.Hint(err) == "" {
		t.Errorf("got %v with hint %q, want an error", err, failure.Hint(err))
	}
	if got := store.Asked(objectstoretest.List); got > 10 {
		t.Errorf("asked for %d lists", got)
	}
}

func TestAForeignObjectInTheLogIsNamed(t *testing.T) {
	store := objectstoretest.New()
	if err := store.Put(t.Context(), objectlog.Folder(lane)+"log/notes.txt", objectstore.Object{}); err != nil {
		t.Fatal(err)
	}
	if _, err := open(store).Take(t.Context()); failure.Class(err) != "destination" || failure.Hint(err) == "" || !strings.Contains(err.Error(), "notes.txt") {
		t.Errorf("got %v with hint %q", err, failure.Hint(err))
	}
}

// An instance whose clock is behind gives no object an earlier time than the one before it.
func TestTimesOfALogGoForward(t *testing.T) {
	store := objectstoretest.New()
	ahead := time.Now().UTC().Add(time.Hour).Truncate(time.Second)
	entry := fmt.Sprintf(`{"version":1,"lane":"acme/siem","number":1,"kind":"take","commit":"x","saved":%q,"objects":0}`, ahead.Format(time.RFC3339))
	if err := store.Create(t.Context(), objectlog.Folder(lane)+"log/"+objectlog.Number(1)+".json", objectstore.Object{Body: []byte(entry)}); err != nil {
		t.Fatal(err)
	}
	l := open(store)
	take(t, l, "")
	r := records(0, 2)
	key, got := r.Key, time.Time{}
	r.Key = func(m int64, at time.Time) string { got = at; return key(m, at) }
	if err := l.Commit(t.Context(), "batch", r, nil, []byte("2")); err != nil || !got.Equal(ahead) {
		t.Errorf("got %v, %v, want %v", got, err, ahead)
	}
}

// Dead letters stay, also when the object beside them has expired or was moved.
func TestDeadLettersOutliveTheirObject(t *testing.T) {
	store := objectstoretest.New()
	l := open(store)
	take(t, l, "")
	if err := l.Commit(t.Context(), "batch", records(2, 5), rejects(2, 5), []byte("5")); err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := store.Delete(t.Context(), dataKey(t, store)); err != nil {
		t.Fatal(err)
	}
	for r, err := range open(store).Rejects(t.Context()) {
		if err != nil || r.Record.ID != "3" {
			t.Errorf("got %v, %v", r.Record.ID, err)
		}
		return
	}
	t.Error("the dead letter is gone")
}

func TestALargePositionIsKept(t *testing.T) {
	store := objectstoretest.New()
	l := open(store)
	take(t, l, "")
	pos := `{"a":"` + strings.Repeat("<&> ", 768<<8) + `"}` // JSON would escape all of it
	if err := l.Commit(t.Context(), "big", records(0, 1), nil, []byte(pos)); err != nil {
		t.Fatal(err)
	}
	take(t, open(store), pos)
}
