package objects_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/internal/objectstore/objectstoretest"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/s3"
)

const lane = "acme/archive"

// rig is a store over HTTP, and settings for it.
type rig struct {
	store    *objectstoretest.Store
	settings *s3.Settings
}

func newRig(t testing.TB) *rig {
	t.Helper()
	store := objectstoretest.New()
	server := httptest.NewServer(objectstoretest.Server{Store: store})
	t.Cleanup(server.Close)
	s := s3.Type.Settings().(*s3.Settings)
	s.Store.Bucket, s.Store.Prefix, s.Store.Region = objectstoretest.BucketName, "audit", objectstoretest.BucketRegion
	s.Store.Endpoint, s.Store.PathStyle = server.URL, true
	s.Store.AccessKeyID, s.Store.SecretAccessKey = setting.NewSecret(objectstoretest.KeyID), setting.NewSecret(objectstoretest.Secret)
	return &rig{store, s}
}

func (r *rig) open(t testing.TB) sink.Sink {
	return r.openEnv(t, sink.Env{Lane: lane, Source: "acme", Log: zerolog.Nop()})
}

func (r *rig) openEnv(t testing.TB, env sink.Env) sink.Sink {
	t.Helper()
	opened, err := s3.Type.Open(t.Context(), env, r.settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
	})
	return opened
}

// objects are the keys of objects with records, in order, and their bodies.
func (r *rig) objects(t testing.TB) (keys []string, bodies [][]byte) {
	t.Helper()
	for _, key := range r.store.Keys() {
		if !strings.Contains(key, "/_sluice") {
			keys = append(keys, key)
			bodies = append(bodies, r.body(t, key))
		}
	}
	return keys, bodies
}

func (r *rig) body(t testing.TB, key string) []byte {
	t.Helper()
	o, err := r.store.Read(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(key, ".gz") {
		return o.Body
	}
	return decompress(t, o.Body)
}

func decompress(t testing.TB, body []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// received are the records of all objects, in the order in which the objects were written.
func (r *rig) received(t testing.TB) [][]byte {
	t.Helper()
	var all [][]byte
	seen := map[string]bool{}
	for _, key := range r.store.Written() {
		if strings.Contains(key, "/_sluice") || seen[key] {
			continue
		}
		seen[key] = true
		for line := range bytes.Lines(r.body(t, key)) {
			all = append(all, bytes.TrimSuffix(line, []byte("\n")))
		}
	}
	return all
}

// breaks has every write fail until the rig is repaired: some before and some after they
// took place.
func (r *rig) breaks() {
	n := 0
	r.store.Interfere(func(op objectstoretest.Op, _ string) objectstoretest.Fault {
		if !op.Writes() {
			return objectstoretest.None
		}
		n++
		return []objectstoretest.Fault{objectstoretest.Busy, objectstoretest.Cut, objectstoretest.Lost}[n%3]
	})
}

func (r *rig) repair() { r.store.Interfere(nil) }

// record is a record of an organization.
func record(n int) sink.Record {
	return sink.Record{
		ID: fmt.Sprintf("evt_%d", n), Organization: "acme", Action: "branch.created", Format: "ecs", MediaType: "application/json",
		Time: time.Date(2026, 11, 30, 12, 0, n, 0, time.UTC), Object: true, Body: fmt.Appendf(nil, `{"n":%d}`, n),
	}
}

func batch(from, to int) []sink.Record {
	var all []sink.Record
	for n := from; n < to; n++ {
		all = append(all, record(n))
	}
	return all
}
