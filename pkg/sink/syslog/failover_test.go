package syslog_test

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/sink/syslog"
)

// TestFailover uses two receivers; the first one stops and comes back.
func TestFailover(t *testing.T) {
	first, second := newReceiver(t, nil), newReceiver(t, nil)
	s := settings(t, first.url(), second.url())
	s.Settle = settle
	var log bytes.Buffer
	snk := logged(t, s, zerolog.New(&log))
	all := batch(0, 40)

	deliver(t, snk, all[:10])
	first.stop()
	deliver(t, snk, all[10:20])
	if !strings.Contains(log.String(), second.url()) || !strings.Contains(log.String(), "refused") {
		t.Errorf("got log %q, want that the second address is in use, and why", &log)
	}
	first.repair()
	deliver(t, snk, all[20:30]) // It stays with what works,
	second.stop()
	deliver(t, snk, all[30:]) // and goes back to the first.
	wantArrived(t, first.bodies(), append(batch(0, 10), all[30:]...))
	wantArrived(t, second.bodies(), all[10:30])
}

// TestFailoverFromOneThatTakesNothing uses a first receiver that accepts connections
// and ends them.
func TestFailoverFromOneThatTakesNothing(t *testing.T) {
	first, second := newReceiver(t, nil), newReceiver(t, nil)
	first.every = 1
	s := settings(t, first.url(), second.url())
	s.Settle = settle
	snk := open(t, s)
	all := batch(0, 10)
	if failures := deliver(t, snk, all[:5]); failures != 1 {
		t.Errorf("got %d failures, want one, of the first receiver", failures)
	}
	wantArrived(t, second.bodies(), all[:5])

	first.mu.Lock()
	first.every = 0
	first.mu.Unlock()
	second.reset()
	<-syslog.Gone(snk)
	deliver(t, snk, all[5:])
	wantArrived(t, first.bodies(), all[5:])
}

// TestFailoverFromASilentReceiver uses a first receiver that does not answer a
// handshake. It must not use up the time of a Publish.
func TestFailoverFromASilentReceiver(t *testing.T) {
	t.Parallel() // It waits for most of the time.
	silent := peer(t, func(c *conn) {
		_, _ = io.Copy(io.Discard, c)
		_ = c.Close()
	})
	second := newAnswering(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	snk := open(t, settings(t, "relp"+silent[len("tcp"):], "relp://"+second.address))
	if err := snk.Publish(ctx, batch(0, 3)); err != nil {
		t.Error(err)
	}
	if got := len(second.server.Messages()); got != 3 {
		t.Errorf("the second receiver has %d messages, want 3", got)
	}
}

// TestSilentReceiver uses a receiver that waits for more bytes of a handshake that it
// does not understand, as rsyslog's port for plain TCP does.
func TestSilentReceiver(t *testing.T) {
	silent := peer(t, func(c *conn) {
		_, _ = io.Copy(io.Discard, c)
		_ = c.Close()
	})
	for _, scheme := range []string{"tls", "relp", "relp+tls"} {
		t.Run(scheme, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			url := scheme + silent[len("tcp"):]
			err := open(t, settings(t, url)).Publish(ctx, batch(0, 1))
			wantError(t, err, "connecting to "+url, "port")
		})
	}
}

func TestAllAddressesAreNamedIfNoneAnswers(t *testing.T) {
	first, second := newReceiver(t, nil), newReceiver(t, nil)
	first.stop()
	second.stop()
	err := open(t, settings(t, first.url(), second.url())).Publish(t.Context(), batch(0, 1))
	wantError(t, err, "connection refused", "start the receiver")
	for _, url := range []string{first.url(), second.url()} {
		if !strings.Contains(err.Error(), url) {
			t.Errorf("%v does not name %s", err, url)
		}
	}
}
