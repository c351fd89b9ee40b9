package setting

import (
	"net/http"
	"os"
	"sync"
)

// Transport returns base with these TLS settings, and keeps it current: when
// the file of the authorities has changed, the next request goes through a new
// clone of base, whose connections are verified anew. That file unreadable, the
// request fails. base serves as the pattern and is not used itself; proxies
// work as it says.
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
	if err != nil {
		if r.Body != nil {
			// The contract of RoundTripper wants the body closed on errors too;
			// nothing was read of it that its own error could be about.
			_ = r.Body.Close()
		}
		return nil, err
	}
	return rt.RoundTrip(r)
}

// CloseIdleConnections is what http.Client.CloseIdleConnections calls.
func (t *transport) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current != nil {
		t.current.CloseIdleConnections()
	}
}

// fresh returns the transport for the authorities there are. Their file is
// looked at before it is read: a change in between is found at the next request.
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
	return os.Stat(t.tls.CAFile)
}

func sameFile(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
