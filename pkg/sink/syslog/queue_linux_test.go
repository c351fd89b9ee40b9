package syslog_test

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluice-siem/sluice/pkg/sink/syslog"
)

// TestQueueOfABrokenConnectionIsNotEmpty ends connections that nobody reads from, so that
// only the kernel knows.
func TestQueueOfABrokenConnectionIsNotEmpty(t *testing.T) {
	for _, tt := range []struct {
		words string
		sent  int // bytes, which nobody reads
		end   func(*conn)
	}{
		{"reset with bytes on their way", 60_000, func(c *conn) { _ = c.SetLinger(0); _ = c.Close() }},
		{"reset", 0, func(c *conn) { _ = c.SetLinger(0); _ = c.Close() }},
		{"half closed", 0, func(c *conn) { _ = c.CloseWrite() }},
	} {
		t.Run(tt.words, func(t *testing.T) {
			accepted := make(chan *conn, 1)
			url := peer(t, func(c *conn) { accepted <- c })
			dialled, err := net.Dial("tcp", settings(t, url).Address[0].Host)
			if err != nil {
				t.Fatal(err)
			}
			ours, theirs := dialled.(*conn), <-accepted
			defer ours.Close()
			defer theirs.Close()
			if _, err := ours.Write(make([]byte, tt.sent)); err != nil {
				t.Fatal(err)
			}
			waiting, err := syslog.Unacknowledged(ours)
			if err != nil || (waiting > 0) != (tt.sent > 0) {
				t.Fatalf("got %d bytes waiting, %v, of %d sent", waiting, err, tt.sent)
			}
			tt.end(theirs)
			for began := time.Now(); err == nil && time.Since(began) < 5*time.Second; {
				if waiting, err = syslog.Unacknowledged(ours); tt.sent > 0 && waiting == 0 && err == nil {
					t.Fatal("the queue is said to be empty, although nobody read what was in it")
				}
			}
			if err == nil {
				t.Error("the connection is still said to be sound")
			}
		})
	}
}

// TestSilenceIsLimited asks the kernel how long it will wait for a receiver that vanished:
// half a minute, and not its default of 15 minutes.
func TestSilenceIsLimited(t *testing.T) {
	r := newReceiver(t, nil)
	s := r.settings
	s.Settle = 0
	snk := open(t, s)
	deliver(t, snk, batch(0, 1))
	raw, err := syslog.Beneath(snk).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for _, option := range []struct {
		words             string
		level, name, want int
	}{
		{"bytes that are not acknowledged, in milliseconds", unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 30_000},
		{"probes of an idle connection", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{"seconds before the first probe", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 15},
	} {
		var got int
		var failed error
		if err := raw.Control(func(fd uintptr) { got, failed = unix.GetsockoptInt(int(fd), option.level, option.name) }); err != nil {
			t.Fatal(err)
		}
		if failed != nil || got != option.want {
			t.Errorf("%s: got %d, %v, want %d", option.words, got, failed, option.want)
		}
	}
}
