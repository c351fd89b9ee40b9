package httpsink

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/internal/posting"
)

// Sumo is the sink type sumo.
var Sumo = presetType("sumo", SumoSettings{})

// SumoSettings are the keys of a sumo sink.
type SumoSettings struct {
	URL   setting.Secret `yaml:"url" required:"true" doc:"Address of an HTTP Logs and Metrics Source of Sumo Logic. It is a secret, and is read again for each request."`
	Token setting.Secret `yaml:"token" default:"none" pattern:"^[!-~]+$" doc:"Token of a source with an authentication header. It is read again for each request."`

	Category string   `yaml:"category" default:"that of the source" doc:"Source category of the messages (X-Sumo-Category)."`
	Name     string   `yaml:"name" default:"that of the source" doc:"Source name of the messages (X-Sumo-Name)."`
	Host     string   `yaml:"host" default:"that of the source" doc:"Source host of the messages (X-Sumo-Host)."`
	Fields   []string `yaml:"fields" default:"none" doc:"Fields of the messages (X-Sumo-Fields), such as environment=production."`

	Connection `yaml:",inline"`
}

const sumoExample = "https://collectors.sumologic.com/receiver/v1/http/XXXXXXXX"

// sumoBytes is the largest request before compression, which Sumo Logic recommends
// (sumologic.com/help, send-data/hosted-collectors/http-source/logs-metrics, "Data payload
// considerations").
const sumoBytes = 1_000_000

// Validate reports every setting that is missing or invalid.
func (s *SumoSettings) Validate() []error {
	errs := problems(
		checkWebhook(s.URL, sumoExample, s.AllowHTTP), setting.Invalid("token", s.Token.CheckToken()),
		checkHeaderText("category", s.Category), checkHeaderText("name", s.Name), checkHeaderText("host", s.Host),
	)
	for i, f := range s.Fields {
		at := fmt.Sprintf("fields[%d]", i)
		if key, value, found := strings.Cut(f, "="); !found || key == "" || value == "" || strings.Contains(f, ",") {
			errs = append(errs, setting.Invalid(at, errors.New("is not a field; write a name and a value, such as environment=production, without commas")))
			continue
		}
		errs = append(errs, problems(checkHeaderText(at, f))...)
	}
	return errs
}

// Questions implements setting.Asker.
func (s *SumoSettings) Questions() []setting.Question {
	return []setting.Question{{Key: "url", Text: "Address of an HTTP Logs and Metrics Source", Secret: true}}
}

// Destination implements setting.Destination.
func (s *SumoSettings) Destination() string { return originOf(s.URL) }

func (s *SumoSettings) endpoint(env sink.Env) endpoint {
	e := endpoint{
		url: s.URL, allowHTTP: s.AllowHTTP, tls: s.TLS, headers: s.headers(),
		encode: appendLine, framing: posting.NDJSON, contentType: fixed("text/plain; charset=utf-8"), compression: posting.Gzip,
		maxBytes: sumoBytes, maxEvents: 1_000, recordBytes: sumoLine, concurrency: concurrency, requests: concurrency,
		oldest: sumoAge, judge: noPage("Sumo Logic", sumoStatuses),
	}
	if s.Token.IsSet() {
		e.auth = func(http.RoundTripper) posting.Credential {
			return posting.Header(env.Log, "token", "X-Sumo-Token", s.Token)
		}
	}
	return e
}

const (
	// sumoLine is the largest message. Sumo Logic cuts one of more than 64 KB in parts
	// (sumologic.com/help, search-basics/search-large-messages).
	sumoLine = 64_000
	// sumoAge is how old a message may be without a timestamp format in the source's
	// settings (sumologic.com/help, send-data/collector-faq).
	sumoAge = 30 * 24 * time.Hour
)

func (s *SumoSettings) headers() map[string]setting.Secret {
	all := map[string]setting.Secret{}
	for name, value := range map[string]string{
		"X-Sumo-Category": s.Category, "X-Sumo-Name": s.Name, "X-Sumo-Host": s.Host, "X-Sumo-Fields": strings.Join(s.Fields, ","),
	} {
		if value != "" {
			all[name] = setting.NewSecret(value)
		}
	}
	return all
}

const sumoRefused = "the source does not accept the address or the token: copy url (and token) from the source's page Show URL again; a new address needs some minutes"

// sumoStatuses are those of an HTTP source (sumologic.com/help, http-source/troubleshooting).
// Only 200 says that the messages are taken. After 408 some of them may be.
var sumoStatuses = posting.Common.With(posting.Statuses{
	http.StatusOK:           {Verdict: posting.Delivered},
	2:                       {Verdict: posting.Destination, Hint: notTheService("Sumo Logic")},
	http.StatusUnauthorized: {Verdict: posting.Unauthorized, Hint: sumoRefused},
	http.StatusForbidden:    {Verdict: posting.Unauthorized, Hint: sumoRefused},
	http.StatusNotFound:     {Verdict: posting.Unauthorized, Hint: sumoRefused},
})
