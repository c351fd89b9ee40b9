package app_test

import (
	"net"
	"path/filepath"
	"testing"
)

// systemd learns that the process is ready, that it lives and that it stops.
func TestSystemdIsNotified(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	said := make(chan string)
	go func() {
		defer close(said)
		for buf := make([]byte, 4096); ; {
			n, err := socket.Read(buf)
			if err != nil {
				return // it was closed
			}
			said <- string(buf[:n])
		}
	}()
	p := startProcess(t, 5, "env", "NOTIFY_SOCKET="+path, "WATCHDOG_USEC=20000000")
	for _, want := range []string{"READY=1", "WATCHDOG=1"} {
		if got := <-said; got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
	p.await(t, 5)
	p.stop(t)
	if got := <-said; got != "STOPPING=1" {
		t.Errorf("got %q, want that it stops", got)
	}
}
