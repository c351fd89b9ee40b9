//go:build integration

package app_test

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// mortal is a site whose process is killed while a server has trouble. The server's script
// tells it of each request.
type mortal struct {
	*site
	requests int           // that count, after which the process is killed, at most
	moment   time.Duration // until it is killed then, at most
	quiet    time.Duration // after so long without a request it is killed, too: trouble may make it wait

	mu      sync.Mutex // guards what follows, and what the test adds
	random  *rand.Rand
	had     int           // requests in this life that count
	request chan struct{} // receives when a request was made
}

func newMortal(s *site, seed uint64, requests int, moment, quiet time.Duration) *mortal {
	return &mortal{site: s, requests: requests, moment: moment, quiet: quiet, random: rand.New(rand.NewPCG(seed, seed)), request: make(chan struct{}, 1)}
}

// asked notes a request. The caller holds mu.
func (s *mortal) asked(counts bool) {
	if counts {
		s.had++
	}
	select {
	case s.request <- struct{}{}:
	default:
	}
}

// live runs the process until it has sent some requests, calls meanwhile, and kills it.
func (s *mortal) live(t *testing.T, meanwhile func()) {
	t.Helper()
	s.mu.Lock()
	s.had = 0
	enough := 1 + s.random.IntN(s.requests)
	moment := time.Duration(s.random.Int64N(int64(s.moment)))
	s.mu.Unlock()
	cmd, stderr := s.command()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	s.waitFor(t, enough, ended, stderr)
	meanwhile()
	<-time.After(moment)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatalf("killing: %v: %s", err, stderr)
	}
	<-ended
}

// waitFor waits for so many requests that count.
func (s *mortal) waitFor(t *testing.T, enough int, ended <-chan error, stderr *bytes.Buffer) {
	t.Helper()
	const begins = 3 * time.Minute
	patience := time.NewTimer(begins)
	defer patience.Stop()
	for begun := false; ; begun = true {
		select {
		case <-s.request:
			patience.Reset(s.quiet)
		case <-patience.C:
			if !begun {
				t.Fatalf("no request was made within %s: %s", begins, stderr)
			}
			return
		case err := <-ended:
			t.Fatalf("the process ended by itself: %v: %s", err, stderr)
		}
		s.mu.Lock()
		had := s.had
		s.mu.Unlock()
		if had >= enough {
			return
		}
	}
}
