package simulator_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"

	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// BenchmarkPage serves pages of 100: rendered each time, and from the cache.
func BenchmarkPage(b *testing.B) {
	for name, cache := range map[string]int{"rendered": 1, "cached": 1 << 20} {
		b.Run(name, func(b *testing.B) {
			s := simulator.New(simulator.Config{Seed: 1, Events: 1_000_000, CacheBytes: cache})
			r := httptest.NewRequest(http.MethodGet, path+"?limit=100", nil)
			r.Header.Set("Authorization", "id:token")
			b.ReportAllocs()
			for b.Loop() {
				serveInProcess(b, s, r)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/event")
		})
	}
}

func serveInProcess(b *testing.B, s *simulator.Server, r *http.Request) {
	response, err := s.Transport().RoundTrip(r)
	if err != nil {
		b.Fatal(err)
	}
	n, err := io.Copy(io.Discard, response.Body)
	if err != nil || n < 10_000 {
		b.Fatalf("got %d bytes, error %v", n, err)
	}
	if err := response.Body.Close(); err != nil {
		b.Fatal(err)
	}
}

func TestMillionEventsInLittleMemory(t *testing.T) {
	events := 1_000_000
	if testing.Short() {
		events = 200_000
	}
	s, _ := newServer(simulator.Config{Events: events})
	cursor, pages := "", 0
	for more := true; more; pages++ {
		page := skim(t, ask(t, s, path+"?"+limited(cursor, 100).Encode()))
		cursor, more = page.end, page.hasNext
	}
	if want := events / 100; pages != want {
		t.Errorf("got %d pages, want %d", pages, want)
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if limit := uint64(80 << 20); m.HeapAlloc > limit {
		t.Errorf("got %d bytes on the heap, want at most %d", m.HeapAlloc, limit)
	}
	runtime.KeepAlive(s)
}
