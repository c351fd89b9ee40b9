package planetscale

import (
	"net/http"
	"time"
)

const (
	// pingAfter is how long a connection may be silent before it is asked whether
	// there is anybody, and pingTimeout how long it has for the answer.
	pingAfter   = 10 * time.Second
	pingTimeout = 10 * time.Second
)

// newTransport is the pattern for setting.TLS.
//
// A request over HTTP/2 that gets no answer ends alone, and the next one takes the
// same connection. Where a firewall drops the packets of a connection that it
// forgot, or a relay keeps one side open whose other side is gone, all would fail
// for as long as the kernel tries, or for ever. Pings (RFC 9113, section 6.7; fields
// SendPingTimeout and PingTimeout of http.HTTP2Config) close such a connection after
// 20 s, before requestTimeout. Over HTTP/1.1 a request that ends without an answer
// takes its connection with it.
func newTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxConnsPerHost = 4
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout}
	return t
}
