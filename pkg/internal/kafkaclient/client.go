package kafkaclient

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/sluice-siem/sluice/pkg/internal/echo"
)

// Client is a connection to a cluster that knows why it does not come about.
// Left alone, franz-go tries again for ever and keeps the reason to itself.
type Client struct {
	*kgo.Client
	trouble trouble
	gate    *gate
	close   sync.Once
}

// Dial makes a connection, as net.Dialer.DialContext does.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// New makes a client. It connects, by dial or, if that is nil, as the settings
// say, when it is first used. What kgo tells goes to log at level debug.
func New(s *Settings, log zerolog.Logger, dial Dial, opts ...kgo.Opt) (*Client, error) {
	if dial == nil {
		dial = s.dial
	}
	sent := &echo.Filter{}
	c := &Client{trouble: trouble{echo: sent, refused: make(chan struct{})}, gate: newGate()}
	id := s.ClientID
	if id == "" {
		id = DefaultClientID
	}
	base := []kgo.Opt{
		kgo.SeedBrokers(s.Brokers...),
		kgo.ClientID(id),
		kgo.Dialer(func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return gatedConn{conn, c.gate}, nil
		}),
		kgo.WithHooks(&c.trouble),
		kgo.WithLogger(logger{log, sent}),
		// Client metrics (KIP-714) would be one more thing to wait for on Close.
		kgo.DisableClientMetrics(),
	}
	if s.SASL != nil {
		base = append(base, kgo.SASL(s.SASL.mechanism(sent)))
	}
	kc, err := kgo.NewClient(append(base, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("making Kafka client: %w", err)
	}
	c.Client = kc
	return c, nil
}

// Close ends everything the client does; what is under way fails with
// kgo.ErrClientClosed. It may be called more than once, and at any time.
func (c *Client) Close() {
	c.close.Do(func() {
		close(c.gate.broken)
		c.Client.Close()
	})
}

// Refused is closed when a broker turned the client away for a reason that
// waiting does not mend (credentials, TLS), and no broker ever let it in.
func (c *Client) Refused() <-chan struct{} { return c.trouble.refused }

// Trouble is why the last attempt to connect failed; nil if it did not.
func (c *Client) Trouble() error {
	c.trouble.mu.Lock()
	defer c.trouble.mu.Unlock()
	return c.trouble.last
}

// trouble is told by kgo of each attempt to connect.
type trouble struct {
	mu      sync.Mutex
	echo    *echo.Filter // of what was sent
	last    error
	settled bool // a broker let us in, or refused is closed
	refused chan struct{}
}

// OnBrokerConnect implements kgo.HookBrokerConnect.
func (t *trouble) OnBrokerConnect(meta kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		t.last, t.settled = nil, true
		return
	}
	if errors.Is(err, kgo.ErrClientClosed) || errors.Is(err, context.Canceled) {
		return
	}
	t.last = fmt.Errorf("connecting to broker %s: %w", net.JoinHostPort(meta.Host, fmt.Sprint(meta.Port)), t.echo.Error(err))
	if !t.settled && refusal(err) {
		t.settled = true
		close(t.refused)
	}
}

// dialTimeout is how long a connection may take to come about, the TLS
// handshake included: kgo's own default, which a Dialer replaces.
const dialTimeout = 10 * time.Second

func (s *Settings) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if !s.TLS.Enabled() {
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	}
	conn, err := s.TLS.Dial(ctx, network, address)
	if op, ok := errors.AsType[*net.OpError](err); err != nil && (!ok || op.Op != "dial") {
		return nil, &handshakeError{err}
	}
	return conn, err
}

// handshakeError is about TLS, on a connection that stood.
type handshakeError struct{ error }

func (e *handshakeError) Unwrap() error { return e.error }

// mechanism asks for the secret at each authentication, since it may be one of
// a file that changes.
func (s *SASL) mechanism(sent *echo.Filter) sasl.Mechanism {
	switch s.Mechanism {
	case OAuthBearer:
		return oauth.Oauth(func(context.Context) (oauth.Auth, error) {
			token, err := s.Token.Value()
			sent.Sent(token)
			return oauth.Auth{Token: token}, unreadable("sasl.token", err)
		})
	case Plain:
		return plain.Plain(func(context.Context) (plain.Auth, error) {
			password, err := s.Password.Value()
			sent.Sent(password)
			return plain.Auth{User: s.Username, Pass: password}, unreadable("sasl.password", err)
		})
	}
	auth := func(context.Context) (scram.Auth, error) {
		password, err := s.Password.Value()
		sent.Sent(password)
		return scram.Auth{User: s.Username, Pass: password}, unreadable("sasl.password", err)
	}
	if s.Mechanism == SCRAM256 {
		return scram.Sha256(auth)
	}
	return scram.Sha512(auth)
}

// secretError is about a secret of ours that could not be had.
type secretError struct {
	key string
	err error
}

func (e *secretError) Error() string { return e.key + ": " + e.err.Error() }
func (e *secretError) Unwrap() error { return e.err }

func unreadable(key string, err error) error {
	if err == nil {
		return nil
	}
	return &secretError{key, err}
}

// logger passes on what kgo tells, for those who set the level to debug. What
// matters to others comes back as an error.
type logger struct {
	log  zerolog.Logger
	echo *echo.Filter
}

func (l logger) Level() kgo.LogLevel {
	if l.log.GetLevel() > zerolog.DebugLevel || zerolog.GlobalLevel() > zerolog.DebugLevel {
		return kgo.LogLevelNone
	}
	return kgo.LogLevelInfo
}

func (l logger) Log(_ kgo.LogLevel, msg string, keyvals ...any) {
	for i, v := range keyvals {
		if err, ok := v.(error); ok {
			keyvals[i] = l.echo.Error(err)
		}
	}
	l.log.Debug().Str("client", "kgo").Fields(keyvals).Msg(msg)
}
