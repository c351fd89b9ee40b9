package planetscale

import (
	"errors"
	"regexp"
	"strings"

	"github.com/sluice-siem/sluice/pkg/internal/httpclient"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source/cursorlog"
)

// Settings are those of a source of type planetscale.
type Settings struct {
	Organization   string         `yaml:"organization" required:"true" pattern:"^[A-Za-z0-9._~-]+$" doc:"Name of the organization, as in the address of its dashboard: app.planetscale.com/NAME."`
	ServiceTokenID string         `yaml:"service_token_id" required:"with service_token" pattern:"^[!-9;-~]+$" doc:"ID of a service token. The token needs the organization access read_audit_logs."`
	ServiceToken   setting.Secret `yaml:"service_token" required:"unless access_token" pattern:"^[!-~]+$" doc:"The service token. It is read again for each request."`
	AccessToken    setting.Secret `yaml:"access_token" required:"unless service_token" pattern:"^[!-~]+$" doc:"Access token of an administrator, in place of a service token. It is read again for each request."`
	URL            string         `yaml:"url" pattern:"^[Hh][Tt][Tt][Pp][Ss]?://([^\\[\\]/?#@:, ]+|\\[[^\\[\\]/?#@, ]+\\])(:[0-9]{1,5})?/?$" doc:"Scheme and host of the API."`
	AllowHTTP      bool           `yaml:"allow_http" doc:"Send the token in clear text to a host that is not loopback, with an address that begins with http://."`
	TLS            *setting.TLS   `yaml:"tls" default:"the system's authorities" doc:"How TLS verifies the API, with an address that begins with https://."`

	// The API's own limit is 600 requests a minute.
	cursorlog.Settings `yaml:",inline"`
}

// Defaults are the settings of a source that sets none.
var Defaults = Settings{URL: "https://api.planetscale.com", Settings: cursorlog.Defaults}

// OrganizationName returns the organization that the events of the source name.
func (s *Settings) OrganizationName() string { return s.Organization }

// Rotation is that of the secret which requests carry.
func (s *Settings) Rotation() *setting.Rotation {
	if s.AccessToken.IsSet() {
		return s.AccessToken.Rotation()
	}
	return s.ServiceToken.Rotation()
}

// SentTo implements setting.Rotating.
func (s *Settings) SentTo() string { return s.URL }

// peer describes the API to people.
func (s *Settings) peer() setting.Peer {
	p := setting.Peer{
		Name: "server", Address: s.URL,
		Plain:     "write http:// in url (and allow_http: true, since the token then crosses the network in clear text)",
		Encrypted: "write https:// in url",
	}
	if strings.HasPrefix(s.URL, "https:") {
		p.TLS = s.TLS
		if p.TLS == nil {
			p.TLS = &setting.TLS{}
		}
	}
	return p
}

// Validate reports everything that is wrong with the settings of this API.
func (s *Settings) Validate() []error {
	var errs []error
	if err := CheckOrganization(s.Organization); err != nil {
		errs = append(errs, setting.Invalid("organization", err))
	}
	errs = append(errs, s.validateCredentials()...)
	if err := httpclient.CheckURL(s.URL, Defaults.URL, s.AllowHTTP); err != nil {
		errs = append(errs, setting.Invalid("url", err))
	}
	return errs
}

// plain is a part of a path that needs no escape (RFC 3986, section 2.3). The API calls the
// name of an organization safe in a URL.
var plain = regexp.MustCompile(`^[A-Za-z0-9._~-]+$`)

// CheckOrganization returns an error for what cannot be the name of an organization.
func CheckOrganization(name string) error {
	const where = "app.planetscale.com/NAME, the address of its dashboard"
	switch {
	case name == "":
		return errors.New("missing; write the organization's name as in " + where)
	case strings.Contains(name, "/"):
		return errors.New("is an address or a path; write only the organization's name, which is NAME in " + where)
	case !plain.MatchString(name) || strings.Trim(name, ".") == "":
		return errors.New("is not the name that addresses have, perhaps the display name; write NAME as in " + where)
	}
	return nil
}

func (s *Settings) validateCredentials() []error {
	var errs []error
	service := s.ServiceTokenID != "" || s.ServiceToken.IsSet()
	switch {
	case service && s.AccessToken.IsSet():
		errs = append(errs, setting.Invalid("access_token", errors.New("is set beside a service token; keep one of them")))
	case !service && !s.AccessToken.IsSet():
		errs = append(errs, setting.Invalid("service_token", errors.New("missing; write service_token_id and service_token (or service_token_file), or access_token")))
	case service && s.ServiceTokenID == "":
		errs = append(errs, setting.Invalid("service_token_id", errors.New("missing; write the id that belongs to service_token")))
	case service && !s.ServiceToken.IsSet():
		errs = append(errs, setting.Invalid("service_token", errors.New("missing; write the token that belongs to service_token_id")))
	}
	for key, token := range map[string]setting.Secret{"service_token": s.ServiceToken, "access_token": s.AccessToken} {
		if err := token.CheckToken(); err != nil {
			errs = append(errs, setting.Invalid(key, err))
		}
	}
	// The header has a colon between the id and the token.
	if id := s.ServiceTokenID; strings.Contains(id, ":") || setting.NewSecret(id).CheckToken() != nil {
		errs = append(errs, setting.Invalid("service_token_id", errors.New("is not the id of a token; write the id alone, and the token as service_token")))
	}
	return errs
}

// Questions implements setting.Asker.
func (s *Settings) Questions() []setting.Question {
	return []setting.Question{
		{Key: "organization", Text: "Organization, as in the address of its dashboard"},
		{Key: "service_token_id", Text: "ID of a service token that may read_audit_logs"},
		{Key: "service_token", Text: "The service token", Secret: true},
	}
}
