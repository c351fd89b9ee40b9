package splunkhec

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

const (
	eventPath  = "/services/collector/event"
	ackPath    = "/services/collector/ack"
	healthPath = "/services/collector/health"

	// requestTimeout is for a request and its answer.
	requestTimeout = 30 * time.Second
	// concurrency is how many requests of a Publish are on their way at once.
	concurrency = 8
	// maxAnswer bounds what is read of an answer; those of HEC have some hundred
	// bytes, or some thousand where many acknowledgements were asked for.
	maxAnswer = 1 << 20
	// idleTimeout is less than the 12 s after which a busy Splunk closes a
	// connection (busyKeepAliveIdleTimeout in server.conf), so that no request is
	// written into one that is being closed.
	idleTimeout = 10 * time.Second
)

// newTransport is the pattern for setting.TLS. HTTP/2 is not spoken, as by HEC.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
		MaxConnsPerHost:     concurrency,
		MaxIdleConnsPerHost: concurrency,
		IdleConnTimeout:     idleTimeout,
	}
}

func newClient(over http.RoundTripper, jar http.CookieJar) *http.Client {
	return &http.Client{
		Transport: over,
		Jar:       jar,
		// A redirect would carry the token to another address.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// postEvents sends encoded records.
func (h *hec) postEvents(ctx context.Context, channel string, body []byte) (answer, error) {
	sent, err := h.compress(body)
	if err != nil {
		return answer{}, h.posting(err)
	}
	return h.post(ctx, channel, eventPath, sent, h.settings.Compression == "gzip")
}

// post sends a body to a path of HEC on a channel, and reads the answer. An error
// means that there was none.
func (h *hec) post(ctx context.Context, channel string, path string, body []byte, compressed bool) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url+path, bytes.NewReader(body))
	if err != nil {
		return answer{}, h.posting(err)
	}
	token, err := h.settings.Token.Value()
	if err != nil {
		return answer{}, h.unreadable(err)
	}
	r.Header.Set("Authorization", "Splunk "+token)
	r.Header.Set("Content-Type", "application/json")
	if compressed {
		r.Header.Set("Content-Encoding", "gzip")
	}
	if h.settings.Ack != ackOff {
		r.Header.Set("X-Splunk-Request-Channel", channel)
	}
	return h.do(r)
}

func (h *hec) do(r *http.Request) (answer, error) {
	h.echo.Request(r)
	// Without one Splunk falls back to HTTP/1.0 (forceHttp10 in inputs.conf), and
	// each request takes a connection of its own.
	r.Header.Set("User-Agent", "sluice")
	response, err := h.client.Do(r)
	if err != nil {
		return answer{}, h.unreachable(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return answer{}, h.unreachable(fmt.Errorf("reading the answer: %w", err))
	}
	h.met.Store(true)
	a := readAnswer(response, body, &h.echo)
	if a.status == http.StatusTooManyRequests || a.status == http.StatusBadGateway || a.status == http.StatusServiceUnavailable {
		// Over a new connection a load balancer may choose another indexer.
		h.client.CloseIdleConnections()
	}
	return a, nil
}
