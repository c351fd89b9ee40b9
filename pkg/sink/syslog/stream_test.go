package syslog_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/syslog"
)

type conn = net.TCPConn

// peer accepts connections with small receive buffers, and calls a function with each.
func peer(t testing.TB, serve func(*conn)) (url string) {
	t.Helper()
	small := func(_, _ string, raw syscall.RawConn) error {
		var failed error
		err := raw.Control(func(fd uintptr) {
			failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096)
		})
		if err != nil {
			return err
		}
		return failed
	}
	l, err := (&net.ListenConfig{Control: small}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			accepted, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { serve(accepted.(*conn)) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		serving.Wait()
	})
	return "tcp://" + l.Addr().String()
}

// over returns settings with a long settle, so that a test would fail.
func over(t testing.TB, url string) syslog.Settings {
	s := settings(t, url)
	s.Settle = setting.Duration(time.Minute)
	return s
}

func overTLS(t testing.TB) *receiver {
	config, ca := trusted(t)
	r := newReceiver(t, config)
	r.settings.TLS.CAFile = ca
	return r
}

// TestEndOfTheConnectionIsNoticed ends the connection between two batches: the second
// batch uses a new connection and gets no error.
func TestEndOfTheConnectionIsNoticed(t *testing.T) {
	for _, transport := range []string{"tcp", "tls"} {
		for words, end := range map[string]func(*receiver){"closed": (*receiver).hangUp, "reset": (*receiver).reset} {
			t.Run(transport+" "+words, func(t *testing.T) {
				r := newReceiver(t, nil)
				if transport == "tls" {
					r = overTLS(t)
				}
				s := r.settings
				s.Settle = 0
				snk := open(t, s)
				all := batch(0, 20)
				deliver(t, snk, all[:10])
				r.await(10)
				end(r)
				<-syslog.Gone(snk)
				if err := snk.Publish(t.Context(), all[10:]); err != nil {
					t.Error(err)
				}
				r.await(20)
				wantArrived(t, r.bodies(), all)
				if got := r.connections(); got != 2 {
					t.Errorf("got %d connections, want 2", got)
				}
			})
		}
	}
}

// TestBatchOfABrokenConnectionIsNotDelivered uses receivers that end after their kernel
// took the whole batch.
func TestBatchOfABrokenConnectionIsNotDelivered(t *testing.T) {
	const hint = "the receiver ended the connection"
	for _, tt := range []struct {
		words, want, hint string
		end               func(*conn)
	}{
		{"reset", "connection reset", hint, func(c *conn) { _ = c.SetLinger(0); _ = c.Close() }},
		{"closed without being read", "connection reset", hint, func(c *conn) { _ = c.Close() }},
		{"half closed", "", hint, func(c *conn) { _ = c.CloseWrite() }},
		{"answered", "sent data", "the receiver's port for tcp", func(c *conn) { _, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n")) }},
	} {
		t.Run(tt.words, func(t *testing.T) {
			url := peer(t, func(c *conn) {
				defer c.Close()
				if _, err := io.ReadFull(c, make([]byte, 10)); err != nil {
					t.Error(err)
				}
				tt.end(c)
				_, _ = io.Copy(io.Discard, c)
			})
			err := open(t, over(t, url)).Publish(t.Context(), batch(0, 3))
			wantError(t, err, tt.want, tt.hint)
			if _, some := err.(sink.BatchError); some {
				t.Errorf("got %v, want an error about the whole batch", err)
			}
		})
	}
}

// TestUnacknowledgedBytesAreNotDelivered sends a batch that fits into the local buffer
// but not into the peer's.
func TestUnacknowledgedBytesAreNotDelivered(t *testing.T) {
	read, all := make(chan struct{}), make(chan []byte, 1)
	url := peer(t, func(c *conn) {
		defer c.Close()
		<-read
		got, err := io.ReadAll(c)
		if err != nil {
			t.Error(err)
		}
		all <- got
	})
	s := settings(t, url)
	s.Settle = 0
	snk := unclosed(t, s, quiet)
	records := make([]sink.Record, 30)
	for i := range records {
		records[i] = record(strings.Repeat("x", 2000))
	}
	done := make(chan error, 1)
	go func() { done <- snk.Publish(context.Background(), records) }()
	select {
	case err := <-done:
		t.Errorf("Publish returned %v before the peer read anything", err)
	case <-time.After(300 * time.Millisecond):
	}
	close(read)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := snk.Close(); err != nil {
		t.Error(err)
	}
	if got := bytes.Count(<-all, []byte("<110>1 ")); got != len(records) {
		t.Errorf("got %d messages, want %d", got, len(records))
	}
}

// TestPeerThatReadsNothing sends a batch that does not fit into the local buffer either.
func TestPeerThatReadsNothing(t *testing.T) {
	for _, tt := range []struct {
		words, want string
		end         func(cancel func(), snk sink.Sink)
	}{
		{"until the context ends", "context canceled", func(cancel func(), _ sink.Sink) { cancel() }},
		{"until it is closed", "sink was closed", func(_ func(), snk sink.Sink) { _ = snk.Close() }},
	} {
		t.Run(tt.words, func(t *testing.T) {
			accepted, ended := make(chan struct{}), make(chan struct{})
			url := peer(t, func(c *conn) {
				close(accepted)
				<-ended
				_ = c.Close()
			})
			snk := unclosed(t, over(t, url), quiet)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- snk.Publish(ctx, batch(0, 50_000)) }()
			<-accepted
			tt.end(cancel, snk)
			wantError(t, <-done, tt.want)
			close(ended)
			if err := snk.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSettleIsWaitedFor(t *testing.T) {
	r := newReceiver(t, nil)
	s := r.settings
	s.Settle = setting.Duration(150 * time.Millisecond)
	snk := open(t, s)
	for i := range 2 {
		began := time.Now()
		deliver(t, snk, batch(i, 1))
		if took := time.Since(began); took < s.Settle.Std() {
			t.Errorf("Publish took %v, less than settle", took)
		}
	}
}

// TestNothingIsLostToResets resets the connection again and again in the middle of batches.
func TestNothingIsLostToResets(t *testing.T) {
	for _, transport := range []string{"tcp", "tls"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel() // It mostly waits.
			r := newReceiver(t, nil)
			if transport == "tls" {
				r = overTLS(t)
			}
			every, resets := 31, 50
			if testing.Short() {
				resets = 15
			}
			r.every = every
			s := r.settings
			s.Settle = setting.Duration(100 * time.Millisecond)
			snk := open(t, s)
			var all []sink.Record
			failures := 0
			for len(r.bodies()) < every*resets {
				next := batch(len(all), 10)
				failures += deliver(t, snk, next)
				all = append(all, next...)
			}
			wantArrived(t, r.bodies(), all)
			t.Logf("%d records, %d failures, %d arrived", len(all), failures, len(r.bodies()))
		})
	}
}
