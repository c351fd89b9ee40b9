//go:build integration

package objects_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/internal/azurite"
	"github.com/sluice-siem/sluice/pkg/internal/objectlog"
	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
	"github.com/sluice-siem/sluice/pkg/internal/objectstore/objectstoretest"
	"github.com/sluice-siem/sluice/pkg/internal/s3server"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/azureblob"
	"github.com/sluice-siem/sluice/pkg/sink/s3"
)

var long = flag.Bool("campaign", false, "TestRealServers with 100,000 events, 20 kills and 5 restarts of each server")

// instanceOf makes the test binary an instance of the lane: it holds the endpoint of the
// server.
const instanceOf = "SLUICE_TEST_INSTANCE"

func TestMain(m *testing.M) {
	if endpoint := os.Getenv(instanceOf); endpoint != "" {
		instance(endpoint)
	}
	flag.Parse()
	os.Exit(m.Run())
}

// campaign is how much happens.
type campaign struct{ events, batch, kills, restarts int }

// Two instances of a lane run at once, and are killed; the server is killed, too. Each event
// is there once and in order, and the objects are numbered without a gap.
func TestRealServers(t *testing.T) {
	c := campaign{events: 2_000, batch: 50, kills: 3, restarts: 1}
	if *long {
		c = campaign{events: 100_000, batch: 200, kills: 20, restarts: 5}
	}
	for kind := range s3server.Kinds {
		t.Run(kind, func(t *testing.T) {
			server := s3server.Start(t, kind)
			settings := s3server.Settings(server.Endpoint())
			settings.Prefix = "suite"
			store := objectstore.OpenS3(&settings)
			defer store.Close()
			objectstoretest.Run(t, store)
			c.run(t, "s3", server)
		})
	}
	// Azurite writes down what it knows now and then only, so it is not killed.
	t.Run("azurite", func(t *testing.T) {
		c := c
		c.restarts = 0
		server := runs(azurite.Start(t))
		settings := azurite.Settings(server.Endpoint())
		settings.Prefix = "suite"
		store := objectstore.OpenAzure(&settings)
		defer store.Close()
		objectstoretest.Run(t, store)
		c.run(t, "azure_blob", server)
	})
}

// server is a store that runs.
type server interface {
	Endpoint() string
	Kill() error
	Start() error
}

// runs is the address of a store that is not killed.
type runs string

func (r runs) Endpoint() string { return string(r) }
func (r runs) Kill() error      { return nil }
func (r runs) Start() error     { return nil }

// openStore opens the store of the lane.
func openStore(kind, endpoint string) (objectstore.Store, func()) {
	if kind == "azure_blob" {
		settings := azurite.Settings(endpoint)
		store := objectstore.OpenAzure(&settings)
		return store, store.Close
	}
	settings := s3server.Settings(endpoint)
	store := objectstore.OpenS3(&settings)
	return store, store.Close
}

func openLedger(kind, endpoint string) (opened sink.Ledger, err error) {
	env := sink.Env{Lane: lane, Source: "acme", Log: zerolog.Nop()}
	var s sink.Sink
	if kind == "azure_blob" {
		settings := azureblob.Type.Settings().(*azureblob.Settings)
		settings.Store = azurite.Settings(endpoint)
		s, err = azureblob.Type.Open(context.Background(), env, settings)
	} else {
		settings := s3.Type.Settings().(*s3.Settings)
		settings.Store = s3server.Settings(endpoint)
		s, err = s3.Type.Open(context.Background(), env, settings)
	}
	if err != nil {
		return nil, err
	}
	return s.(sink.Ledger), nil
}

// instance runs the lane until it is killed. It does not wait after errors: the other
// instance should take the lane as often as it can.
func instance(endpoint string) {
	size, _ := strconv.Atoi(os.Getenv(instanceOf + "_BATCH"))
	events, _ := strconv.Atoi(os.Getenv(instanceOf + "_EVENTS"))
	l, err := openLedger(os.Getenv(instanceOf+"_KIND"), endpoint)
	if err != nil {
		panic(err)
	}
	for {
		pos, err := l.Position(context.Background())
		at, _ := strconv.Atoi(string(pos))
		for err == nil && at < events {
			to := min(events, at+1+rand.IntN(2*size))
			err = l.PublishAt(context.Background(), batch(at, to), nil, fmt.Append(nil, to))
			for n := 0; err != nil && !errors.Is(err, sink.ErrMoved) && n < 20; n++ {
				time.Sleep(10 * time.Millisecond)
				err = l.PublishAt(context.Background(), batch(at, to), nil, fmt.Append(nil, to))
			}
			at = to
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// run has two instances of the lane deliver all events.
func (c campaign) run(t *testing.T, kind string, server server) {
	began := time.Now()
	var instances [2]*exec.Cmd
	start := func(i int) {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), instanceOf+"="+server.Endpoint(), instanceOf+"_KIND="+kind,
			fmt.Sprint(instanceOf, "_BATCH=", c.batch), fmt.Sprint(instanceOf, "_EVENTS=", c.events))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		instances[i] = cmd
	}
	kill := func(i int) {
		if err := instances[i].Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = instances[i].Wait() // It was killed.
	}
	start(0)
	start(1)
	defer kill(0)
	defer kill(1)
	look, err := openLedger(kind, server.Endpoint())
	if err != nil {
		t.Fatal(err)
	}
	defer look.Close()
	// Each trouble comes when the lane has come so far.
	for n := 1; n <= c.kills+c.restarts; n++ {
		await(t, look, n*c.events/(c.kills+c.restarts+1))
		if c.restarts > 0 && n%((c.kills+c.restarts)/c.restarts) == 0 {
			if err := errors.Join(server.Kill(), server.Start()); err != nil {
				t.Fatal(err)
			}
			continue
		}
		kill(n % 2)
		start(n % 2)
	}
	await(t, look, c.events)
	t.Logf("%d events in %s", c.events, time.Since(began).Round(time.Second))
	c.verify(t, kind, server)
}

// await returns once the lane's position is so far.
func await(t *testing.T, l sink.Ledger, want int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		pos, _, err := l.Look(t.Context())
		at, _ := strconv.Atoi(string(pos))
		if err == nil && at >= want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the lane is at %d, and not at %d: %v", at, want, err)
		}
	}
}

// verify follows the log, and compares it with what is in the folders of the objects.
func (c campaign) verify(t *testing.T, kind string, server server) {
	ctx := t.Context()
	store, done := openStore(kind, server.Endpoint())
	defer done()
	r := &reading{t: t, store: store}
	var folders []string
	objects, empty, want := 0, 0, 0
	for n := int64(1); ; n++ {
		o, err := store.Read(ctx, objectlog.Folder(lane)+"log/"+objectlog.Number(n)+".json")
		if errors.Is(err, objectstore.ErrNotFound) {
			break
		}
		var e objectlog.Entry
		if err := errors.Join(err, json.Unmarshal(o.Body, &e)); err != nil {
			t.Fatal(err)
		}
		if e.Kind != objectlog.Batch {
			continue
		}
		if objects++; e.Objects != int64(objects) || !strings.Contains(e.Object, objectlog.Number(int64(objects))) {
			t.Fatalf("entry %d names object %d, %s, and it is object %d", n, e.Objects, e.Object, objects)
		}
		if folder := path.Dir(e.Object) + "/"; len(folders) == 0 || folders[len(folders)-1] != folder {
			folders = append(folders, folder)
		}
		lines := r.lines(e.Object)
		if len(lines) == 0 {
			empty++
		}
		for _, line := range lines {
			if got := fmt.Sprintf(`{"n":%d}`, want); string(line) != got {
				t.Fatalf("object %s has %s where %s belongs", e.Object, line, got)
			}
			want++
		}
	}
	if want != c.events {
		t.Errorf("got %d events, want %d", want, c.events)
	}
	if listed := r.count(folders); listed != objects {
		t.Errorf("the folders have %d objects, and the log names %d", listed, objects)
	}
	t.Logf("%d objects, %d of them empty", objects, empty)
}

// reading reads what is in the store.
type reading struct {
	t     *testing.T
	store objectstore.Store
}

func (r *reading) lines(key string) [][]byte {
	r.t.Helper()
	o, err := r.store.Read(r.t.Context(), key)
	if err != nil {
		r.t.Fatal(err)
	}
	return bytes.Fields(decompress(r.t, o.Body))
}

func (r *reading) count(folders []string) (n int) {
	for _, folder := range folders {
		for after := ""; ; {
			infos, more, err := r.store.List(r.t.Context(), folder, after)
			if err != nil {
				r.t.Fatal(err)
			}
			n += len(infos)
			if !more {
				break
			}
			after = infos[len(infos)-1].Key
		}
	}
	return n
}
