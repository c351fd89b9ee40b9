package planetscale

import (
	"errors"
	"fmt"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/httpclient"
	"github.com/sluice-siem/sluice/pkg/setting"
)

// Settings are those of a source of type planetscale.
type Settings struct {
	Organization string `yaml:"organization"` // its name in the API's paths; required

	// Either a service token, which needs the organization access
	// read_audit_logs, or an access token of an administrator.
	ServiceTokenID string         `yaml:"service_token_id"`
	ServiceToken   setting.Secret `yaml:"service_token"`
	AccessToken    setting.Secret `yaml:"access_token"`

	URL               string           `yaml:"url"`                 // scheme and host; default https://api.planetscale.com
	PollInterval      setting.Duration `yaml:"poll_interval"`       // default 5s
	Overlap           setting.Duration `yaml:"overlap"`             // how late an event may become visible; default 10m
	RequestsPerMinute int              `yaml:"requests_per_minute"` // default 500, 0 is no limit; sources with one credential share the slowest; the API's own limit is 600
	Retention         setting.Duration `yaml:"retention"`           // how far back the log reaches; default 360h (15 days)
	WalkBuffer        setting.Size     `yaml:"walk_buffer"`         // compressed pages that a long walk of one lane keeps; default 48MiB
	AllowHTTP         bool             `yaml:"allow_http"`          // send the token in clear text to a host that is not loopback; default false
	TLS               *setting.TLS     `yaml:"tls"`
}

// Defaults are the settings of a source that says nothing.
var Defaults = Settings{
	URL:               "https://api.planetscale.com",
	PollInterval:      setting.Duration(5 * time.Second),
	Overlap:           setting.Duration(10 * time.Minute),
	RequestsPerMinute: 500,
	Retention:         setting.Duration(15 * 24 * time.Hour),
	WalkBuffer:        48 << 20,
}

// Retains is what a long walk keeps.
func (s *Settings) Retains() int64 { return s.WalkBuffer.Bytes() }

// Validate reports everything that is wrong with the settings.
func (s *Settings) Validate() []error {
	var errs []error
	bad := func(key, format string, args ...any) {
		errs = append(errs, setting.Invalid(key, fmt.Errorf(format, args...)))
	}
	if s.Organization == "" {
		bad("organization", "is missing; write the organization's name as in the address of its dashboard")
	}
	errs = append(errs, s.validateCredentials()...)
	if err := httpclient.CheckURL(s.URL, Defaults.URL, s.AllowHTTP); err != nil {
		errs = append(errs, setting.Invalid("url", err))
	}
	if s.PollInterval.Std() < 100*time.Millisecond {
		bad("poll_interval", "%s is too short; the least is 100ms", s.PollInterval)
	}
	if s.Overlap.Std() < time.Second {
		bad("overlap", "%s is too short; the least is 1s", s.Overlap)
	}
	if s.Retention <= s.Overlap {
		bad("retention", "%s is not longer than the overlap, %s", s.Retention, s.Overlap)
	}
	if s.RequestsPerMinute < 0 {
		bad("requests_per_minute", "%d is negative; write 0 for no limit", s.RequestsPerMinute)
	}
	return errs
}

func (s *Settings) validateCredentials() []error {
	var errs []error
	service := s.ServiceTokenID != "" || s.ServiceToken.IsSet()
	switch {
	case service && s.AccessToken.IsSet():
		errs = append(errs, setting.Invalid("access_token", errors.New("stands beside a service token; keep one of them")))
	case !service && !s.AccessToken.IsSet():
		errs = append(errs, setting.Invalid("service_token", errors.New("is missing; write service_token_id and service_token (or service_token_file), or access_token")))
	case service && s.ServiceTokenID == "":
		errs = append(errs, setting.Invalid("service_token_id", errors.New("is missing beside service_token")))
	case service && !s.ServiceToken.IsSet():
		errs = append(errs, setting.Invalid("service_token", errors.New("is missing beside service_token_id")))
	}
	return errs
}
