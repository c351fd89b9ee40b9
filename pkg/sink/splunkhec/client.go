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
	// requestTimeout limits the time of a request and its answer.
	requestTimeout = 30 * time.Second
	// concurrency is how many requests of a Publish are in flight at once.
	concurrency = 8
	// maxAnswer limits how much of an answer is read. HEC's answers have a few hundred
	// bytes.
	maxAnswer = 1 << 20
	// idleTimeout is less than the 12 s after which a busy Splunk closes an idle
	// connection (busyKeepAliveIdleTimeout in server.conf), so that no request is
	// written to a connection that Splunk is closing.
	idleTimeout = 10 * time.Second
)

// newTransport returns the transport that setting.TLS clones. It does not use
// HTTP/2, which HEC does not support.
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
		return answer{}, h.wrap(err)
	}
	return h.post(ctx, channel, h.at.event, sent, h.settings.Compression == "gzip")
}

// post sends a body to an address of HEC on a channel, and reads the answer. An error
// means that there was no answer. If a token that was rotated is refused, post sends the
// body again with the former one: a refused request was not taken.
func (h *hec) post(ctx context.Context, channel, address string, body []byte, compressed bool) (answer, error) {
	rotation := h.settings.Rotation()
	for {
		token, err := rotation.Token()
		if err != nil {
			return answer{}, h.unreadable(err)
		}
		a, err := h.postWith(ctx, token, channel, address, body, compressed)
		switch {
		case err != nil:
			return a, err
		case a.refusesToken():
			if rotation.Refused(h.log, token, a.Error()) {
				continue
			}
		case a.judge().verdict == accepted:
			rotation.Accepted(h.log, token)
		}
		return a, nil
	}
}

func (h *hec) postWith(ctx context.Context, token, channel, address string, body []byte, compressed bool) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return answer{}, h.unreachable(err)
	}
	r.Header.Set("Authorization", h.settings.AuthScheme+" "+token)
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
	h.echo.Sent(h.at.hidden...)
	h.echo.Request(r) // after the path, so that no long path replaces the token in the filter
	// Without a User-Agent Splunk falls back to HTTP/1.0 (forceHttp10 in inputs.conf),
	// and each request needs a new connection.
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
	h.answered.Store(true)
	a := readAnswer(response, body, &h.echo)
	a.advice = h.settings.peer().ExplainAnswer(a.status, body)
	if a.status == http.StatusTooManyRequests || a.status == http.StatusBadGateway || a.status == http.StatusServiceUnavailable {
		// A load balancer may choose another indexer for a new connection.
		h.client.CloseIdleConnections()
	}
	return a, nil
}
