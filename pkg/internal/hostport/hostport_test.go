package hostport_test

import (
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/internal/hostport"
)

func TestSplit(t *testing.T) {
	for _, tt := range []struct{ text, host, port string }{
		{"kafka:9092", "kafka", "9092"}, {"kafka", "kafka", ""}, {":9876", "", "9876"}, {"kafka:", "kafka", ""},
		{"127.0.0.1:0", "127.0.0.1", "0"}, {"127.0.0.1", "127.0.0.1", ""},
		{"[::1]:9092", "::1", "9092"}, {"[::1]", "::1", ""}, {"[fe80::1%eth0]:1", "fe80::1%eth0", "1"}, {"", "", ""},
	} {
		host, port, err := hostport.Split(tt.text)
		if err != nil || host != tt.host || port != tt.port {
			t.Errorf("%q: got %q, %q and %v, want %q and %q", tt.text, host, port, err, tt.host, tt.port)
		}
	}
}

func TestWhatIsNoHostAndPort(t *testing.T) {
	for text, want := range map[string]string{
		"kafka://secret:9092": "a scheme", "u:secret@kafka:9092": "a credential", "kafka:9092/secret": "more than",
		"a:1,secret:2": "more than one address", "secret:1 ": "a blank", "secret\u00a0:1": "a no-break space", "secret:1\r": "a line end",
		"::1:9092": "[::1]", "::1": "[::1]", "secret:a:1": "a colon too many",
		"secret:http": "port", "secret:65536": "port", "secret:-1": "port", "[secret:1": "is not host:port", "[::1]secret": "is not host:port",
	} {
		_, _, err := hostport.Split(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: got %v, want an error with %q", text, err, want)
		}
	}
}
