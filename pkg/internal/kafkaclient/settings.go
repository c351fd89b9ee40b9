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
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-siem/sluice/pkg/internal/hostport"
	"github.com/sluice-siem/sluice/pkg/setting"
)

// Settings say how to reach a cluster, and as whom.
type Settings struct {
	Brokers  []string     `yaml:"brokers" required:"true" least:"1" pattern:"^([^\\[\\]/?#@:, ]+|\\[[^\\[\\]/?#@, ]+\\])(:[0-9]{1,5})?$" doc:"Some brokers of the cluster, each as host:port. The client learns the others. The default port is 9092."`
	ClientID string       `yaml:"client_id" doc:"Name of the client in the brokers' logs and quotas."`
	TLS      *setting.TLS `yaml:"tls" default:"no TLS" doc:"Use TLS. With {} the system's authorities verify the brokers."`
	SASL     *SASL        `yaml:"sasl" default:"none" doc:"How the client authenticates."`
}

// DefaultClientID is the client_id of settings without one.
const DefaultClientID = "sluice"

// SASL says how the client authenticates.
type SASL struct {
	Mechanism string         `yaml:"mechanism" required:"true" values:"PLAIN|SCRAM-SHA-256|SCRAM-SHA-512|OAUTHBEARER" doc:"Mechanism of SASL."`
	Username  string         `yaml:"username" required:"if mechanism=PLAIN|SCRAM-SHA-256|SCRAM-SHA-512" doc:"User name."`
	Password  setting.Secret `yaml:"password" required:"if mechanism=PLAIN|SCRAM-SHA-256|SCRAM-SHA-512" doc:"Password of the user. It is read again for each connection."`
	Token     setting.Secret `yaml:"token" required:"if mechanism=OAUTHBEARER" pattern:"^[!-~]+$" doc:"Token. It is read again for each connection."`
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
		return []error{setting.Invalid("brokers", errors.New("missing; name at least one broker, such as kafka:9092"))}
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
	host, port, err := hostport.Split(broker)
	switch {
	case strings.Contains(broker, "@"):
		return errors.New("has a credential in it; write host:port, such as kafka:9092, and the credential under sasl")
	case strings.Contains(broker, "://"):
		return errors.New("begins with a scheme; write host:port, such as kafka:9092, and tls: {} if the broker speaks TLS")
	case strings.Contains(broker, ","):
		return errors.New("names more than one broker; write each as an item of the list")
	case err != nil:
		return fmt.Errorf("%w; write host:port, such as kafka:9092", err)
	case host == "":
		return errors.New("has no host; write host:port, such as kafka:9092")
	case port == "0" || port == "" && strings.HasSuffix(broker, ":"):
		return errors.New("has no port; write host:port, such as kafka:9092")
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
			errs = append(errs, setting.Invalid(key, fmt.Errorf("missing; write one, since %s needs it", s.Mechanism)))
		}
	}
	unused := func(key string, set bool) {
		if set {
			errs = append(errs, setting.Invalid(key, fmt.Errorf("not used by %s; remove it", s.Mechanism)))
		}
	}
	switch s.Mechanism {
	case Plain, SCRAM256, SCRAM512:
		missing("username", s.Username != "")
		missing("password", s.Password.IsSet())
		unused("token", s.Token.IsSet())
	case OAuthBearer:
		missing("token", s.Token.IsSet())
		unused("username", s.Username != "")
		unused("password", s.Password.IsSet())
		if s.Token.IsSet() {
			errs = append(errs, setting.Invalid("token", s.Token.CheckToken()))
		}
	case "":
		errs = append(errs, setting.Invalid("mechanism", fmt.Errorf("missing; write %s", mechanisms)))
	default:
		errs = append(errs, setting.Invalid("mechanism", fmt.Errorf("%q is unknown; write %s", s.Mechanism, mechanisms)))
	}
	return slices.DeleteFunc(errs, func(err error) bool { return err == nil })
}

const mechanisms = Plain + ", " + SCRAM256 + ", " + SCRAM512 + " or " + OAuthBearer

// legalName is org.apache.kafka.common.internals.Topic: LEGAL_CHARS and
// MAX_NAME_LENGTH.
var legalName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// CheckName returns an error for what cannot be the name of a topic. missing says what to
// do about an empty one.
func CheckName(name, missing string) error {
	switch {
	case name == "":
		return fmt.Errorf("missing; %s", missing)
	case !legalName.MatchString(name), name == ".", name == "..":
		return fmt.Errorf("%q is not a name for Kafka; write 1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-'", name)
	}
	return nil
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
	if s.SASL != nil && s.SASL.Password.Short() {
		w = append(w, setting.ShortWarning("sasl.password"))
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
