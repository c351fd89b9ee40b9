package objectlog_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/internal/objectlog"
	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
	"github.com/sluice-siem/sluice/pkg/internal/objectstore/objectstoretest"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// The model runs several instances of a lane, and a person, against one store. All of them
// stop before each request, and the test draws who goes on and what goes wrong: a request
// that is cut off, whose answer is lost, or that arrives when its sender is long gone; or an
// instance that dies there and is started again.

const lane = "acme/siem"

// events is the number of events in the lane's source. Event n is rejected if n%5 is 3.
const events = 9

func rejected(n int) bool { return n%5 == 3 }

// world is a run.
type world struct {
	store *objectstoretest.Store
	fate  objectstoretest.Fault // of the next request
	all   []*instance
	wrong error
}

// instance is a process that stops before each request.
type instance struct {
	world *world
	name  string
	size  int // events in a batch
	work  func(*instance)
	yield func(string) bool
	dead  bool
	done  bool // its work is over
	next  func() (string, bool)
	stop  func()
	step  string // the request it stopped before
}

var errDead = errors.New("this instance is dead")

func (i *instance) start() {
	i.dead, i.done = false, false
	i.next, i.stop = iter.Pull(func(yield func(string) bool) {
		i.yield = yield
		i.work(i)
	})
	i.goOn()
}

// goOn lets the instance send its request, and run until the next.
func (i *instance) goOn() {
	step, more := i.next()
	i.step, i.done = step, !more
}

func (i *instance) crash() {
	i.dead = true
	i.stop()
	i.start()
}

// gate is the store as an instance sees it.
type gate struct {
	*objectstoretest.Store
	i *instance
}

func (g gate) wait(op objectstoretest.Op, key string) error {
	if g.i.dead || !g.i.yield(string(op)+" "+key) {
		g.i.dead = true
		return errDead
	}
	return nil
}

func (g gate) Create(ctx context.Context, key string, o objectstore.Object) error {
	if err := g.wait(objectstoretest.Create, key); err != nil {
		return err
	}
	return g.Store.Create(ctx, key, o)
}

func (g gate) Put(ctx context.Context, key string, o objectstore.Object) error {
	if err := g.wait(objectstoretest.Put, key); err != nil {
		return err
	}
	return g.Store.Put(ctx, key, o)
}

func (g gate) Read(ctx context.Context, key string) (objectstore.Object, error) {
	if err := g.wait(objectstoretest.Read, key); err != nil {
		return objectstore.Object{}, err
	}
	return g.Store.Read(ctx, key)
}

func (g gate) Head(ctx context.Context, key string) (objectstore.Info, error) {
	if err := g.wait(objectstoretest.Head, key); err != nil {
		return objectstore.Info{}, err
	}
	return g.Store.Head(ctx, key)
}

func (g gate) List(ctx context.Context, prefix, after string) ([]objectstore.Info, bool, error) {
	if err := g.wait(objectstoretest.List, prefix); err != nil {
		return nil, false, err
	}
	return g.Store.List(ctx, prefix, after)
}

// deliver runs the lane as the pipeline would, until all events are delivered.
func deliver(i *instance) {
	log := objectlog.New(lane, objectlog.Settings{Store: gate{i.world.store, i}})
	for !i.dead {
		pos, err := log.Take(context.Background())
		if err != nil {
			continue
		}
		for at := place(pos); at < events; {
			to := min(at+i.size, events)
			err := log.Commit(context.Background(), fmt.Sprint(at, "-", to), records(at, to), rejects(at, to), []byte(strconv.Itoa(to)))
			switch {
			case i.dead:
				return
			case err == nil:
				i.world.acknowledged(i, to)
				at = to
				continue
			case errors.Is(err, sink.ErrMoved):
			default:
				continue
			}
			break
		}
		if p, err := log.Look(context.Background()); err == nil && place(p.Position) == events {
			log.Close()
			return
		}
	}
}

// choose is a person who sets the position.
func choose(i *instance) {
	log := objectlog.New(lane, objectlog.Settings{Store: gate{i.world.store, i}})
	for !i.dead && log.Set(context.Background(), set("2")) != nil {
	}
}

func place(pos []byte) int {
	if pos == nil {
		return 0
	}
	at, err := strconv.Atoi(string(pos))
	if err != nil {
		panic(err)
	}
	return at
}

func records(from, to int) *objectlog.Records {
	var body bytes.Buffer
	for n := from; n < to; n++ {
		if !rejected(n) {
			fmt.Fprintln(&body, n)
		}
	}
	if body.Len() == 0 {
		return nil
	}
	return &objectlog.Records{
		Key: func(m int64, _ time.Time) string {
			return fmt.Sprintf("data/%s-%s-%d.ndjson", objectlog.LaneName(lane), objectlog.Number(m), from)
		},
		Write: func() (objectstore.Object, error) { return objectstore.Object{Body: body.Bytes()}, nil },
	}
}

func rejects(from, to int) []sink.Reject {
	var all []sink.Reject
	for n := from; n < to; n++ {
		if rejected(n) {
			all = append(all, sink.Reject{Record: sink.Record{ID: strconv.Itoa(n)}, Reason: "refused"})
		}
	}
	return all
}

// acknowledged checks that what an instance believes to be committed is.
func (w *world) acknowledged(i *instance, to int) {
	fate := w.fate
	w.fate = objectstoretest.None
	defer func() { w.fate = fate }()
	at, err := w.read()
	switch {
	case w.wrong != nil:
	case err != nil:
		w.wrong = err
	case !slices.Contains(at, to):
		w.wrong = fmt.Errorf("%s was told that %d is committed, but the log has %v", i.name, to, at)
	}
}

// read follows the log from its beginning, and returns all positions that count.
func (w *world) read() (positions []int, err error) {
	ctx, at, objects := context.Background(), 0, int64(0)
	for n := int64(1); ; n++ {
		o, err := w.store.Read(ctx, objectlog.Folder(lane)+"log/"+objectlog.Number(n)+".json")
		if errors.Is(err, objectstore.ErrNotFound) {
			return positions, nil
		}
		var e objectlog.Entry
		if err := errors.Join(err, json.Unmarshal(o.Body, &e)); err != nil {
			return nil, err
		}
		if e.Kind == objectlog.Batch {
			objects++
		}
		to := place(e.Position)
		switch counts := w.counts(e); {
		case e.Objects != objects:
			return nil, fmt.Errorf("entry %d says that there are %d objects, not %d", n, e.Objects, objects)
		case e.Kind == objectlog.Take && to != at:
			return nil, fmt.Errorf("entry %d took the lane at %d, and it was at %d", n, to, at)
		case e.Kind == objectlog.Batch && counts && w.body(e.Object) != body(at, to):
			return nil, fmt.Errorf("entry %d goes from %d to %d with %q", n, at, to, w.body(e.Object))
		case e.Kind == objectlog.Position && body(at, to) != "":
			return nil, fmt.Errorf("entry %d goes from %d to %d without records", n, at, to)
		case counts:
			at = to
			positions = append(positions, at)
		}
	}
}

func (w *world) counts(e objectlog.Entry) bool {
	if e.Kind != objectlog.Batch {
		return true
	}
	info, err := w.store.Head(context.Background(), e.Object)
	return err == nil && info.Metadata["sluice-commit"] == e.Commit
}

func (w *world) body(key string) string {
	o, err := w.store.Read(context.Background(), key)
	if err != nil {
		return err.Error()
	}
	return string(o.Body)
}

func body(from, to int) string {
	var text strings.Builder
	for n := from; n < to; n++ {
		if !rejected(n) {
			fmt.Fprintln(&text, n)
		}
	}
	return text.String()
}

// visible is what somebody finds who lists the objects of records and reads them in order.
func (w *world) visible() string {
	var text strings.Builder
	for _, key := range w.store.Keys() {
		if strings.HasPrefix(key, "data/") {
			text.WriteString(w.body(key))
		}
	}
	return text.String()
}

func newWorld(t *rapid.T, person bool) *world {
	w := &world{store: objectstoretest.New()}
	w.store.Interfere(func(objectstoretest.Op, string) objectstoretest.Fault { return w.fate })
	for n := range rapid.IntRange(2, 3).Draw(t, "instances") {
		w.all = append(w.all, &instance{world: w, name: fmt.Sprint("instance ", n), size: rapid.IntRange(1, 4).Draw(t, "events of a batch"), work: deliver})
	}
	if person {
		w.all = append(w.all, &instance{world: w, name: "person", work: choose})
	}
	for _, i := range w.all {
		i.start()
	}
	return w
}

// run draws steps, and then lets everything end that is under way.
func (w *world) run(t *rapid.T) {
	fates := append([]objectstoretest.Fault{objectstoretest.None, objectstoretest.None, objectstoretest.None, objectstoretest.None}, objectstoretest.Faults...)
	for range rapid.IntRange(0, 150).Draw(t, "steps") {
		i := rapid.SampledFrom(w.all).Draw(t, "who")
		switch act := rapid.IntRange(0, 19).Draw(t, "act"); {
		case act == 0 && !i.done:
			t.Log(i.name, "dies before", i.step)
			i.crash()
		case act <= 2 && w.store.Late() > 0:
			n := rapid.IntRange(0, w.store.Late()-1).Draw(t, "late")
			t.Log("late request", n, "arrives")
			w.store.Arrive(n)
		case !i.done:
			w.fate = rapid.SampledFrom(fates).Draw(t, "fate")
			t.Log(i.name, i.step, "fate", w.fate)
			i.goOn()
		}
	}
	w.fate = objectstoretest.None
	for _, i := range slices.Backward(w.all) { // the person first
		if i.done {
			i.start() // perhaps before the person set the position
		}
		for n := 0; !i.done; n++ {
			if n > 2000 {
				t.Fatalf("%s does not come to an end", i.name)
			}
			t.Log(i.name, i.step)
			i.goOn()
		}
	}
	for w.store.Late() > 0 {
		w.store.Arrive(rapid.IntRange(0, w.store.Late()-1).Draw(t, "late"))
	}
}

func (w *world) check(t *rapid.T) {
	positions, err := w.read()
	switch {
	case w.wrong != nil:
		t.Fatal(w.wrong)
	case err != nil:
		t.Fatal(err)
	case len(positions) == 0 || positions[len(positions)-1] != events:
		t.Fatalf("the lane went through %v, and not to the end", positions)
	}
}

func stop(w *world) {
	for _, i := range w.all {
		i.dead = true
		i.stop()
	}
}

// Every event is visible once and in order, and so is every dead letter, whatever happens.
func TestEveryEventIsCommittedOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, false)
		defer stop(w)
		w.run(t)
		w.check(t)
		if got, want := w.visible(), body(0, events); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		var letters []string
		for r, err := range objectlog.New(lane, objectlog.Settings{Store: w.store}).Rejects(context.Background()) {
			if err != nil {
				t.Fatal(err)
			}
			letters = append(letters, r.Record.ID)
		}
		if got, want := fmt.Sprint(letters), "[3 8]"; got != want {
			t.Fatalf("got dead letters %s, want %s", got, want)
		}
	})
}

// If a person sets the position, each batch still begins where the one before it ended, or
// where the person said.
func TestAPositionThatAPersonSetsIsOneMoreEntry(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, true)
		defer stop(w)
		w.run(t)
		w.check(t)
	})
}
