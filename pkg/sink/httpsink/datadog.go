package httpsink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/nearest"
	"github.com/sluice-siem/sluice/pkg/internal/rawjson"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/internal/posting"
)

// Datadog is the sink type datadog.
var Datadog = presetType("datadog", DatadogSettings{})

// DatadogSettings are the keys of a datadog sink.
type DatadogSettings struct {
	Site   string         `yaml:"site" required:"true" values:"datadoghq.com|us3.datadoghq.com|us5.datadoghq.com|datadoghq.eu|ap1.datadoghq.com|ap2.datadoghq.com|uk1.datadoghq.com|ddog-gov.com|us2.ddog-gov.com" doc:"Site of the account, which is in the address of its pages."`
	APIKey setting.Secret `yaml:"api_key" required:"true" pattern:"^[!-~]+$" doc:"API key. It is read again for each request."`

	Source   string   `yaml:"source" default:"the first part of the dataset, such as acme" doc:"Source of the logs (ddsource), by which Datadog chooses a pipeline."`
	Service  string   `yaml:"service" default:"the dataset of the source, such as acme.audit" doc:"Service of the logs."`
	Hostname string   `yaml:"hostname" default:"the name of this machine" doc:"Host of the logs."`
	Tags     []string `yaml:"tags" pattern:"^[^, ]+$" default:"none" doc:"Tags of the logs (ddtags), such as env:production."`

	URL string `yaml:"url" pattern:"^[Hh][Tt][Tt][Pp][Ss]?://([^\\[\\]/?#@:, ]+|\\[[^\\[\\]/?#@, ]+\\])(:[0-9]{1,5})?(/[^?# ]*)?$" default:"that of the site" doc:"Address that takes logs, if it is not Datadog's own, such as that of an Observability Pipelines Worker."`

	Connection `yaml:",inline"`
}

// datadogSites are the sites (docs.datadoghq.com/api/latest/logs/send-logs).
var datadogSites = []string{
	"datadoghq.com", "us3.datadoghq.com", "us5.datadoghq.com", "datadoghq.eu", "ap1.datadoghq.com",
	"ap2.datadoghq.com", "uk1.datadoghq.com", "ddog-gov.com", "us2.ddog-gov.com",
}

// Limits of Datadog (the same page). A log above the limit is taken and truncated, so no
// record may come near it.
const (
	datadogBytes = 5_000_000
	datadogLogs  = 1_000
	datadogLog   = 1_000_000
	datadogAge   = 18 * time.Hour
	// datadogOverhead is the most that a log adds to a record; see Validate.
	datadogOverhead = 16 << 10
)

// Validate reports every setting that is missing or invalid.
func (s *DatadogSettings) Validate() []error {
	errs := problems(
		checkSite(s.Site),
		checkToken("api_key", s.APIKey, "an API key of the organization"),
		checkInPlace(s.URL, "https://http-intake.logs.datadoghq.com/api/v2/logs", s.AllowHTTP),
	)
	for _, f := range [...]struct{ key, value string }{{"source", s.Source}, {"service", s.Service}, {"hostname", s.Hostname}, {"tags", s.tags()}} {
		if len(f.value) > longestField {
			errs = append(errs, setting.Invalid(f.key, fmt.Errorf("has more than %d bytes; write less", longestField)))
		}
	}
	for i, tag := range s.Tags {
		if tag == "" || strings.ContainsAny(tag, ", ") {
			errs = append(errs, setting.Invalid(fmt.Sprintf("tags[%d]", i), errors.New("is not one tag; write a key and a value, such as env:production, without blanks and commas")))
		}
	}
	return errs
}

// longestField is the most bytes of a field that the settings fill.
const longestField = 1 << 10

func checkSite(site string) error {
	_, host, found := strings.Cut(site, "://")
	if !found {
		host = site
	}
	host, _, _ = strings.Cut(host, "/")
	switch near := nearest.WordOrPart(strings.TrimPrefix(host, "app."), datadogSites); {
	case site == "":
		return setting.Invalid("site", fmt.Errorf("missing; write the site of the account: %s", strings.Join(datadogSites, ", ")))
	case slices.Contains(datadogSites, site):
		return nil
	case near != "":
		return setting.Invalid("site", fmt.Errorf("is unknown; did you mean %s?", near))
	}
	return setting.Invalid("site", fmt.Errorf("is unknown; known: %s", strings.Join(datadogSites, ", ")))
}

func (s *DatadogSettings) tags() string { return strings.Join(s.Tags, ",") }

// Questions implements setting.Asker.
func (s *DatadogSettings) Questions() []setting.Question {
	return []setting.Question{
		{Key: "site", Text: "Site of the account, such as datadoghq.com"},
		{Key: "api_key", Text: "API key", Secret: true},
	}
}

// Destination implements setting.Destination.
func (s *DatadogSettings) Destination() string { return origin(s.address()) }

func (s *DatadogSettings) address() string {
	return cmp.Or(s.URL, "https://http-intake.logs."+s.Site+"/api/v2/logs")
}

// Rotation is that of the secret which requests carry.
func (s *DatadogSettings) Rotation() *setting.Rotation { return s.APIKey.Rotation() }

// SentTo implements setting.Rotating.
func (s *DatadogSettings) SentTo() string { return s.address() }

func (s *DatadogSettings) endpoint(env sink.Env) endpoint {
	e := endpoint{
		url: setting.NewSecret(s.address()), allowHTTP: s.AllowHTTP, tls: s.TLS,
		auth: func(http.RoundTripper) posting.Credential {
			return posting.Header(env.Log, "api_key", datadogHeader, s.APIKey)
		},
		encode: s.encoder(env), framing: posting.Array, contentType: fixed("application/json"), compression: posting.Gzip,
		maxBytes: datadogBytes, maxEvents: datadogLogs, recordBytes: datadogLog/2 - datadogOverhead, concurrency: concurrency, requests: concurrency,
		oldest: datadogAge, judge: noPage("Datadog", datadogStatuses),
	}
	if s.URL == "" {
		e.check = func(ctx context.Context, p *poster) (string, error) {
			return checkDatadog(ctx, p, "https://api."+s.Site+"/api/v1/validate")
		}
	}
	return e
}

const datadogHeader = "DD-API-KEY"

const datadogRefused = "make sure that api_key is an API key, not an application key, and that site is the account's"

var datadogStatuses = posting.Common.With(posting.Statuses{
	http.StatusAccepted:     {Verdict: posting.Delivered},
	2:                       {Verdict: posting.Destination, Hint: notTheService("Datadog")},
	http.StatusUnauthorized: {Verdict: posting.Unauthorized, Hint: datadogRefused},
	http.StatusForbidden:    {Verdict: posting.Unauthorized, Hint: datadogRefused},
})

// checkDatadog asks whether the key is valid (docs.datadoghq.com/api/latest/authentication).
func checkDatadog(ctx context.Context, p *poster, address string) (string, error) {
	ask := func(ctx context.Context) (*http.Request, error) {
		return http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	}
	statuses := datadogStatuses.With(posting.Statuses{http.StatusOK: {Verdict: posting.Delivered}})
	reply, rule, err := p.client.Post(ctx, ask, nil, statuses.Reply)
	switch {
	case err != nil:
		return "", err
	case rule.Verdict != posting.Delivered:
		return "", p.client.Fault(reply, rule)
	}
	return fmt.Sprintf("Datadog says that the API key is valid; whether it takes logs at %s only an event shows: --send-test", p.client.Shown), nil
}

// encoder returns what appends a record as a log. Its members come first, so nobody can
// replace them: the fields of a record in the format ecs follow beside them, and those of any
// other object under the name of its format, since they may be called as Datadog's are.
func (s *DatadogSettings) encoder(env sink.Env) func([]byte, *sink.Record) ([]byte, error) {
	host := s.Hostname
	if host == "" {
		host, _ = os.Hostname() // Datadog does without it.
	}
	source, _, _ := strings.Cut(env.Dataset, ".")
	fixed := map[string]string{
		"ddsource": cmp.Or(s.Source, source), "service": cmp.Or(s.Service, env.Dataset), "hostname": host, "ddtags": s.tags(),
	}
	head := []byte{'{'}
	for _, key := range slices.Sorted(maps.Keys(fixed)) {
		if fixed[key] != "" {
			head = append(append(append(head, '"'), key...), `":`...)
			head = append(rawjson.AppendString(head, fixed[key]), ',')
		}
	}
	return func(dst []byte, r *sink.Record) ([]byte, error) {
		begin := len(dst)
		dst = append(append(dst, head...), `"status":"`...)
		dst = append(dst, datadogStatus[band(r.Severity)]...)
		dst = append(dst, `","timestamp":"`...)
		dst = r.Time.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z07:00")
		dst = append(dst, `","sluice_event_id":`...)
		dst = rawjson.AppendString(dst, r.ID)
		if r.Epoch > 0 {
			dst = strconv.AppendUint(append(dst, `,"sluice_epoch":`...), r.Epoch, 10)
			dst = strconv.AppendUint(append(dst, `,"sluice_sequence":`...), r.Sequence, 10)
		}
		if dst = appendLog(dst, r); len(dst)-begin > datadogLog {
			return dst, sink.Permanent(fmt.Errorf("the log has %d bytes, and Datadog truncates those of more than %d", len(dst)-begin, datadogLog))
		}
		return dst, nil
	}
}

// datadogStatus are the words by which Datadog colors logs.
var datadogStatus = [...]string{"info", "notice", "warn", "error", "critical"}

// appendLog appends the record to a log that has a member, and ends it.
func appendLog(dst []byte, r *sink.Record) []byte {
	switch {
	case !posting.IsObject(r):
		dst = append(dst, `,"message":`...)
		return append(rawjson.AppendString(dst, r.Body), '}')
	case r.Format != formatECS:
		dst = append(dst, `,"message":`...)
		dst = rawjson.AppendString(dst, r.Action)
		dst = append(dst, `,"`...)
		dst = append(append(dst, r.Format...), `":`...)
		return append(append(dst, r.Body...), '}')
	case len(r.Body) == len("{}"):
		return append(dst, '}')
	}
	return append(append(dst, ','), r.Body[1:]...)
}
