package httpsink

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink/internal/posting"
)

// Check tries what can be tried without an event: the name, the connection, TLS, and
// whether an OAuth 2 server gives a token. No request goes to the server, since one that
// takes any request would take it for an event. So only a real event shows whether the server
// accepts the credential and the address.
func (p *poster) Check(ctx context.Context) (string, error) {
	if p.check != nil {
		return p.check(ctx, p)
	}
	found, err := p.connect(ctx)
	if err != nil {
		return "", err
	}
	if grant, ok := p.client.Credential.(*posting.Grant); ok {
		if _, err := grant.Token(ctx); err != nil {
			return "", err
		}
		found += "; " + grant.Client.Shown + " gives a token"
	}
	return found + "; whether it takes events, only --send-test shows", nil
}

const connectTimeout = 20 * time.Second

// connect opens a connection to the server and closes it. Through a proxy it does not: the
// proxy answers for the server.
func (p *poster) connect(ctx context.Context) (string, error) {
	u, err := p.address()
	if err != nil {
		return "", p.client.Wrap(err)
	}
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u})
	if err != nil {
		return "", p.client.Unreachable(err)
	}
	if proxy != nil {
		return fmt.Sprintf("%s is reached through the proxy %s, so no connection was tried", p.client.Shown, proxy.Redacted()), nil
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	conn, err := p.dial(ctx, u)
	if err != nil {
		return "", p.client.Unreachable(err)
	}
	if err := conn.Close(); err != nil {
		return "", p.client.Unreachable(err)
	}
	if encrypted(u.Scheme + ":") {
		return p.client.Shown + " answers in TLS", nil
	}
	return p.client.Shown + " takes connections", nil
}

func (p *poster) dial(ctx context.Context, u *url.URL) (net.Conn, error) {
	port := u.Port()
	if port == "" {
		port = u.Scheme // which the system knows as a service
	}
	address := net.JoinHostPort(u.Hostname(), port)
	if encrypted(u.Scheme + ":") {
		return p.tls.Dial(ctx, "tcp", address)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", address)
}
