package setting

import (
	"net/http"
	"os"
	"sync"
)

// Transport returns a clone of base with these TLS settings, and keeps it current:
// when ca_file has changed, the next request uses a new clone, whose connections
// are verified against the new authorities. If ca_file cannot be read, the request
// fails. base itself is not used; its proxy settings apply. A proxy that refuses to connect
// is an error that Peer explains, and so is a variable of the environment that should name
// the proxy and does not; see CheckProxy.
func (t *TLS) Transport(base *http.Transport) http.RoundTripper {
	return &transport{tls: t, base: base}
}

type transport struct {
	tls  *TLS
	base *http.Transport

	mu      sync.Mutex
	current *http.Transport
	ca      os.FileInfo // of ca_file when current was made; nil if there is none
}

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	rt, err := t.fresh()
	if err == nil && t.base.Proxy != nil {
		err = checkProxyFor(r.URL)
	}
	if err != nil {
		if r.Body != nil {
			// RoundTripper must close the body on errors too. Nothing was read from
			// it, so an error of Close means nothing.
			_ = r.Body.Close()
		}
		return nil, err
	}
	return rt.RoundTrip(r)
}

// CloseIdleConnections is called by http.Client.CloseIdleConnections.
func (t *transport) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current != nil {
		t.current.CloseIdleConnections()
	}
}

// fresh returns a transport for the current authorities. It calls stat before it
// reads the file: a change in between is then found at the next request.
func (t *transport) fresh() (*http.Transport, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ca, err := t.stat()
	if err != nil {
		return nil, err
	}
	if t.current != nil && sameFile(ca, t.ca) {
		return t.current, nil
	}
	c, err := t.tls.Config()
	if err != nil {
		return nil, err
	}
	next := t.base.Clone()
	next.TLSClientConfig = c
	next.OnProxyConnectResponse = connected
	if t.current != nil {
		t.current.CloseIdleConnections()
	}
	t.current, t.ca = next, ca
	return next, nil
}

func (t *transport) stat() (os.FileInfo, error) {
	if t.tls == nil || t.tls.CAFile == "" {
		return nil, nil
	}
	info, err := os.Stat(t.tls.CAFile)
	if err != nil {
		return nil, &fileError{"ca_file", err}
	}
	return info, nil
}

func sameFile(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
