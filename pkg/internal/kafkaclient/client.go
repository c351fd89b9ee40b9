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

	"github.com/sluice-siem/sluice/pkg/internal/echo"
)

// Client is a client of a cluster that knows why it cannot connect. franz-go retries for
// ever and does not report the reason.
type Client struct {
	*kgo.Client
	trouble trouble
	gate    *gate
	close   sync.Once
}

// Dial opens a connection, like net.Dialer.DialContext.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// New makes a client, which connects when it is first used. It connects with dial, or as
// the settings say if dial is nil. The messages of kgo go to log at level debug.
func New(s *Settings, log zerolog.Logger, dial Dial, opts ...kgo.Opt) (*Client, error) {
	if dial == nil {
		dial = s.dial
	}
	sent := &echo.Filter{}
	c := &Client{trouble: trouble{echo: sent, refused: make(chan struct{})}, gate: newGate()}
	c.trouble.login.rotation, c.trouble.login.log = s.Rotation(), log
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
		// Close would have to wait for client metrics (KIP-714).
		kgo.DisableClientMetrics(),
	}
	if s.SASL != nil {
		base = append(base, kgo.SASL(&mechanism{s.SASL, sent, &c.trouble.login}))
	}
	kc, err := kgo.NewClient(append(base, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("making Kafka client: %w", err)
	}
	c.Client = kc
	return c, nil
}

// Close closes the client. Requests that are not answered yet fail with
// kgo.ErrClientClosed. Close may be called at any time, and more than once.
func (c *Client) Close() {
	c.close.Do(func() {
		close(c.gate.broken)
		c.Client.Close()
	})
}

// Refused is closed when a broker refused the client for a reason that stays (credentials,
// TLS), and no broker accepted it before.
func (c *Client) Refused() <-chan struct{} { return c.trouble.refused }

// Trouble is the error of the last attempt to connect; nil if it succeeded.
func (c *Client) Trouble() error {
	c.trouble.mu.Lock()
	defer c.trouble.mu.Unlock()
	return c.trouble.last
}

// trouble is the hook that kgo calls after each attempt to connect.
type trouble struct {
	mu      sync.Mutex
	echo    *echo.Filter // of the secrets that were sent
	login   login
	last    error
	decided bool // a broker accepted the client, or refused is closed
	refused chan struct{}
}

// OnBrokerConnect implements kgo.HookBrokerConnect.
func (t *trouble) OnBrokerConnect(meta kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	again := t.login.judge(net.JoinHostPort(meta.Host, fmt.Sprint(meta.Port)), err)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		t.last, t.decided = nil, true
		return
	}
	if errors.Is(err, kgo.ErrClientClosed) || errors.Is(err, context.Canceled) {
		return
	}
	t.last = fmt.Errorf("connecting to broker %s: %w", net.JoinHostPort(meta.Host, fmt.Sprint(meta.Port)), t.echo.Error(unanswered(err)))
	if !t.decided && !again && refusal(err) {
		t.decided = true
		close(t.refused)
	}
}

// dialTimeout bounds opening a connection, the TLS handshake included. It is kgo's default,
// which does not apply to a custom Dialer.
const dialTimeout = 10 * time.Second

func (s *Settings) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if !s.TLS.Enabled() {
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	}
	return s.TLS.Dial(ctx, network, address)
}

// secretError is about a secret that could not be read.
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

// logger passes on the messages of kgo if the level is debug. What matters at other levels
// comes back as an error.
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
