package objects_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/internal/objectstore/objectstoretest"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/internal/objects"
	"github.com/sluice-siem/sluice/pkg/sink/s3"
)

func take(t *testing.T, s sink.Sink, want string) sink.Ledger {
	t.Helper()
	l := s.(sink.Ledger)
	if got, err := l.Position(t.Context()); err != nil || string(got) != want {
		t.Fatalf("Position: got %q, %v, want %q", got, err, want)
	}
	return l
}

func commit(t *testing.T, l sink.Ledger, records []sink.Record, pos string) {
	t.Helper()
	if err := l.PublishAt(t.Context(), records, nil, []byte(pos)); err != nil {
		t.Fatal(err)
	}
}

func TestAnObject(t *testing.T) {
	r := newRig(t)
	r.settings.StorageClass = "STANDARD_IA"
	r.settings.ObjectLock = &s3.ObjectLock{Mode: "COMPLIANCE", Retention: setting.Duration(48 * time.Hour)}
	l := take(t, r.open(t), "")
	commit(t, l, []sink.Record{record(7), record(2), record(5)}, "1")
	keys, bodies := r.objects(t)
	if len(keys) != 1 {
		t.Fatalf("got objects %v, want one", keys)
	}
	form := regexp.MustCompile(`^audit/organization=acme/date=\d{4}-\d\d-\d\d/hour=\d\d/acme\.archive-000000000001-[0-9a-f]{8}\.ndjson\.gz$`)
	if !form.MatchString(keys[0]) {
		t.Errorf("got key %s", keys[0])
	}
	if got, want := string(bodies[0]), "{\"n\":7}\n{\"n\":2}\n{\"n\":5}\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	o, err := r.store.Read(t.Context(), keys[0])
	if err != nil {
		t.Fatal(err)
	}
	if o.Metadata["sluice-commit"] == "" {
		t.Error("the object does not name its commit")
	}
	delete(o.Metadata, "sluice-commit")
	want := map[string]string{
		"sluice-lane": "acme.archive", "sluice-count": "3", "sluice-first-id": "evt_7", "sluice-last-id": "evt_5", "sluice-format": "ecs",
		"sluice-first-time": "2026-11-30T12:00:02Z", "sluice-last-time": "2026-11-30T12:00:07Z",
	}
	if len(o.Metadata["sluice-sha256"]) != 64 {
		t.Errorf("got checksum %q", o.Metadata["sluice-sha256"])
	}
	want["sluice-sha256"] = o.Metadata["sluice-sha256"]
	if diff := cmp.Diff(want, o.Metadata); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
	if o.Lock == nil {
		t.Fatal("the object is not locked")
	}
	lock := o.Lock(time.Now())
	if o.Class != "STANDARD_IA" || lock.Mode != "COMPLIANCE" || time.Until(lock.Until).Round(time.Hour) != 48*time.Hour || o.Type != "application/gzip" {
		t.Errorf("got class %s, lock %+v, type %s", o.Class, lock, o.Type)
	}
	for _, key := range r.store.Keys() {
		if o, err := r.store.Read(t.Context(), key); strings.Contains(key, "_sluice") && (err != nil || o.Lock != nil || o.Class != "") {
			t.Errorf("%s: got class %q, locked %t, %v; only records have these", key, o.Class, o.Lock != nil, err)
		}
	}
}

func TestKeys(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*s3.Settings, []sink.Record)
		want   string // a part of the key
	}{
		{"a hostile organization", func(_ *s3.Settings, b []sink.Record) {
			b[0].Organization, b[1].Organization = "../a b/日", "../a b/日"
		}, "/organization=!2E!2E!2Fa!20b!2F!E6!97!A5/"},
		{"no organization", func(_ *s3.Settings, b []sink.Record) { b[0].Organization, b[1].Organization = "", "" }, "/organization=_none/"},
		{"several organizations", func(_ *s3.Settings, b []sink.Record) { b[1].Organization = "globex" }, "/organization=_several/"},
		{"a long organization", func(_ *s3.Settings, b []sink.Record) {
			b[0].Organization, b[1].Organization = strings.Repeat("x", 2000), strings.Repeat("x", 2000)
		}, "/organization=" + strings.Repeat("x", 128) + "-"},
		{"no compression", func(s *s3.Settings, _ []sink.Record) { s.Compression = "none" }, ".ndjson"},
		{"a format that is not JSON", func(_ *s3.Settings, b []sink.Record) { b[0].MediaType = "text/plain" }, ".log.gz"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			records := batch(0, 2)
			tt.change(r.settings, records)
			commit(t, take(t, r.open(t), ""), records, "1")
			keys, bodies := r.objects(t)
			if len(keys) != 1 || !strings.Contains(keys[0], tt.want) || string(bodies[0]) != "{\"n\":0}\n{\"n\":1}\n" {
				t.Errorf("got %v with %q, want %s", keys, bodies, tt.want)
			}
		})
	}
}

// Any text can be an id: it must not break the request, nor fill the metadata.
func TestHostileIDs(t *testing.T) {
	r := newRig(t)
	records := batch(0, 2)
	records[0].ID, records[1].ID = "a\r\nX-Amz-Acl: public-read", strings.Repeat("é", 5000)
	commit(t, take(t, r.open(t), ""), records, "1")
	keys, _ := r.objects(t)
	o, err := r.store.Read(t.Context(), keys[0])
	if err != nil || o.Metadata["sluice-first-id"] != "a%0D%0AX-Amz-Acl%3A+public-read" || len(o.Metadata["sluice-last-id"]) > 128 {
		t.Errorf("got %v, %v", o.Metadata, err)
	}
}

// Lanes share a bucket, whatever their names.
func TestLanesAreApart(t *testing.T) {
	r := newRig(t)
	for i, name := range []string{"a/b.c", "a.b/c"} {
		l := take(t, r.openEnv(t, sink.Env{Lane: name, Log: zerolog.Nop()}), "")
		commit(t, l, batch(i, i+1), fmt.Sprint(i))
	}
	for i, name := range []string{"a/b.c", "a.b/c"} {
		take(t, r.openEnv(t, sink.Env{Lane: name, Log: zerolog.Nop()}), fmt.Sprint(i))
	}
	if keys, _ := r.objects(t); len(keys) != 2 {
		t.Errorf("got %v, want an object of each lane", keys)
	}
}

// careless is a server that ignores the condition, as some stores do.
func careless(t *testing.T, r *rig) {
	inner := objectstoretest.Server{Store: r.store}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodPut {
			w.Header().Set("ETag", `"1"`)
			w.WriteHeader(http.StatusOK)
			return
		}
		inner.ServeHTTP(w, req)
	}))
	t.Cleanup(server.Close)
	r.settings.Store.Endpoint = server.URL
}

// A store that cannot create if absent is never used with less than was asked for.
func TestACarelessStoreIsRefused(t *testing.T) {
	r := newRig(t)
	careless(t, r)
	refused := func(what string, err error) {
		t.Helper()
		if err == nil || failure.Class(err) != "destination" || !strings.Contains(failure.Hint(err), "at_least_once") {
			t.Errorf("%s: got %v with hint %q, want a refusal", what, err, failure.Hint(err))
		}
	}
	_, err := r.open(t).(sink.Ledger).Position(t.Context())
	refused("taking the lane", err)
	refused("--send-test", r.open(t).Publish(t.Context(), batch(0, 1)))
	r.settings.Delivery = objects.AtLeastOnce
	if err := r.open(t).Publish(t.Context(), batch(0, 1)); err != nil {
		t.Errorf("at_least_once: %v", err)
	}
}

func TestCheckWritesNothing(t *testing.T) {
	for _, delivery := range []string{objects.ExactlyOnce, objects.AtLeastOnce} {
		r := newRig(t)
		r.settings.Delivery = delivery
		for range 2 {
			text, err := r.open(t).(sink.Checker).Check(t.Context())
			if err != nil || !strings.Contains(text, "s3://audit/audit") {
				t.Errorf("got %q, %v", text, err)
			}
		}
		if keys := r.store.Keys(); len(keys) > 0 {
			t.Errorf("%s: Check wrote %v", delivery, keys)
		}
	}
}

// Every fault of the store is retried as a lane does, and nothing is lost or repeated.
func TestEveryFaultEndsWell(t *testing.T) {
	for _, fault := range append([]objectstoretest.Fault{objectstoretest.Refused, objectstoretest.NoBucket, objectstoretest.Region}, objectstoretest.Faults...) {
		t.Run(fmt.Sprint(fault), func(t *testing.T) {
			r := newRig(t)
			chance := rand.New(rand.NewPCG(1, uint64(fault))) // The same in every run.
			r.store.Interfere(func(objectstoretest.Op, string) objectstoretest.Fault {
				if chance.IntN(4) == 0 {
					return fault
				}
				return objectstoretest.None
			})
			l := r.open(t).(sink.Ledger)
			at := position(t, l)
			for tries := 0; at < 5; tries++ {
				if tries > 200 {
					t.Fatal("no progress")
				}
				err := l.PublishAt(t.Context(), batch(at, at+1), nil, fmt.Append(nil, at+1))
				switch {
				case err == nil:
					at++
				case errors.Is(err, sink.ErrMoved):
					at = position(t, l)
				case failure.IsPermanent(err):
					t.Fatalf("a fault of the store is no fault of the record: %v", err)
				}
				for r.store.Late() > 0 {
					r.store.Arrive(0)
				}
			}
			r.repair()
			if got, want := len(r.received(t)), 5; got != want {
				t.Errorf("got %d records, want %d", got, want)
			}
		})
	}
}

// position takes the lane, as often as it needs.
func position(t *testing.T, l sink.Ledger) int {
	t.Helper()
	for range 50 {
		pos, err := l.Position(t.Context())
		if err == nil {
			at := 0
			_, _ = fmt.Sscan(string(pos), &at) // Without a position it is 0.
			return at
		}
	}
	t.Fatal("the lane cannot be taken")
	return 0
}

// The same batch replaces itself, so that a retry leaves no copy.
func TestAtLeastOnceReplacesItself(t *testing.T) {
	r := newRig(t)
	r.settings.Delivery = objects.AtLeastOnce
	for range 2 {
		if err := r.open(t).Publish(t.Context(), batch(0, 3)); err != nil {
			t.Fatal(err)
		}
	}
	if keys, _ := r.objects(t); len(keys) > 2 { // two if the hour ended in between
		t.Errorf("got %v", keys)
	}
}

// A position that exactly_once left is not forgotten.
func TestReleaseAfterExactlyOnce(t *testing.T) {
	r := newRig(t)
	commit(t, take(t, r.open(t), ""), batch(0, 1), "1")
	r.settings.Delivery = objects.AtLeastOnce
	kept := ""
	err := r.open(t).(sink.Releaser).Release(t.Context(), func(pos []byte) error { kept = string(pos); return nil })
	if err != nil || kept != "1" {
		t.Errorf("got %q, %v, want 1", kept, err)
	}
}

func TestPublishAtEndsWithItsContext(t *testing.T) {
	r := newRig(t)
	l := take(t, r.open(t), "")
	asked := make(chan struct{})
	hangs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		close(asked)
		<-req.Context().Done()
	}))
	defer hangs.Close()
	r.settings.Store.Endpoint = hangs.URL
	stuck := r.open(t).(sink.Ledger)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	if _, err := stuck.Position(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want Canceled", err)
	}
	commit(t, l, batch(0, 1), "1")
}

func TestLimits(t *testing.T) {
	r := newRig(t)
	r.settings.FlushInterval, r.settings.MaxObjectBytes = setting.Duration(time.Second), 2<<20
	got := r.open(t).(sink.Limiter).Limits()
	if got.Linger != time.Second || got.Bytes != 2<<20 {
		t.Errorf("got %+v", got)
	}
}

// Without its log a lane must not begin anew without a word.
func TestTracesWithoutTheLog(t *testing.T) {
	for _, delivery := range []string{objects.ExactlyOnce, objects.AtLeastOnce} {
		r := newRig(t)
		r.settings.Delivery = delivery
		fresh, err := r.open(t).(sink.History).Traces(t.Context())
		if err != nil || fresh.Proof {
			t.Errorf("%s: got %+v, %v, want none before the first object", delivery, fresh, err)
		}
		if l, ok := r.open(t).(sink.Ledger); ok {
			commit(t, take(t, l, ""), batch(0, 3), "3")
		} else if err := r.open(t).Publish(t.Context(), batch(0, 3)); err != nil {
			t.Fatal(err)
		}
		for _, key := range r.store.Keys() {
			if strings.Contains(key, "/_sluice/") {
				if err := r.store.Delete(t.Context(), key); err != nil {
					t.Fatal(err)
				}
			}
		}
		found, err := r.open(t).(sink.History).Traces(t.Context())
		if err != nil || !found.Proof {
			t.Errorf("%s: got %+v, %v, want proof", delivery, found, err)
		}
	}
}

// Who replays a range once more means other records: another format, or without a field.
func TestEachReplayWritesItsOwnObjects(t *testing.T) {
	for _, delivery := range []string{objects.ExactlyOnce, objects.AtLeastOnce} {
		r := newRig(t)
		r.settings.Delivery = delivery
		for n := range 2 {
			again := r.openEnv(t, sink.Env{Lane: lane, Source: "acme", Again: true, Log: zerolog.Nop()})
			records := batch(0, 1)
			records[0].Body = fmt.Appendf(nil, `{"replay":%d}`, n)
			for range 2 { // an attempt whose answer was lost
				if err := again.Publish(t.Context(), records); err != nil {
					t.Fatal(err)
				}
			}
		}
		if keys, bodies := r.objects(t); len(keys) < 2 || !strings.Contains(fmt.Sprintf("%s", bodies), `"replay":0`) || !strings.Contains(fmt.Sprintf("%s", bodies), `"replay":1`) {
			t.Errorf("%s: got %v with %s, want an object of each replay", delivery, keys, bodies)
		}
	}
}
