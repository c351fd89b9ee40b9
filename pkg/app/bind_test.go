package app

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"

	"github.com/sluice-siem/sluice/pkg/internal/freeport"
)

// A sluice can start while a check tries the address.
func TestAnAddressThatIsTriedIsFree(t *testing.T) {
	port, err := freeport.Loopback()
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "0.0.0.0", ""} {
		address := fmt.Sprintf("%s:%d", host, port)
		tried := false
		config := net.ListenConfig{Control: bind(func() error {
			tried = true
			started, err := net.Listen("tcp", address)
			if err != nil {
				return err
			}
			if err := tryBind(t.Context(), address); !errors.Is(err, syscall.EADDRINUSE) {
				t.Errorf("%s: got %v while a listener is there, want %v", address, err, syscall.EADDRINUSE)
			}
			return errors.Join(started.Close(), errBound)
		})}
		if _, err := config.Listen(t.Context(), "tcp", address); !errors.Is(err, errBound) || !tried {
			t.Errorf("%s: got error %v", address, err)
		}
		if err := tryBind(t.Context(), address); err != nil {
			t.Errorf("%s: got %v, want no error", address, err)
		}
	}
}

// tryBind says what net.Listen says.
func TestTryBindFindsWhatListenDoes(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", ":0", "0.0.0.0:0", "[::]:0", "[::1]:0", "localhost:0", "192.0.2.1:9876", "no..host:9876", "[fe80::1%nowhere]:9876"} {
		listener, err := net.Listen("tcp", address)
		if err == nil {
			err = listener.Close()
		}
		if tried := tryBind(t.Context(), address); fmt.Sprint(tried) != fmt.Sprint(err) {
			t.Errorf("%s: got %v, and net.Listen says %v", address, tried, err)
		}
	}
}
