package planetscale

import (
	"net/http"
	"sync"
	"time"

	"github.com/sluice-siem/sluice/pkg/setting"
)

const (
	// maxConns limits the connections to one host, of all sources that share a transport.
	// Over HTTP/2, which the API has, each of them carries many requests at once.
	maxConns = 64

	// A connection is pinged after pingAfter of silence, and closed if no answer comes
	// within pingTimeout.
	pingAfter   = 10 * time.Second
	pingTimeout = 10 * time.Second
)

// newTransport is the pattern for setting.TLS.
//
// An HTTP/2 request that times out leaves its connection open, and the next request uses
// it again. If a firewall has forgotten the connection, or a relay has lost the other
// side, every request fails until the kernel gives up, or for ever. Pings (RFC 9113, section 6.7; fields
// SendPingTimeout and PingTimeout of http.HTTP2Config) close such a connection after
// 20 s, before requestTimeout. Over HTTP/1.1 a request that ends without an answer
// closes its connection.
func newTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxConnsPerHost, t.MaxIdleConnsPerHost = maxConns, maxConns
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout}
	return t
}

// transports holds a transport for each way to verify a server. Sources share it, and so
// the connections to a host: an idle source needs none of its own.
type transports struct {
	mu  sync.Mutex
	all map[setting.TLS]http.RoundTripper
}

func (t *transports) of(settings *setting.TLS) http.RoundTripper {
	var key setting.TLS
	if settings != nil {
		key = *settings
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil {
		t.all = map[setting.TLS]http.RoundTripper{}
	}
	if t.all[key] == nil {
		t.all[key] = key.Transport(newTransport())
	}
	return t.all[key]
}
