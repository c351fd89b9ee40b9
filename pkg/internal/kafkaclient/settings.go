// Package kafkaclient is how Sluice connects to Kafka: the settings that the
// sink, positions and dead letters share, the client made of them, and what to
// tell a person when the cluster refuses.
//
// Credentials and certificates are read again at each new connection, so that
// a rotated one is used without a restart.
package kafkaclient

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/sluice-siem/sluice/pkg/setting"
)

// Settings say how to reach a cluster and who to be there.
type Settings struct {
	Brokers  []string     `yaml:"brokers"`   // host:port of some of the brokers; the others are learned; port 9092 if left out
	ClientID string       `yaml:"client_id"` // name in the brokers' logs and quotas; default "sluice"
	TLS      *setting.TLS `yaml:"tls"`       // default: none; "tls: {}" speaks TLS with the system's roots
	SASL     *SASL        `yaml:"sasl"`      // default: none
}

// DefaultClientID is the client_id of settings that name none.
const DefaultClientID = "sluice"

// SASL is how the client proves who it is.
type SASL struct {
	Mechanism string         `yaml:"mechanism"` // PLAIN | SCRAM-SHA-256 | SCRAM-SHA-512 | OAUTHBEARER
	Username  string         `yaml:"username"`  // for all but OAUTHBEARER
	Password  setting.Secret `yaml:"password"`  // for all but OAUTHBEARER
	Token     setting.Secret `yaml:"token"`     // for OAUTHBEARER
}

// The mechanisms, as IANA's registry and Kafka's sasl.enabled.mechanisms name
// them.
const (
	Plain       = "PLAIN"
	SCRAM256    = "SCRAM-SHA-256"
	SCRAM512    = "SCRAM-SHA-512"
	OAuthBearer = "OAUTHBEARER"
)

// Validate reports brokers that cannot be addresses.
func (s *Settings) Validate() []error {
	if len(s.Brokers) == 0 {
		return []error{setting.Invalid("brokers", errors.New(`missing; name at least one broker, such as "kafka:9092"`))}
	}
	var errs []error
	for i, b := range s.Brokers {
		if err := address(b); err != nil {
			errs = append(errs, setting.Invalid("brokers["+strconv.Itoa(i)+"]", err))
		}
	}
	return errs
}

// address accepts what kgo.SeedBrokers does: host:port, or a host alone.
func address(broker string) error {
	if strings.ContainsAny(broker, "@/") {
		return errors.New("has more than host:port; write such as kafka:9092, and credentials under sasl")
	}
	host, port, err := net.SplitHostPort(broker)
	if addr, ok := errors.AsType[*net.AddrError](err); ok && addr.Err == "missing port in address" {
		host, port, err = broker, "9092", nil
	}
	if err != nil {
		return fmt.Errorf("%q is not host:port: %w", broker, err)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || host == "" {
		return fmt.Errorf("%q is not host:port, such as kafka:9092", broker)
	}
	return nil
}

// Validate reports a mechanism that is unknown, and what it lacks.
func (s *SASL) Validate() []error {
	if s == nil {
		return nil
	}
	var errs []error
	missing := func(key string, set bool) {
		if !set {
			errs = append(errs, setting.Invalid(key, fmt.Errorf("missing; %s needs it", s.Mechanism)))
		}
	}
	switch s.Mechanism {
	case Plain, SCRAM256, SCRAM512:
		missing("username", s.Username != "")
		missing("password", s.Password.IsSet())
	case OAuthBearer:
		missing("token", s.Token.IsSet())
	default:
		errs = append(errs, setting.Invalid("mechanism",
			fmt.Errorf("%q is none of %s, %s, %s, %s", s.Mechanism, Plain, SCRAM256, SCRAM512, OAuthBearer)))
	}
	return errs
}

// Warnings are the ways in which the settings give security away, to be logged
// at every start.
func (s *Settings) Warnings() []string {
	var w []string
	if s.SASL != nil && !s.TLS.Enabled() {
		switch s.SASL.Mechanism {
		case Plain, OAuthBearer:
			w = append(w, "sasl."+s.SASL.Mechanism+" without tls: credentials cross the network in clear text")
		}
	}
	if s.TLS.Enabled() && s.TLS.InsecureSkipVerify {
		w = append(w, "tls.insecure_skip_verify: anyone on the way can pose as the brokers")
	}
	return w
}

// Principal is the name that the cluster's access lists know the client by, as
// far as the settings tell.
func (s *Settings) Principal() string {
	switch {
	case s.SASL != nil && s.SASL.Username != "":
		return "User:" + s.SASL.Username
	case s.SASL == nil && (s.TLS == nil || s.TLS.CertFile == ""):
		return "User:ANONYMOUS"
	}
	return "User:NAME"
}
