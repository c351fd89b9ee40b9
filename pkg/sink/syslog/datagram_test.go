package syslog_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/syslog"
)

func TestEachDatagramIsAMessage(t *testing.T) {
	d, url := newDatagrams(t)
	s := settings(t, url)
	s.Settle = settle
	all := batch(0, 20)
	all[7].Body = []byte("one\ntwo")
	deliver(t, open(t, s), all)
	d.await(len(all))
	for i, datagram := range d.all() {
		if got, want := one(t, s, counted(datagram)).Text, string(all[i].Body); got != want {
			t.Errorf("datagram %d: got text %q, want %q", i, got, want)
		}
	}
}

// TestDatagramThatIsTooLarge uses settings that Validate refuses: on some systems
// datagrams must be smaller than UDP allows.
func TestDatagramThatIsTooLarge(t *testing.T) {
	_, url := newDatagrams(t)
	s := settings(t, url)
	s.MaxMessageBytes, s.Settle = 1<<20, settle
	snk := open(t, s)
	all := batch(0, 5)
	all[2].Body = []byte(strings.Repeat("x", 66_000))
	err := snk.Publish(t.Context(), all)
	named, ok := err.(sink.BatchError)
	if !ok || len(named) != 3 || named[0].Index != 2 {
		t.Fatalf("got %v, want a BatchError of the records from 2 on", err)
	}
	for i, want := range []bool{true, false, false} {
		if got := sink.IsPermanent(named[i].Err); got != want {
			t.Errorf("record %d: got permanent %v, want %v: %v", named[i].Index, got, want, named[i].Err)
		}
	}
	deliver(t, snk, all[3:])
}

func TestNoReceiver(t *testing.T) {
	r := newReceiver(t, nil) // which holds the port for TCP
	snk := open(t, settings(t, "udp://"+r.address))
	for range 3 {
		wantError(t, snk.Publish(t.Context(), batch(0, 1)), "connection refused", "start the receiver")
	}
}

// TestLateICMPError uses a host without a receiver, whose ICMP errors come after the
// datagrams were sent.
func TestLateICMPError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newInternet(first)
		n.down[first] = true
		snk := n.sink(t, quiet)
		refused := func(size int) {
			t.Helper()
			err := snk.Publish(t.Context(), batch(0, size))
			wantError(t, err, "connection refused", "start the receiver")
			if _, some := err.(sink.BatchError); some {
				t.Errorf("got %v, want that nothing counts as taken", err)
			}
		}
		for range 20 {
			refused(1)
			refused(50)
			time.Sleep(5 * time.Second)
		}
		n.set(func() { n.down[first] = false })
		began := time.Now()
		send(t, snk, 1)
		if took := time.Since(began); took != time.Second {
			t.Errorf("the first Publish over a new socket took %v, want %v", took, time.Second)
		}
		send(t, snk, 1)
		if took := time.Since(began); took != time.Second {
			t.Errorf("a Publish over a socket that is proven took %v", took-time.Second)
		}
		n.set(func() { n.down[first] = true })
		refused(50) // It takes 80 ms, and the first error comes after 10.
	})
}

// TestAnswersAreIgnored uses a host that answers, which proves nothing.
func TestAnswersAreIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newInternet(first)
		n.chatty = true
		snk := n.sink(t, quiet)
		began := time.Now()
		send(t, snk, 1)
		if took := time.Since(began); took != time.Second {
			t.Errorf("the first Publish took %v, want %v", took, time.Second)
		}
	})
}

// TestEndOfTheContextIsNoFaultOfTheReceiver ends the context of a Publish that waits.
func TestEndOfTheContextIsNoFaultOfTheReceiver(t *testing.T) {
	for words, tt := range map[string]struct {
		perSecond, proven int
	}{
		"for a sign that nobody listens": {500, 0},
		"for its turn":                   {1, 1},
	} {
		t.Run(words, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newInternet(first, second)
				snk := n.sink(t, quiet, func(s *syslog.Settings) { s.Rate = tt.perSecond })
				if tt.proven > 0 {
					send(t, snk, tt.proven)
				}
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(100*time.Millisecond, cancel)
				if err := snk.Publish(ctx, batch(0, 3)); !errors.Is(err, context.Canceled) {
					t.Errorf("got %v, want %v", err, context.Canceled)
				}
				send(t, snk, 1)
				if got := n.count(second); got != 0 {
					t.Errorf("%d datagrams went to the other address", got)
				}
			})
		})
	}
}

func TestDatagramsKeepToTheRate(t *testing.T) {
	for perSecond, want := range map[int]time.Duration{500: 2 * time.Second, 100: 10 * time.Second, 1: 1000 * time.Second, 0: 0} {
		t.Run(fmt.Sprint(perSecond), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newInternet(first)
				snk := n.sink(t, quiet, func(s *syslog.Settings) { s.Rate, s.Settle = perSecond, 0 })
				limit := snk.(sink.Limiter).Limits().Records
				began := time.Now()
				for sent := 0; sent < 1000; sent += limit {
					one := time.Now()
					send(t, snk, min(limit, 1000-sent))
					if took := time.Since(one); took > time.Second {
						t.Fatalf("a batch took %v", took)
					}
				}
				took := time.Since(began)
				if took > want || took < want-want/50 {
					t.Errorf("1000 datagrams took %v, want %v", took, want)
				}
				for i, at := range n.arrived[first] {
					if most := max(1, perSecond/50); perSecond > 0 && i >= most && at == n.arrived[first][i-most] {
						t.Fatalf("more than %d datagrams at once", most)
					}
				}
			})
		})
	}
}

// TestRateAppliesAcrossSockets uses a receiver that refuses every datagram.
func TestRateAppliesAcrossSockets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newInternet(first)
		n.down[first] = true
		snk := n.sink(t, quiet, func(s *syslog.Settings) { s.Rate = 1 })
		began := time.Now()
		for range 5 {
			if err := snk.Publish(t.Context(), batch(0, 1)); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Fatalf("got %v, want that the connection was refused", err)
			}
		}
		if took := time.Since(began); took < 4*time.Second {
			t.Errorf("five datagrams took %v, at one a second", took)
		}
	})
}
