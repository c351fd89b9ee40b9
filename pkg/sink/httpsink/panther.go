package httpsink

import (
	"errors"
	"net/http"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/internal/posting"
)

// Panther is the sink type panther.
var Panther = presetType("panther", PantherSettings{})

// PantherSettings are the keys of a panther sink.
type PantherSettings struct {
	URL    string         `yaml:"url" required:"true" pattern:"^[Hh][Tt][Tt][Pp][Ss]?://([^\\[\\]/?#@:, ]+|\\[[^\\[\\]/?#@, ]+\\])(:[0-9]{1,5})?(/[^?# ]*)?$" doc:"Address of an HTTP log source of Panther."`
	Header string         `yaml:"header" pattern:"^[!#$%&'*+.^_|~0-9A-Za-z-]+$" default:"none: the secret is a bearer token" doc:"Header of the shared secret, as the source has it, such as X-Api-Key."`
	Secret setting.Secret `yaml:"secret" required:"true" pattern:"^[!-~]+$" doc:"Shared secret or bearer token of the source. It is read again for each request."`

	Connection `yaml:",inline"`
}

const pantherExample = "https://logs.example.runpanther.net/http/00000000-0000-0000-0000-000000000000"

// pantherBytes is the largest request. Panther takes 1 MB with the headers
// (docs.panther.com/data-onboarding/data-transports/http), and does not say whether that is
// before or after decompression, so it holds before.
const pantherBytes = 1_000_000 - 16<<10

// Validate reports every setting that is missing or invalid.
func (s *PantherSettings) Validate() []error {
	errs := problems(checkToken("secret", s.Secret, "the shared secret or the bearer token of the source"))
	if s.URL == "" {
		errs = append(errs, setting.Invalid("url", errors.New("missing; write the address that the source shows, such as "+pantherExample)))
	} else {
		errs = append(errs, problems(checkInPlace(s.URL, pantherExample, s.AllowHTTP))...)
	}
	if s.Header != "" {
		errs = append(errs, problems(setting.Invalid("header", checkHeaderName(s.Header)))...)
	}
	return errs
}

// Questions implements setting.Asker.
func (s *PantherSettings) Questions() []setting.Question {
	return []setting.Question{
		{Key: "url", Text: "Address of an HTTP log source of Panther"},
		{Key: "header", Text: "Header of its shared secret, such as X-Api-Key"},
		{Key: "secret", Text: "The shared secret", Secret: true},
	}
}

// Destination implements setting.Destination.
func (s *PantherSettings) Destination() string { return origin(s.URL) }

// Rotation is that of the secret which requests carry.
func (s *PantherSettings) Rotation() *setting.Rotation { return s.Secret.Rotation() }

// SentTo implements setting.Rotating.
func (s *PantherSettings) SentTo() string { return s.URL }

func (s *PantherSettings) endpoint(env sink.Env) endpoint {
	return endpoint{
		url: setting.NewSecret(s.URL), allowHTTP: s.AllowHTTP, tls: s.TLS,
		auth: func(http.RoundTripper) posting.Credential {
			if s.Header == "" {
				return posting.Bearer(env.Log, "secret", s.Secret)
			}
			return posting.Header(env.Log, "secret", s.Header, s.Secret)
		},
		encode: appendLine, framing: posting.NDJSON, contentType: fixed("application/x-ndjson"), compression: posting.Gzip,
		maxBytes: pantherBytes, maxEvents: 1_000, concurrency: concurrency, requests: concurrency,
		judge: noPage("Panther", pantherStatuses),
	}
}

const pantherRefused = "make sure that header and secret are those of the source in Panther, and that its authentication is Shared Secret (with header) or Bearer (without)"

// pantherStatuses are the usual ones: Panther documents none but that it answers 200.
var pantherStatuses = posting.Common.With(posting.Statuses{
	http.StatusOK:           {Verdict: posting.Delivered},
	2:                       {Verdict: posting.Destination, Hint: notTheService("Panther")},
	http.StatusUnauthorized: {Verdict: posting.Unauthorized, Hint: pantherRefused},
	http.StatusForbidden:    {Verdict: posting.Unauthorized, Hint: pantherRefused},
})
