package splunkhec_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/footprint"
	"github.com/sluice-siem/sluice/pkg/internal/memory"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// shift is ten hours of a lane: bursts, faults at both ends, and secrets that change. The
// counterparts remember as little as they can, since they are measured with the lane.
type shift struct {
	log    *simulator.Server
	random *rand.Rand

	mu       sync.Mutex
	secret   string // that both ends accept
	trouble  bool   // every third request fails
	requests int
}

// admits reports whether a request has the secret, and whether it fails in some way. It
// numbers the requests.
func (s *shift) admits(authorization, scheme string) (number int, ok, fails bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	return s.requests, authorization == scheme+s.secret, s.trouble && s.random.IntN(3) == 0
}

func (s *shift) set(secret string, trouble bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secret, s.trouble = secret, trouble
}

// RoundTrip is the API.
func (s *shift) RoundTrip(r *http.Request) (*http.Response, error) {
	_, ok, fails := s.admits(r.Header.Get("Authorization"), "Bearer ")
	if fails {
		return nil, errors.New("connection reset")
	}
	if !ok {
		r = r.Clone(r.Context())
		r.Header.Del("Authorization")
	}
	return s.log.Transport().RoundTrip(r)
}

// ServeHTTP is an HTTP Event Collector that acknowledges at once.
func (s *shift) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	number, ok, fails := s.admits(r.Header.Get("Authorization"), "Splunk ")
	var asked struct{ Acks []int64 }
	body, _ := io.ReadAll(r.Body) // of a client that is gone: nobody reads the answer
	switch {
	case fails:
		http.Error(w, `{"text":"Server is busy","code":9}`, http.StatusServiceUnavailable)
	case !ok:
		http.Error(w, `{"text":"Invalid token","code":4}`, http.StatusForbidden)
	case r.URL.Path != "/services/collector/ack":
		fmt.Fprintf(w, `{"text":"Success","code":0,"ackId":%d}`, number)
	case json.Unmarshal(body, &asked) == nil:
		indexed := map[int64]bool{}
		for _, id := range asked.Acks {
			indexed[id] = true
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"acks": indexed})
	}
}

// A lane takes as much after ten hours of bursts, faults and new secrets as after two.
func TestTenHours(t *testing.T) {
	const burst, more, most = 2000, 20, 96 << 10
	const remembered = 256 // bytes that the simulator remembers of a request
	hours := 10
	if testing.Short() {
		hours = 4
	}
	secret := filepath.Join(t.TempDir(), "secret")
	synctest.Test(t, func(t *testing.T) {
		s := &shift{log: simulator.New(simulator.Config{Events: 100, CacheBytes: 1}), random: rand.New(rand.NewPCG(1, 2))}
		pipe := simulator.NewPipeListener()
		server := &http.Server{Handler: s}
		go func() { _ = server.Serve(pipe) }() // until Close
		over := &http.Transport{DialContext: pipe.DialContext}
		r := &rig{settings: defaults("http://localhost:8088"), transport: over}
		r.settings.Token = setting.SecretFile(secret)
		renew := func(hour int) { // The lane learns the new secret five minutes late.
			value := fmt.Sprintf("secret-%d", hour)
			s.set(value, false)
			if hour > 0 {
				time.Sleep(5 * time.Minute)
			}
			if err := os.WriteFile(secret, []byte(value), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		renew(0)
		budget := memory.New(32 << 20)
		lane, _ := r.laneOver(t, s, setting.SecretFile(secret))
		lane.Once, lane.Memory = false, budget.Share()
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- lane.Run(ctx) }()

		appended, heap, goroutines := 100, int64(0), 0
		for hour := range hours {
			began := time.Now()
			renew(hour)
			s.set(fmt.Sprintf("secret-%d", hour), true)
			s.log.Append(burst)
			for range more {
				time.Sleep(time.Minute)
				s.log.Append(1)
			}
			appended += burst + more
			s.set(fmt.Sprintf("secret-%d", hour), false)
			time.Sleep(time.Hour - time.Since(began))
			over.CloseIdleConnections()
			synctest.Wait()
			if got := lane.Status().Published; got < uint64(appended) {
				t.Fatalf("hour %d: %d of %d events were delivered", hour, got, appended)
			}
			if held := budget.Usage().Held; held != 0 {
				t.Errorf("hour %d: an idle lane holds %d bytes of the budget", hour, held)
			}
			now := footprint.Heap() - int64(remembered*s.log.RequestCount())
			running := footprint.Goroutines()
			t.Logf("hour %d: %d bytes, %d goroutines", hour, now, running)
			if hour == 1 {
				heap, goroutines = now, running
			} else if hour > 1 && (now > heap+most || running > goroutines) {
				t.Errorf("hour %d: %d bytes and %d goroutines, %d and %d in hour 1", hour, now, running, heap, goroutines)
			}
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		over.CloseIdleConnections()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
}
