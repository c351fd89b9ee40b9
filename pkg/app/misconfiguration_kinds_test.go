package app

import (
	"context"
	"errors"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// misconfigurationKinds are those of Sluice, and a sink of another build whose settings
// have every form.
func misconfigurationKinds() config.Kinds {
	k := kinds()
	WithSink(sink.NewType("forms", forms{SASL: &formsSASL{Mechanism: "PLAIN"}},
		func(context.Context, sink.Env, forms) (sink.Sink, error) { return nil, errors.ErrUnsupported }))(&k)
	return k
}

type forms struct {
	FormsClient `yaml:",inline"`
	Limits      formsLimits               `yaml:",inline"`
	Brokers     []string                  `yaml:"brokers"`
	Topic       string                    `yaml:"topic"`
	Idempotent  bool                      `yaml:"idempotent"`
	Linger      float64                   `yaml:"linger"`
	TLS         *setting.TLS              `yaml:"tls"`
	SASL        *formsSASL                `yaml:"sasl"`
	Labels      map[string]string         `yaml:"labels"`
	Headers     map[string]setting.Secret `yaml:"headers"`
	Routes      map[string]formsSASL      `yaml:"routes"`
	Replicas    []formsSASL               `yaml:"replicas"`
	Callback    func()                    `yaml:"callback"`
	Internal    string                    `yaml:"-"`
}

func (s *forms) Validate() []error {
	if s.Topic == "" {
		return []error{setting.Invalid("topic", errors.New("missing; name the topic to publish to"))}
	}
	if s.ID == "other" {
		return []error{setting.Invalid("client_id", errors.New("belongs to\nanother client; write another"))}
	}
	// Some settings ask those in them, although that is done for them.
	if errs := s.TLS.Validate(); len(errs) > 0 {
		return []error{setting.Invalid("tls", errs[0])}
	}
	for _, b := range s.Brokers {
		if b == "unordered" {
			return []error{errors.New("brokers contradict each other; remove one")}
		}
	}
	return nil
}

// FormsClient is embedded, and exported as such structs are.
type FormsClient struct {
	ID      string `yaml:"client_id"`
	Retries uint8  `yaml:"retries"`
}

type formsLimits struct {
	RecordBytes setting.Size `yaml:"max_record_bytes"`
	InFlight    int          `yaml:"in_flight"`
}

func (l *formsLimits) Validate() []error {
	if l.InFlight < 0 {
		return []error{setting.Invalid("in_flight", errors.New("is negative; write 0 or more"))}
	}
	return nil
}

type formsSASL struct {
	Mechanism string         `yaml:"mechanism"`
	Username  string         `yaml:"username"`
	Password  setting.Secret `yaml:"password"`
}

func (s *formsSASL) Validate() []error {
	if s.Username == "" && s.Password.IsSet() {
		return []error{setting.Invalid("username", errors.New("missing; write one, since password needs it"))}
	}
	return nil
}
