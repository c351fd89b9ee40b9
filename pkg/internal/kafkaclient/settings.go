// Package kafkaclient connects Sluice to Kafka. It has the settings that the sink, the
// positions and the dead letters share, the client made of them, and the hints for a
// person when the cluster refuses the client.
//
// Credentials and certificates are read at each new connection, so a rotated one is used
// without a restart.
package kafkaclient

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/sluice-siem/sluice/pkg/setting"
)

// Settings say how to reach a cluster, and as whom.
type Settings struct {
	Brokers  []string     `yaml:"brokers"`   // host:port of some brokers; the client learns the others; default port 9092
	ClientID string       `yaml:"client_id"` // name in the brokers' logs and quotas; default "sluice"
	TLS      *setting.TLS `yaml:"tls"`       // default: none; "tls: {}" speaks TLS with the system's roots
	SASL     *SASL        `yaml:"sasl"`      // default: none
}

// DefaultClientID is the client_id of settings without one.
const DefaultClientID = "sluice"

// SASL says how the client authenticates.
type SASL struct {
	Mechanism string         `yaml:"mechanism"` // PLAIN | SCRAM-SHA-256 | SCRAM-SHA-512 | OAUTHBEARER
	Username  string         `yaml:"username"`  // for all but OAUTHBEARER
	Password  setting.Secret `yaml:"password"`  // for all but OAUTHBEARER
	Token     setting.Secret `yaml:"token"`     // for OAUTHBEARER
}

// The mechanisms have the names of IANA's registry and of Kafka's
// sasl.enabled.mechanisms.
const (
	Plain       = "PLAIN"
	SCRAM256    = "SCRAM-SHA-256"
	SCRAM512    = "SCRAM-SHA-512"
	OAuthBearer = "OAUTHBEARER"
)

// Validate reports brokers that are no addresses.
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

// address accepts what kgo.SeedBrokers accepts: host:port, or a host alone.
func address(broker string) error {
	if strings.ContainsAny(broker, "@/") {
		return errors.New("has more than host:port; write it like kafka:9092, and credentials under sasl")
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

// Validate reports an unknown mechanism, and settings that the mechanism needs.
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

// Warnings says in which ways the settings weaken security. They are logged at every
// start.
func (s *Settings) Warnings() []string {
	var w []string
	if s.SASL != nil && !s.TLS.Enabled() {
		switch s.SASL.Mechanism {
		case Plain, OAuthBearer:
			w = append(w, "sasl."+s.SASL.Mechanism+" without tls: credentials cross the network in clear text")
		}
	}
	if s.TLS.Enabled() && s.TLS.InsecureSkipVerify {
		w = append(w, "tls.insecure_skip_verify: anyone on the network path can pose as a broker")
	}
	return w
}

// Principal is the client's name in the cluster's access lists. The settings do not always
// tell it; then the name is a placeholder.
func (s *Settings) Principal() string {
	switch {
	case s.SASL != nil && s.SASL.Username != "":
		return "User:" + s.SASL.Username
	case s.SASL == nil && (s.TLS == nil || s.TLS.CertFile == ""):
		return "User:ANONYMOUS"
	}
	return "User:NAME"
}
