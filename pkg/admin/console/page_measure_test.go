//go:build integration

package console_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/admin/console"
	"github.com/sluice-siem/sluice/pkg/pipeline"
)

// TestTheFirstByteComesSoon measures how long the overview of many lanes takes.
// The median of many requests counts: another process may delay one of them.
func TestTheFirstByteComesSoon(t *testing.T) {
	for lanes, most := range map[int]time.Duration{300: 50 * time.Millisecond, 3000: 200 * time.Millisecond} {
		s := newScene(t, fmt.Sprint(lanes), past{many(lanes), 30 * time.Minute, true})
		statuses := s.deps.Lanes() // what a test does to make them is not measured
		s.deps.Lanes = func() []pipeline.Status { return statuses }
		server := httptest.NewServer(console.Handler(s.deps, s.history, s.activity))
		t.Cleanup(server.Close)
		var took []time.Duration
		for range 50 {
			begin := time.Now()
			answer, err := http.Get(server.URL + "/")
			took = append(took, time.Since(begin))
			if err != nil {
				t.Fatal(err)
			}
			_, err = io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
			if err != nil || answer.StatusCode != http.StatusOK {
				t.Fatalf("got status %d, error %v", answer.StatusCode, err)
			}
		}
		slices.Sort(took)
		p50, p99 := took[len(took)/2], took[len(took)-1]
		t.Logf("%d lanes: the first byte after %s, p99 %s", lanes, p50, p99)
		if p50 > most {
			t.Errorf("%d lanes: the first byte came after %s, want at most %s", lanes, p50, most)
		}
	}
}
