package config_test

import (
	"context"
	"errors"
	"strings"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// kinds are sources and sinks with settings of every form. None of them can be opened.
var kinds = config.Kinds{
	Sources: []source.Type{logType("planetscale", planetscale.Type())},
	Sinks: []sink.Type{
		sink.NewType("kafka", defaultBroker, openNothing[brokerSettings]),
		sink.NewType("file", fileSettings{}, openNothing[fileSettings]),
		sink.NewType("stdout", struct{}{}, openNothing[struct{}]),
	},
	Formats: []transform.Format{
		transform.NewFormat("ecs", "application/json", struct{}{}, noFormat[struct{}]),
		transform.NewFormat("cef", "text/plain", formatSettings{Version: 0}, noFormat[formatSettings]),
		transform.NewFormat("raw", "application/json", struct{}{}, noFormat[struct{}]),
	},
	Own:          logType("sluice", planetscale.Type()),
	SharedStates: []config.SharedState{{Name: "kafka", Settings: func() any { return &sharedSettings{Group: "sluice"} }}},
}

// logType is a copy of another type of source with settings of its own.
func logType(name string, like source.Type) source.Type {
	t := source.NewType(name, logSettings{PollInterval: setting.Duration(5e9)},
		func(context.Context, source.OpenEnv, logSettings) (source.Source, error) { return nil, nil })
	t.Product, t.Catalogue = like.Product, like.Catalogue
	return t
}

type sharedSettings struct {
	Group string `yaml:"group"`
}

type formatSettings struct {
	Version int `yaml:"version"`
}

func noFormat[C any](transform.Options, C) (transform.Transformer, error) { return nil, nil }

func openNothing[C any](context.Context, sink.Env, C) (sink.Sink, error) { return nil, nil }

type logSettings struct {
	Organization string           `yaml:"organization"`
	TokenID      string           `yaml:"service_token_id"`
	Token        setting.Secret   `yaml:"service_token"`
	PollInterval setting.Duration `yaml:"poll_interval"`
}

func (s *logSettings) Validate() []error {
	var errs []error
	if s.Organization == "" {
		errs = append(errs, setting.Invalid("organization", errors.New("missing; write the name of the organization")))
	}
	if !s.Token.IsSet() {
		errs = append(errs, setting.Invalid("service_token", errors.New("missing; write service_token or service_token_file")))
	}
	if s.TokenID == "other" {
		errs = append(errs, setting.Invalid("service_token", errors.New("belongs to\nanother id")))
	}
	return errs
}

var defaultBroker = brokerSettings{
	Brokers: []string{"localhost:9092"},
	Labels:  map[string]string{"from": "default"},
	Linger:  1.5,
	Client:  Client{ID: "sluice"},
	SASL:    &saslSettings{Mechanism: "PLAIN"},
}

type brokerSettings struct {
	Client     `yaml:",inline"`
	Limits     limits                    `yaml:",inline"`
	Brokers    []string                  `yaml:"brokers"`
	Topic      string                    `yaml:"topic"`
	Idempotent bool                      `yaml:"idempotent"`
	Linger     float64                   `yaml:"linger"`
	TLS        *setting.TLS              `yaml:"tls"`
	SASL       *saslSettings             `yaml:"sasl"`
	Labels     map[string]string         `yaml:"labels"`
	Headers    map[string]setting.Secret `yaml:"headers"`
	Routes     map[string]saslSettings   `yaml:"routes"`
	Replicas   []saslSettings            `yaml:"replicas"`
	Callback   func()                    `yaml:"callback"`
	Internal   string                    `yaml:"-"`
}

func (s *brokerSettings) Validate() []error {
	if s.Topic == "" {
		return []error{setting.Invalid("topic", errors.New("missing; name the topic to publish to"))}
	}
	if strings.Contains(s.Topic, " ") {
		return []error{setting.Invalid("topic", errors.New("has a blank"))}
	}
	// Some settings ask those in them, although that is done for them.
	if errs := s.TLS.Validate(); len(errs) > 0 {
		return []error{setting.Invalid("tls", errs[0])}
	}
	for _, b := range s.Brokers {
		if b == "unordered" {
			return []error{errors.New("brokers contradict each other")}
		}
	}
	return nil
}

// Client is embedded, and exported as such structs are.
type Client struct {
	ID      string `yaml:"client_id"`
	Retries uint8  `yaml:"retries"`
}

type limits struct {
	RecordBytes setting.Size `yaml:"max_record_bytes"`
	InFlight    int          `yaml:"in_flight"`
}

func (l *limits) Validate() []error {
	if l.InFlight < 0 {
		return []error{setting.Invalid("in_flight", errors.New("is negative; write 0 or more"))}
	}
	return nil
}

type saslSettings struct {
	Mechanism string         `yaml:"mechanism"`
	Username  string         `yaml:"username"`
	Password  setting.Secret `yaml:"password"`
}

func (s *saslSettings) Validate() []error {
	if s.Username == "" && s.Password.IsSet() {
		return []error{setting.Invalid("username", errors.New("missing; password needs it"))}
	}
	return nil
}

type fileSettings struct {
	Path string `yaml:"path"`
}

func (s fileSettings) Exclusive(source string) string {
	if strings.HasPrefix(s.Path, "/dev/") {
		return ""
	}
	path := strings.ReplaceAll(s.Path, "{source}", source)
	if source == sink.OwnSource && path == s.Path {
		path += ".own"
	}
	return path
}

// env is the environment of one test.
func env(pairs map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		v, ok := pairs[name]
		return v, ok
	}
}
