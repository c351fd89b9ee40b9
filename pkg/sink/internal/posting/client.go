package posting

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/echo"
	"github.com/sluice-siem/sluice/pkg/internal/httpclient"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
)

const (
	// requestTimeout limits the time of a request and its answer.
	requestTimeout = 30 * time.Second
	// idleTimeout is how long a connection is kept for the next request. Servers and load
	// balancers close idle ones themselves, the impatient after 12 seconds (a busy Splunk:
	// busyKeepAliveIdleTimeout in server.conf); none should be closing while a request is
	// written to it.
	idleTimeout = 10 * time.Second
	// pingTimeout is after how long without a byte a connection of HTTP/2 is asked whether
	// it still stands, and how long the answer may take.
	pingTimeout = 10 * time.Second
)

// NewTransport returns the transport that setting.TLS clones, for that many requests in
// flight. It uses HTTP/2 where a server offers it.
func NewTransport(concurrency int) *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
		MaxConnsPerHost:     concurrency,
		MaxIdleConnsPerHost: concurrency,
		IdleConnTimeout:     idleTimeout,
		ForceAttemptHTTP2:   true, // with TLS settings and a dialler of its own a transport else does not
		HTTP2:               &http.HTTP2Config{SendPingTimeout: pingTimeout, PingTimeout: pingTimeout},
	}
}

// Access is what a Client knows of its server.
type Access struct {
	Shown      string       // the address in errors, without any part that may be a secret
	Hidden     []string     // parts of the address that may be secrets, which answers may repeat
	Peer       setting.Peer // explains errors of the connection
	Credential Credential   // nil: none

	// Moved returns Shown and Peer anew, of an address that may change; nil: it does not.
	Moved func() (shown string, peer setting.Peer)

	Jar http.CookieJar // nil: cookies are not kept
}

// Client makes the requests of a sink. It may be used concurrently. It follows no redirect:
// that would carry the credential and the events to another address.
type Client struct {
	Access
	Echo echo.Filter // removes what was sent from answers and errors
	http *http.Client
}

// NewClient returns a client over a transport, such as TLS.Transport(NewTransport(8)).
func NewClient(over http.RoundTripper, a Access) *Client {
	return &Client{Access: a, http: &http.Client{
		Transport:     over,
		Jar:           a.Jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// CloseIdleConnections closes the connections that carry no request. A load balancer may
// choose another server for a new one.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

// Post makes a request with the body, the client's credential in it, and reads the reply. It
// makes it again if judge says Unauthorized and another credential may be accepted: a
// request that was refused so was not taken. A reply that Peer.ExplainAnswer recognizes is of
// a proxy or a port that expects TLS. It says nothing about records, so its verdict is
// Destination, whatever judge says. An error means that there was no reply; it is complete,
// with its hint.
func (c *Client) Post(ctx context.Context, build func(context.Context) (*http.Request, error), body []byte, judge func(Reply) Rule) (Reply, Rule, error) {
	return c.PostUpTo(ctx, 0, build, body, judge)
}

// PostUpTo is Post that reads so many bytes of the answer; 0: as many as Do.
func (c *Client) PostUpTo(ctx context.Context, most int, build func(context.Context) (*http.Request, error), body []byte, judge func(Reply) Rule) (Reply, Rule, error) {
	for try := 1; ; try++ {
		reply, used, err := c.attempt(ctx, cmp.Or(most, maxAnswer), build, body)
		if err != nil {
			return Reply{}, Rule{Verdict: Retry}, err
		}
		rule := judge(reply)
		switch {
		case reply.Advice.Stays:
			return reply, Rule{Destination, reply.Advice.Hint}, nil
		case c.Credential == nil:
		case rule.Verdict == Unauthorized:
			if c.Credential.Refused(used, reply.Error()) && try < maxTries {
				continue
			}
		case rule.Verdict == Delivered || rule.Verdict == Taken:
			c.Credential.Accepted(used)
		}
		return reply, rule, nil
	}
}

// maxTries is how many credentials a request is made with: a changed one and the former, or
// one that ran out and a new one.
const maxTries = 2

func (c *Client) attempt(ctx context.Context, most int, build func(context.Context) (*http.Request, error), body []byte) (_ Reply, used string, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	r, err := build(ctx)
	if err != nil {
		return Reply{}, "", c.Unreachable(err)
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	if c.Credential != nil {
		if used, err = c.Credential.Authorize(ctx, r, body); err != nil {
			return Reply{}, "", c.Wrap(err)
		}
		c.Echo.Sent(used)
	}
	reply, err := c.do(r, most)
	return reply, used, err
}

// maxAnswer is how many bytes of an answer are read, unless PostUpTo says otherwise.
const maxAnswer = 1 << 20

// Do makes a request as it is and reads the reply, up to 1 MiB. The context of the request
// should have a deadline. An error is as that of Post.
func (c *Client) Do(r *http.Request) (Reply, error) { return c.do(r, maxAnswer) }

func (c *Client) do(r *http.Request, most int) (Reply, error) {
	c.Echo.Sent(c.Hidden...)
	c.Echo.Request(r) // after the address, so that no long one replaces the credential in the filter
	r.Header.Set("User-Agent", "sluice")
	response, err := c.http.Do(r)
	if err != nil {
		return Reply{}, c.Unreachable(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, int64(most)+1))
	if err != nil {
		return Reply{}, c.Unreachable(fmt.Errorf("reading the answer: %w", err))
	}
	reply := Reply{Status: response.StatusCode, Header: response.Header, Wait: httpclient.RetryAfter(response.Header), sent: &c.Echo}
	reply.Body, reply.Cut = body[:min(len(body), most)], len(body) > most
	_, peer := c.where()
	reply.Advice = peer.ExplainAnswer(reply.Status, reply.Body)
	if reply.Status == http.StatusTooManyRequests || reply.Status == http.StatusBadGateway || reply.Status == http.StatusServiceUnavailable {
		// A load balancer may choose another server for a new connection.
		c.http.CloseIdleConnections()
	}
	return reply, nil
}

// Wrap adds the operation to an error.
func (c *Client) Wrap(err error) error {
	shown, _ := c.where()
	return fmt.Errorf("posting to %s: %w", shown, err)
}

func (c *Client) where() (shown string, peer setting.Peer) {
	if c.Moved == nil {
		return c.Shown, c.Peer
	}
	return c.Moved()
}

// Unreachable returns the error of a request without a reply. It omits the method
// and address that http.Client adds.
func (c *Client) Unreachable(err error) error {
	if wrapped := new(url.Error); errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	_, peer := c.where()
	return Advised(c.Wrap(c.Echo.Error(err)), peer.Explain(err))
}

// Advised adds the advice to an error.
func Advised(err error, a setting.Advice) error {
	switch {
	case a.Stays:
		return sink.Destination(err, a.Hint)
	case a.Hint != "":
		return sink.Hint(err, a.Hint)
	}
	return err
}

// Fault returns the error of a reply for an Answer.
func (c *Client) Fault(r Reply, rule Rule) error { return c.FaultOf(r, r, rule) }

// FaultOf is Fault with another description of the reply.
func (c *Client) FaultOf(described error, r Reply, rule Rule) error {
	err := c.Wrap(described)
	switch {
	case rule.Verdict == Delivered || rule.Verdict == Taken:
		return nil
	case r.Advice.Hint != "":
		return Advised(err, r.Advice)
	case rule.Verdict == Unauthorized:
		return sink.Refused(err, rule.Hint)
	case rule.Verdict == Destination:
		return sink.Destination(err, rule.Hint)
	}
	if r.Wait > 0 {
		err = sink.RetryAfter(err, r.Wait)
	}
	if rule.Hint != "" {
		err = sink.Hint(err, rule.Hint)
	}
	return err
}

// Reply is a server's answer to a request.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
	Cut    bool           // Body is only the beginning
	Wait   time.Duration  // of Retry-After
	Advice setting.Advice // of a reply that is not the server's

	sent *echo.Filter
}

// shown is how much of a reply's text an error shows, in characters.
const shown = 200

// Excerpt returns the start of a text of the reply for people, without secrets.
func (r Reply) Excerpt(text string) string { return httpclient.Excerpt(text, r.sent, shown) }

// Error describes the reply for people.
func (r Reply) Error() string {
	text := fmt.Sprintf("%d %s", r.Status, http.StatusText(r.Status))
	if excerpt := r.Excerpt(string(r.Body)); excerpt != "" {
		return text + ": " + excerpt
	}
	return text
}
