package syslog_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/sink"
)

const first, second, third = "192.0.2.1", "192.0.2.2", "2001:db8::3"

func send(t *testing.T, snk sink.Sink, n int) {
	t.Helper()
	if err := snk.Publish(t.Context(), batch(0, n)); err != nil {
		t.Fatal(err)
	}
}

func wantCounts(t *testing.T, n *internet, want map[string]int) {
	t.Helper()
	for _, host := range []string{first, second, third} {
		if got := n.count(host); got != want[host] {
			t.Errorf("%s has got %d datagrams, want %d", host, got, want[host])
		}
	}
}

func TestNameIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newInternet(first)
		var log bytes.Buffer
		snk := n.sink(t, zerolog.New(&log))
		send(t, snk, 1)
		n.answer(second)
		time.Sleep(58 * time.Second)
		send(t, snk, 1)
		wantCounts(t, n, map[string]int{first: 2})
		time.Sleep(time.Second)
		send(t, snk, 1)
		wantCounts(t, n, map[string]int{first: 2, second: 1})
		if n.open != 1 {
			t.Errorf("%d sockets are open, want 1", n.open)
		}
		for _, want := range []string{`"from":"192.0.2.1:514"`, `"to":"192.0.2.2:514"`, "udp://siem.example.com:514"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("got log %q, want %s in it", &log, want)
			}
		}
	})
}

// TestNewAddressIsProvenAnew moves a name to an address without a receiver.
func TestNewAddressIsProvenAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newInternet(first)
		snk := n.sink(t, quiet)
		send(t, snk, 1)
		n.answer(second)
		n.set(func() { n.down[second] = true })
		time.Sleep(time.Minute)
		if err := snk.Publish(t.Context(), batch(0, 1)); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("got %v, want that the connection was refused", err)
		}
	})
}

func TestSocketIsKeptWhileItsAddressIsAmongTheAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newInternet(second, first)
		snk := n.sink(t, quiet)
		send(t, snk, 1)
		for _, answers := range [][]string{{first, second}, {"::ffff:" + second}, {third, first, second}} {
			n.answer(answers...)
			time.Sleep(time.Minute)
			began := time.Now()
			send(t, snk, 1)
			if took := time.Since(began); took > 0 {
				t.Errorf("a Publish took %v, as over another socket", took)
			}
		}
		wantCounts(t, n, map[string]int{second: 4})
		if n.lookups != 4 {
			t.Errorf("%d lookups in three minutes, want 4", n.lookups)
		}
	})
}

func TestSocketIsKeptWithoutANameServer(t *testing.T) {
	for words, broken := range map[string]func(n *internet){
		"that fails":        func(n *internet) { n.failing = errNameServer },
		"that says nothing": func(n *internet) { n.hanging = true },
	} {
		t.Run(words, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newInternet(first)
				var log bytes.Buffer
				snk := n.sink(t, zerolog.New(&log))
				send(t, snk, 1)
				n.set(func() { broken(n) })
				for range 3 {
					time.Sleep(time.Minute)
					send(t, snk, 1)
					send(t, snk, 1)
				}
				wantCounts(t, n, map[string]int{first: 7})
				if got := strings.Count(log.String(), "resolving the receiver"); got != 1 {
					t.Errorf("logged %d times that resolving the name failed, want once: %s", got, &log)
				}
				if n.lookups != 4 {
					t.Errorf("%d lookups in three minutes, want 4", n.lookups)
				}
				n.set(func() { n.failing, n.hanging = nil, false })
				n.answer(second)
				time.Sleep(time.Minute)
				send(t, snk, 1)
				wantCounts(t, n, map[string]int{first: 7, second: 1})
			})
		})
	}
}

// TestLastAddressIsUsedWithoutANameServer restarts a receiver while names cannot be
// resolved.
func TestLastAddressIsUsedWithoutANameServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newInternet(first)
		snk := n.sink(t, quiet)
		send(t, snk, 1)
		n.set(func() { n.failing, n.down[first] = errNameServer, true })
		send(t, snk, 1) // the next one reports its loss
		time.Sleep(time.Second)
		for range 2 {
			if err := snk.Publish(t.Context(), batch(0, 1)); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("got %v, want that the connection was refused", err)
			}
		}
		n.set(func() { n.down[first] = false })
		send(t, snk, 1)
		wantCounts(t, n, map[string]int{first: 2})
	})
}

func TestNameThatNeverResolved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newInternet(first)
		n.failing = errNameServer
		err := n.sink(t, quiet).Publish(t.Context(), batch(0, 1))
		if !errors.Is(err, errNameServer) {
			t.Errorf("got %v, want the error of the lookup", err)
		}
		wantError(t, err, "connecting to udp://siem.example.com:514", "this machine can resolve it")
	})
}

func TestNameIsResolvedAfterAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newInternet(first)
		snk := n.sink(t, quiet)
		send(t, snk, 1)
		n.set(func() { n.down[first] = true })
		n.answer(second)
		send(t, snk, 1)
		time.Sleep(time.Second)
		if err := snk.Publish(t.Context(), batch(0, 1)); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("got %v, want that the connection was refused", err)
		}
		send(t, snk, 1)
		wantCounts(t, n, map[string]int{first: 1, second: 1})
		if n.open != 1 {
			t.Errorf("%d sockets are open, want 1", n.open)
		}
	})
}

// TestAnotherOfTheAnswersIsTried uses a name with three hosts: the first has no receiver
// and the second no route.
func TestAnotherOfTheAnswersIsTried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newInternet(first, second, third)
		n.down[first], n.absent[second] = true, true
		snk := n.sink(t, quiet)
		if failures := deliver(t, snk, batch(0, 5)); failures != 1 {
			t.Errorf("got %d failures, want one, of the first host", failures)
		}
		wantCounts(t, n, map[string]int{third: 5})

		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := snk.Publish(ended, batch(0, 1)); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
		send(t, snk, 1) // It stays with the last host.
		wantCounts(t, n, map[string]int{third: 6})

		n.set(func() { n.down[first], n.down[third] = false, true })
		send(t, snk, 1)
		time.Sleep(time.Second)
		if failures := deliver(t, snk, batch(0, 5)); failures != 1 {
			t.Errorf("got %d failures, want one, of the last host", failures)
		}
		wantCounts(t, n, map[string]int{first: 5, third: 6})

		n.set(func() { n.absent[first], n.down[first] = true, true })
		send(t, snk, 1)
		time.Sleep(time.Second)
		n.answer(first, second)
		for _, want := range []error{syscall.ECONNREFUSED, syscall.ENETUNREACH} {
			if err := snk.Publish(t.Context(), batch(0, 1)); !errors.Is(err, want) {
				t.Errorf("got %v, want %v", err, want)
			}
		}
	})
}

// TestLookupEndsWithPublish stops a sink while its name server does not answer.
func TestLookupEndsWithPublish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newInternet(first)
		var log bytes.Buffer
		snk := n.sink(t, zerolog.New(&log))
		send(t, snk, 1)
		n.set(func() { n.hanging = true })
		time.Sleep(time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		err := snk.Publish(ctx, batch(0, 1))
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 2*time.Second {
			t.Errorf("got %v after %v, want the end of the context", err, time.Since(began))
		}
		if log.Len() > 0 {
			t.Errorf("logged without a reason: %s", &log)
		}
	})
}
