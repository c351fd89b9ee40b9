package splunkhec

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"sync"
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

func newClient(over http.RoundTripper) (*http.Client, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, fmt.Errorf("making a cookie jar: %w", err)
	}
	return &http.Client{
		Transport: over,
		Jar:       jar,
		// A redirect would carry the token to another address.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// session is a channel of HEC's on one indexer. Acknowledgements exist on the
// indexer that took the events, and nowhere else; behind a load balancer cookies
// lead there. So a cookie that is new in the middle says that another indexer
// answers from now on, where nothing is known of what was sent before.
type session struct {
	channel string // a GUID, in X-Splunk-Request-Channel
	met     bool   // something answered in it
}

func newSession() *session {
	var b [16]byte
	// It never fails: see package crypto/rand.
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80 // version 4 (RFC 9562, section 5.4)
	return &session{channel: fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])}
}

// sessions hands out the current session, and ends it when a cookie says so.
type sessions struct {
	mu      sync.Mutex
	current *session
	cookies map[string]string
}

func (s *sessions) now() *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// met reports whether something answered in the current session, so that its
// cookies are there.
func (s *sessions) met() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current.met
}

// renew ends the current session. Its cookies lead to the next, too.
func (s *sessions) renew() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = &session{channel: newSession().channel, met: s.current.met}
}

// learn takes in the cookies of an answer, which the jar sends from now on. The
// first answer brings those that belong to the session; a later one that brings
// others ends it.
func (s *sessions) learn(cookies []*http.Cookie) {
	s.mu.Lock()
	defer s.mu.Unlock()
	moved := false
	for _, c := range cookies {
		if s.cookies[c.Name] != c.Value {
			s.cookies[c.Name] = c.Value
			moved = s.current.met
		}
	}
	if moved {
		s.current = newSession()
	}
	s.current.met = true
}

// postEvents sends encoded records.
func (h *hec) postEvents(ctx context.Context, in *session, body []byte) (answer, error) {
	sent, err := h.compress(body)
	if err != nil {
		return answer{}, h.posting(err)
	}
	return h.post(ctx, in, eventPath, sent, h.settings.Compression == "gzip")
}

// post sends a body to a path of HEC in a session, and reads the answer. An error
// means that there was none.
func (h *hec) post(ctx context.Context, in *session, path string, body []byte, compressed bool) (answer, error) {
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
		r.Header.Set("X-Splunk-Request-Channel", in.channel)
	}
	return h.do(r, token)
}

func (h *hec) do(r *http.Request, secret string) (answer, error) {
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
	h.sessions.learn(response.Cookies())
	if secret != "" {
		body = bytes.ReplaceAll(body, []byte(secret), []byte("[redacted]"))
	}
	a := readAnswer(response, body)
	if a.status == http.StatusTooManyRequests || a.status == http.StatusBadGateway || a.status == http.StatusServiceUnavailable {
		// Over a new connection a load balancer may choose another indexer.
		h.client.CloseIdleConnections()
	}
	return a, nil
}
