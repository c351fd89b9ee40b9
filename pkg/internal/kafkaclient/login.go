package kafkaclient

import (
	"context"
	"errors"
	"sync"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/sluice-siem/sluice/pkg/internal/echo"
	"github.com/sluice-siem/sluice/pkg/setting"
)

// Rotation is that of the secret with which the client authenticates.
func (s *Settings) Rotation() *setting.Rotation {
	switch {
	case s.SASL == nil:
		return setting.Secret{}.Rotation()
	case s.SASL.Mechanism == OAuthBearer:
		return s.SASL.Token.Rotation()
	}
	return s.SASL.Password.Rotation()
}

// login remembers which secret was sent to which broker, since only the hook of a
// connection learns whether it was accepted.
type login struct {
	rotation *setting.Rotation
	log      zerolog.Logger

	mu   sync.Mutex
	sent map[string]string // by the address of the broker
}

func (l *login) send(address, value string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sent == nil {
		l.sent = map[string]string{}
	}
	l.sent[address] = value
}

// judge reports the outcome of a connection to a broker. again means that the next one
// sends another secret, which was accepted before.
func (l *login) judge(address string, err error) (again bool) {
	l.mu.Lock()
	value, known := l.sent[address]
	delete(l.sent, address)
	l.mu.Unlock()
	switch {
	case !known:
	case err == nil:
		l.rotation.Accepted(l.log, value)
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		return l.rotation.Refused(l.log, value, kerr.SaslAuthenticationFailed.Message)
	}
	return false
}

// mechanism reads the secret at each authentication, since its file may have changed.
type mechanism struct {
	*SASL
	echo  *echo.Filter
	login *login
}

func (m *mechanism) Name() string { return m.Mechanism }

func (m *mechanism) Authenticate(ctx context.Context, host string) (sasl.Session, []byte, error) {
	read, key := m.login.rotation.Value, "sasl.password"
	if m.Mechanism == OAuthBearer {
		read, key = m.login.rotation.Token, "sasl.token"
	}
	value, err := read()
	m.echo.Sent(value)
	if err != nil {
		return nil, nil, unreadable(key, err)
	}
	m.login.send(host, value)
	return m.with(value).Authenticate(ctx, host)
}

// with returns the mechanism with a secret.
func (m *mechanism) with(value string) sasl.Mechanism {
	switch m.Mechanism {
	case OAuthBearer:
		return oauth.Auth{Token: value}.AsMechanism()
	case Plain:
		return plain.Auth{User: m.Username, Pass: value}.AsMechanism()
	case SCRAM256:
		return scram.Auth{User: m.Username, Pass: value}.AsSha256Mechanism()
	}
	return scram.Auth{User: m.Username, Pass: value}.AsSha512Mechanism()
}
