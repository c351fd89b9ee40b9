package httpsink

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/sluice-siem/sluice/pkg/internal/rawjson"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/internal/posting"
)

// PagerDuty is the sink type pagerduty.
var PagerDuty = presetType("pagerduty", PagerDutySettings{Region: "us"})

// PagerDutySettings are the keys of a pagerduty sink.
type PagerDutySettings struct {
	RoutingKey setting.Secret `yaml:"routing_key" required:"true" pattern:"^[!-~]+$" doc:"Integration key of an Events API v2 integration of a service. It is read again for each event."`
	Region     string         `yaml:"region" values:"us|eu" doc:"Service region of the account."`
	URL        string         `yaml:"url" pattern:"^[Hh][Tt][Tt][Pp][Ss]?://([^\\[\\]/?#@:, ]+|\\[[^\\[\\]/?#@, ]+\\])(:[0-9]{1,5})?(/[^?# ]*)?$" default:"that of the region" doc:"Address that takes events, if it is not PagerDuty's own, such as that of a proxy."`

	Connection `yaml:",inline"`
}

// pagerDutyURLs are the addresses of the regions (support.pagerduty.com, "Service Regions").
var pagerDutyURLs = map[string]string{
	"us": "https://events.pagerduty.com/v2/enqueue",
	"eu": "https://events.eu.pagerduty.com/v2/enqueue",
}

// Limits of an event (developer.pagerduty.com, docs/events-api-v2/trigger-events and
// overview).
const (
	pagerDutySummary = 1024
	pagerDutyDedup   = 255
	pagerDutyEvent   = 512 << 10
)

// WithoutOriginal implements sink.WithoutOriginal: an event holds the record, for its rules,
// and those look at fields.
func (PagerDutySettings) WithoutOriginal() {}

// WithoutEvidence implements sink.WithoutEvidence.
func (PagerDutySettings) WithoutEvidence() {}

// Validate reports every setting that is missing or invalid.
func (s *PagerDutySettings) Validate() []error {
	errs := problems(
		checkToken("routing_key", s.RoutingKey, "the integration key of an Events API v2 integration"),
		checkInPlace(s.URL, pagerDutyURLs["us"], s.AllowHTTP),
	)
	if pagerDutyURLs[s.Region] == "" {
		errs = append(errs, setting.Invalid("region", fmt.Errorf("%q is unknown; write us or eu", s.Region)))
	}
	return errs
}

// Questions implements setting.Asker.
func (s *PagerDutySettings) Questions() []setting.Question {
	return []setting.Question{{Key: "routing_key", Text: "Integration key of an Events API v2 integration", Secret: true}}
}

// Destination implements setting.Destination.
func (s *PagerDutySettings) Destination() string { return origin(s.address()) }

func (s *PagerDutySettings) address() string {
	if s.URL != "" {
		return s.URL
	}
	return pagerDutyURLs[s.Region]
}

func (s *PagerDutySettings) endpoint(env sink.Env) endpoint {
	return endpoint{
		url: setting.NewSecret(s.address()), allowHTTP: s.AllowHTTP, tls: s.TLS,
		auth: func(http.RoundTripper) posting.Credential {
			return posting.Token(env.Log, "routing_key", s.RoutingKey, putRoutingKey)
		},
		encode: pagerDutyEncoder(env.Dataset), contentType: fixed("application/json"), compression: posting.None,
		maxBytes: pagerDutyEvent, maxEvents: 1, recordBytes: alertRecordBytes, concurrency: 4, requests: pagerDutyBatch,
		judge: judgePagerDuty,
	}
}

// pagerDutyBatch is the largest batch: each event is a request, and a stop waits for it.
const pagerDutyBatch = 40

// Rotation is that of the secret which requests carry.
func (s *PagerDutySettings) Rotation() *setting.Rotation { return s.RoutingKey.Rotation() }

// SentTo implements setting.Rotating.
func (s *PagerDutySettings) SentTo() string { return s.address() }

// putRoutingKey puts the key into the body, which is one object.
func putRoutingKey(r *http.Request, key string) {
	event, _ := io.ReadAll(r.Body) // It reads memory.
	body := append(rawjson.AppendString([]byte(`{"routing_key":`), key), ',')
	body = append(body, event[len("{"):]...)
	r.ContentLength = int64(len(body))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	r.Body, _ = r.GetBody() // It never fails.
}

// pagerDutyEncoder returns what appends an event as a trigger. Its details are the record, so
// that rules of PagerDuty find every field.
func pagerDutyEncoder(dataset string) func([]byte, *sink.Record) ([]byte, error) {
	source, _, _ := strings.Cut(dataset, ".")
	return func(dst []byte, r *sink.Record) ([]byte, error) {
		a := alertOf(r)
		summary := a.words
		if r.Organization != "" {
			summary = r.Organization + ": " + summary
		}
		dst = append(dst, `{"event_action":"trigger","client":"Sluice","dedup_key":`...)
		dst = rawjson.AppendString(dst, dedupKey(r))
		dst = append(dst, `,"payload":{"summary":`...)
		dst = rawjson.AppendString(dst, shown(summary, pagerDutySummary))
		dst = append(dst, `,"severity":"`...)
		dst = append(dst, pagerDutySeverities[band(r.Severity)]...)
		dst = append(dst, `","source":`...)
		dst = rawjson.AppendString(dst, cmp.Or(shown(r.Organization, longestFact), source, "sluice"))
		dst = append(dst, `,"timestamp":"`...)
		dst = r.Time.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z07:00")
		dst = append(dst, '"')
		for _, m := range [...]struct{ key, value string }{
			{"component", a.fact("Target")}, {"group", source}, {"class", shown(r.Action, longestFact)},
		} {
			if m.value != "" {
				dst = append(append(append(dst, `,"`...), m.key...), `":`...)
				dst = rawjson.AppendString(dst, m.value)
			}
		}
		dst = append(dst, `,"custom_details":`...)
		if posting.IsObject(r) {
			return append(append(dst, r.Body...), `}}`...), nil
		}
		dst = append(dst, `{"record":`...)
		return append(rawjson.AppendString(dst, r.Body), `}}}`...), nil
	}
}

// pagerDutySeverities are PagerDuty's words for the severities.
var pagerDutySeverities = [...]string{"info", "info", "warning", "error", "critical"}

// dedupKey is the same at every attempt, and another one for every event. While its alert is
// open, PagerDuty takes an event with the same key for the same alert.
func dedupKey(r *sink.Record) string {
	key := r.ID
	if r.Organization != "" {
		key = r.Organization + "/" + key
	}
	if len(key) <= pagerDutyDedup && key == shown(key, pagerDutyDedup) {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return "sha256:" + hex.EncodeToString(sum[:])
}

const pagerDutyRefused = "make sure that routing_key is the integration key of an Events API v2 integration, not a key of the REST API, and that region is the account's"

var pagerDutyStatuses = posting.Common.With(posting.Statuses{
	http.StatusAccepted:     {Verdict: posting.Delivered},
	2:                       {Verdict: posting.Destination, Hint: notTheService("PagerDuty")},
	http.StatusUnauthorized: {Verdict: posting.Unauthorized, Hint: pagerDutyRefused},
	http.StatusForbidden:    {Verdict: posting.Unauthorized, Hint: pagerDutyRefused},
})

// judgePagerDuty goes by the status. A wrong routing key is a 400, as a wrong event is; the
// errors say which (developer.pagerduty.com, docs/events-api-v2/trigger-events).
func judgePagerDuty(r posting.Reply) posting.Rule {
	if r.Status == http.StatusBadRequest {
		var answer struct{ Errors []string }
		if json.Unmarshal(r.Body, &answer) == nil && slices.ContainsFunc(answer.Errors, aboutRoutingKey) {
			return posting.Rule{Verdict: posting.Unauthorized, Hint: pagerDutyRefused}
		}
	}
	return noPage("PagerDuty", pagerDutyStatuses)(r)
}

func aboutRoutingKey(text string) bool {
	text = strings.ToLower(text)
	return strings.Contains(text, "routing_key") || strings.Contains(text, "routing key")
}
