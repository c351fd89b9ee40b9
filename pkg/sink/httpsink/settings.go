package httpsink

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/internal/posting"
)

// Type is the sink type http.
var Type = sink.NewType("http", Settings{
	Method:           http.MethodPost,
	Body:             bodyNDJSON,
	Compression:      string(posting.Gzip),
	MaxRequestBytes:  1_000_000,
	MaxRequestEvents: 500,
	Concurrency:      8,
	Statuses:         defaultStatuses(),
}, open)

// Settings are the keys of an http sink.
type Settings struct {
	URL     setting.Secret            `yaml:"url" required:"true" pattern:"^[Hh][Tt][Tt][Pp][Ss]?://[^/?#@ ]+([/?][^# ]*)?$" doc:"Address at which the server takes events, with path and query. Messages show only scheme, host and port of it, since the rest may be a secret. It is read again for each request."`
	Method  string                    `yaml:"method" values:"POST|PUT|PATCH" doc:"Method of the requests."`
	Headers map[string]setting.Secret `yaml:"headers" default:"none" doc:"Further headers of each request, by their names. The value of NAME_file is the path of a file that holds the value of NAME."`
	Auth    *Auth                     `yaml:"auth" default:"none" doc:"How requests are authorized."`

	Body        string `yaml:"body" values:"ndjson|json_array|single|template" doc:"What a request holds: one event a line, an array of events, one event, or one event as template writes it."`
	Template    string `yaml:"template" required:"if body=template" doc:"Body of the request for an event: a text in which {{.Field \"event.action\"}}, {{.ID}} and the like stand for what the event has."`
	ContentType string `yaml:"content_type" default:"application/x-ndjson with ndjson; otherwise application/json, or text/plain for an event that is text" doc:"Value of the header Content-Type. With template it is a JSON media type or text/plain."`
	Compression string `yaml:"compression" values:"gzip|zstd|none" doc:"Compression of requests."`

	MaxRequestBytes  setting.Size `yaml:"max_request_bytes" least:"4096" doc:"Largest request before compression, from 4KiB to 100MiB."`
	MaxRequestEvents int          `yaml:"max_request_events" least:"1" doc:"Most events in a request, with ndjson and json_array."`
	Concurrency      int          `yaml:"concurrency" least:"1" doc:"Most requests in flight, up to 64. With 1 the server gets events in their order."`

	Statuses

	AllowHTTP bool        `yaml:"allow_http" doc:"Send events and credential in clear text to a host that is not loopback, with an address that begins with http://."`
	TLS       setting.TLS `yaml:"tls" default:"the system's authorities" doc:"How TLS verifies the server, with an address that begins with https://, and how Sluice identifies itself."`
}

// Values of body.
const (
	bodyNDJSON   = "ndjson"
	bodyArray    = "json_array"
	bodySingle   = "single"
	bodyTemplate = "template"
)

const (
	exampleURL = "https://collector.example.com/events"

	minRequestBytes = 4 << 10
	maxRequestBytes = 100 << 20
	maxConcurrency  = 64
)

// Validate reports every setting that is missing or invalid.
func (s *Settings) Validate() []error {
	var errs []error
	check := func(ok bool, key, format string, args ...any) {
		if !ok {
			errs = append(errs, setting.Invalid(key, fmt.Errorf(format, args...)))
		}
	}
	if !s.URL.IsSet() {
		check(false, "url", "missing; write the address at which the server takes events, such as %s, as url or url_file", exampleURL)
	} else if address, err := s.URL.Value(); err == nil {
		if err := checkAddress(address, exampleURL, s.AllowHTTP); err != nil {
			errs = append(errs, setting.Invalid("url", err))
		}
	}
	check(oneOf(s.Method, http.MethodPost, http.MethodPut, http.MethodPatch), "method", "%q is unknown; write POST, PUT or PATCH", s.Method)
	check(oneOf(s.Compression, "gzip", "zstd", "none"), "compression", "%q is unknown; write gzip, zstd or none", s.Compression)
	check(s.MaxRequestBytes >= minRequestBytes && s.MaxRequestBytes <= maxRequestBytes, "max_request_bytes",
		"%s is out of range; write a size from %s to %s", s.MaxRequestBytes, setting.Size(minRequestBytes), setting.Size(maxRequestBytes))
	check(s.MaxRequestEvents > 0, "max_request_events", "is %d; write a number of 1 or more", s.MaxRequestEvents)
	check(s.Concurrency > 0 && s.Concurrency <= maxConcurrency, "concurrency", "is %d; write a number from 1 to %d", s.Concurrency, maxConcurrency)
	check(!strings.ContainsFunc(s.ContentType, func(c rune) bool { return c < ' ' || c > '~' }), "content_type",
		"has a line end or a character that is not ASCII; write a media type, such as application/json")
	errs = append(errs, validateHeaders(s.Headers)...)
	errs = append(errs, s.Statuses.validate()...)
	if err := s.Auth.checkTokenURL(s.AllowHTTP); err != nil {
		errs = append(errs, err)
	}
	if err := s.validateBody(); err != nil {
		errs = append(errs, err)
	}
	return errs
}

func oneOf(text string, list ...string) bool {
	for _, other := range list {
		if text == other {
			return true
		}
	}
	return false
}

// validateBody checks body and template. That template belongs to body: template, its tag
// says.
func (s *Settings) validateBody() error {
	switch {
	case !oneOf(s.Body, bodyNDJSON, bodyArray, bodySingle, bodyTemplate):
		return setting.Invalid("body", fmt.Errorf("%q is unknown; write ndjson, json_array, single or template", s.Body))
	case s.Body != bodyTemplate || s.Template == "":
		return nil
	case !isJSON(s.contentType(nil)) && mediaType(s.ContentType) != "text/plain":
		return setting.Invalid("content_type", fmt.Errorf("%q has other escapes than those that a template writes, so a name in an event could forge fields; write a JSON media type, such as application/json, or text/plain", s.ContentType))
	}
	_, err := parseTemplate(s.Template, isJSON(s.contentType(nil)))
	return setting.Invalid("template", err)
}

// contentType returns the media type of a request whose first record is r; nil: not known.
func (s *Settings) contentType(r *sink.Record) string {
	switch {
	case s.ContentType != "":
		return s.ContentType
	case s.Body == bodyNDJSON:
		return "application/x-ndjson"
	case s.Body == bodySingle && r != nil && r.MediaType != "application/json":
		return r.MediaType + "; charset=utf-8"
	}
	return "application/json"
}

// isJSON reports whether a media type is that of one JSON value (RFC 6839, section 3.1).
func isJSON(contentType string) bool {
	name := mediaType(contentType)
	return name == "application/json" || strings.HasPrefix(name, "application/") && strings.HasSuffix(name, "+json")
}

// mediaType returns a content type without its parameters.
func mediaType(contentType string) string {
	name, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	return strings.TrimSpace(name)
}

// Questions implements setting.Asker.
func (s *Settings) Questions() []setting.Question {
	return []setting.Question{{Key: "url", Text: "Address at which the server takes events, such as " + exampleURL, Secret: true}}
}

// Destination implements setting.Destination.
func (s *Settings) Destination() string { return originOf(s.URL) }

// Rotation is that of the secret that authorizes requests.
func (s *Settings) Rotation() *setting.Rotation {
	_, secret := s.Auth.secret()
	return secret.Rotation()
}

// SentTo implements setting.Rotating.
func (s *Settings) SentTo() string {
	if s.Auth != nil && s.Auth.Type == authOAuth2 {
		return s.Auth.TokenURL
	}
	return originOf(s.URL)
}

// Export implements sink.Exportable.
func (*Settings) Export() string {
	return "name an export of what takes the requests: the records as they were sent, one a line"
}
