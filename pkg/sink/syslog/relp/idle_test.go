package relp_test

import (
	"net"
	"runtime"
	"testing"

	"github.com/sluice-siem/sluice/pkg/internal/footprint"
	"github.com/sluice-siem/sluice/pkg/sink/syslog/relp"
	"github.com/sluice-siem/sluice/pkg/sink/syslog/relp/relptest"
)

// An idle session holds no buffer for what it sends.
func TestAnIdleSessionIsSmall(t *testing.T) {
	const sessions, most = 20, 48 << 10
	address := relptest.New(t).Listen()
	before := footprint.Heap()
	var all [sessions]*relp.Session
	for i := range all {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if all[i], err = relp.Open(t.Context(), conn); err != nil {
			t.Fatal(err)
		}
		defer all[i].Close(t.Context())
		if _, err := all[i].Send(t.Context(), [][]byte{[]byte("message")}); err != nil {
			t.Fatal(err)
		}
	}
	if held := (footprint.Heap() - before) / sessions; held > most {
		t.Errorf("an idle session holds %d bytes, its server included, want at most %d", held, most)
	}
	runtime.KeepAlive(all)
}
