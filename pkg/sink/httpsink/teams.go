package httpsink

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/internal/posting"
)

// Teams is the sink type teams.
var Teams = presetType("teams", TeamsSettings{EventsPerMessage: 5})

// TeamsSettings are the keys of a teams sink.
type TeamsSettings struct {
	URL              setting.Secret `yaml:"url" required:"true" doc:"Address of a workflow of Microsoft Teams that posts to a channel when a webhook request is received. It is a secret, and is read again for each message."`
	EventsPerMessage int            `yaml:"events_per_message" least:"1" doc:"Most events in a message, from 1 to 10."`

	Connection `yaml:",inline"`
}

const teamsExample = "https://prod-00.westeurope.logic.azure.com/workflows/…/triggers/manual/paths/invoke?…&sig=…"

// WithoutOriginal implements sink.WithoutOriginal: a card does not show the original event.
func (TeamsSettings) WithoutOriginal() {}

// WithoutEvidence implements sink.WithoutEvidence.
func (TeamsSettings) WithoutEvidence() {}

// Validate reports every setting that is missing or invalid.
func (s *TeamsSettings) Validate() []error {
	errs := problems(
		checkWebhook(s.URL, teamsExample, s.AllowHTTP),
		checkMost("events_per_message", s.EventsPerMessage, teamsEvents),
	)
	if isConnector(originOf(s.URL)) {
		errs = append(errs, setting.Invalid("url", errors.New("is that of an Office 365 connector, which Microsoft has retired; make a workflow in Teams that posts to a channel when a webhook request is received, and write its address")))
	}
	return errs
}

// isConnector reports whether an origin is of the connectors that workflows replaced.
func isConnector(origin string) bool {
	return strings.HasSuffix(origin, "//outlook.office.com") || strings.HasSuffix(origin, ".webhook.office.com")
}

// Questions implements setting.Asker.
func (s *TeamsSettings) Questions() []setting.Question {
	return []setting.Question{{Key: "url", Text: "Address of a workflow of Teams that posts to a channel when a webhook request is received", Secret: true}}
}

// Destination implements setting.Destination.
func (s *TeamsSettings) Destination() string { return originOf(s.URL) }

const (
	// teamsBytes is the largest message. The limit is about 28 KB, markup included
	// (learn.microsoft.com/connectors/teams, "Known issues and limitations").
	teamsBytes = 24_000
	// teamsEvents is how many events a message surely has room for.
	teamsEvents = 10
	// teamsPace is the least time between messages. A channel takes four a second
	// (learn.microsoft.com/microsoftteams/platform/bots/how-to/rate-limit); a workflow is
	// throttled earlier.
	teamsPace = time.Second
)

func (s *TeamsSettings) endpoint(sink.Env) endpoint {
	return endpoint{
		url: s.URL, allowHTTP: s.AllowHTTP, tls: s.TLS,
		encode: appendTeamsCard, framing: posting.Framing{Head: teamsHead, Separator: ",", Tail: teamsTail},
		contentType: fixed("application/json"), compression: posting.None,
		maxBytes: teamsBytes, maxEvents: s.EventsPerMessage, recordBytes: alertRecordBytes,
		concurrency: 1, requests: messagesPerPublish, pace: teamsPace,
		judge: noPage("Teams", teamsStatuses),
	}
}

const teamsRefused = "the workflow does not accept the address: copy url from the workflow in Teams again; its signature ends with the workflow's address"

// teamsStatuses are those of a workflow's trigger (learn.microsoft.com/azure/logic-apps,
// "Receive and respond to inbound HTTPS calls"). 202 says that the workflow has begun. One
// with an action of its own that responds answers 200, if that is not changed.
var teamsStatuses = posting.Common.With(posting.Statuses{
	http.StatusOK:           {Verdict: posting.Delivered},
	http.StatusAccepted:     {Verdict: posting.Delivered},
	2:                       {Verdict: posting.Destination, Hint: notTheService("Teams") + ", and that the workflow responds with 200 or 202"},
	http.StatusUnauthorized: {Verdict: posting.Unauthorized, Hint: teamsRefused},
	http.StatusForbidden:    {Verdict: posting.Unauthorized, Hint: teamsRefused},
	http.StatusNotFound:     {Verdict: posting.Destination, Hint: "the workflow is deleted or turned off; turn it on, or make another one and set url to its address"},
	http.StatusConflict:     {Verdict: posting.Retry},
})
