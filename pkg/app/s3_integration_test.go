//go:build integration

package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/sluice-siem/sluice/pkg/internal/objectstore/objectstoretest"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// The process is killed twenty times, with every fault of the store before and between.
// Each event is in the bucket once, and the objects are numbered without a gap.
func TestKilledProcessWritesEachEventOnceToS3(t *testing.T) {
	t.Parallel()
	const kills, each = 20, 300
	s := newS3Site(t)
	for range kills {
		s.api.Append(each)
		s.live(t, func() {})
		for s.store.Late() > 0 { // What a dead process sent arrives after it.
			s.store.Arrive(0)
		}
	}
	s.mu.Lock()
	s.calm = true
	s.mu.Unlock()
	if cmd, stderr := s.command("--once"); cmd.Run() != nil {
		t.Fatalf("catching up: %v: %s", cmd.ProcessState, stderr)
	}
	s.judge(t, kills*each)
}

// s3Site is a site that delivers to a strict server.
type s3Site struct {
	*mortal
	store *objectstoretest.Store
	calm  bool // nothing goes wrong
}

func newS3Site(t *testing.T) *s3Site {
	s := &s3Site{
		mortal: newMortal(newSite(t, simulator.Config{Seed: 11, Latency: time.Millisecond}), 11, 4, time.Millisecond, 3*time.Minute),
		store:  objectstoretest.New(),
	}
	s.store.Interfere(s.befalls)
	server := httptest.NewServer(objectstoretest.Server{Store: s.store})
	t.Cleanup(server.Close)
	s.write(t, "secret", objectstoretest.Secret)
	s.configure(t, "100ms", fmt.Sprintf(`  - name: archive
    type: s3
    own_events: false
    settings:
      bucket: %s
      prefix: audit
      region: %s
      endpoint: %s
      path_style: true
      access_key_id: %s
      secret_access_key_file: %s
      flush_interval: 100ms
`, objectstoretest.BucketName, objectstoretest.BucketRegion, server.URL, objectstoretest.KeyID, s.path("secret")))
	return s
}

func (s *s3Site) befalls(op objectstoretest.Op, _ string) objectstoretest.Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	if op.Writes() {
		s.asked(true)
	}
	if s.calm || s.random.IntN(8) > 0 {
		return objectstoretest.None
	}
	return objectstoretest.Faults[s.random.IntN(len(objectstoretest.Faults))]
}

func (s *s3Site) judge(t *testing.T, want int) {
	t.Helper()
	times := map[string]int{}
	var keys []string
	for _, key := range s.store.Keys() {
		if strings.Contains(key, "/_sluice") {
			continue
		}
		keys = append(keys, key[strings.LastIndexByte(key, '/')+1:])
		o, err := s.store.Read(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(bytes.NewReader(o.Body))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(text) {
			var e struct{ Event struct{ ID string } }
			if err := json.Unmarshal(line, &e); err != nil {
				t.Fatal(err)
			}
			times[e.Event.ID]++
		}
	}
	for id, n := range times {
		if n != 1 {
			t.Errorf("event %s is there %d times", id, n)
		}
	}
	if len(times) != want {
		t.Errorf("%d events are there, want %d", len(times), want)
	}
	slices.Sort(keys)
	for i, key := range keys {
		if !strings.HasPrefix(key, fmt.Sprintf("acme.archive-%012d-", i+1)) {
			t.Fatalf("object %d is %s", i+1, key)
		}
	}
	t.Logf("%d events in %d objects", len(times), len(keys))
}
