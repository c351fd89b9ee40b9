package httpsink

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/rawjson"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/internal/posting"
)

// Slack is the sink type slack.
var Slack = presetType("slack", SlackSettings{EventsPerMessage: 10})

// SlackSettings are the keys of a slack sink.
type SlackSettings struct {
	URL              setting.Secret `yaml:"url" required:"true" doc:"Address of an incoming webhook of Slack. It is a secret, and is read again for each message."`
	EventsPerMessage int            `yaml:"events_per_message" least:"1" doc:"Most events in a message, from 1 to 50."`

	Connection `yaml:",inline"`
}

const slackExample = "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXX"

// WithoutOriginal implements sink.WithoutOriginal: a card does not show the original event.
func (SlackSettings) WithoutOriginal() {}

// WithoutEvidence implements sink.WithoutEvidence.
func (SlackSettings) WithoutEvidence() {}

// Validate reports every setting that is missing or invalid.
func (s *SlackSettings) Validate() []error {
	return problems(
		checkWebhook(s.URL, slackExample, s.AllowHTTP),
		checkMost("events_per_message", s.EventsPerMessage, slackBlocks),
	)
}

// Questions implements setting.Asker.
func (s *SlackSettings) Questions() []setting.Question {
	return []setting.Question{{Key: "url", Text: "Address of an incoming webhook of Slack", Secret: true}}
}

// Destination implements setting.Destination.
func (s *SlackSettings) Destination() string { return originOf(s.URL) }

// slackPace is the least time between messages: Slack takes one a second from a webhook, and
// turns off those that send more for long (docs.slack.dev, apis/web-api/rate-limits).
const slackPace = time.Second

// slackBytes is the largest message. Slack documents limits of its parts only.
const slackBytes = 64 << 10

func (s *SlackSettings) endpoint(sink.Env) endpoint {
	return endpoint{
		url: s.URL, allowHTTP: s.AllowHTTP, tls: s.TLS,
		encode: appendSlackCard, framing: posting.Framing{Separator: ","}, complete: slackMessage,
		contentType: fixed("application/json"), compression: posting.None,
		maxBytes: slackBytes, maxEvents: s.EventsPerMessage, recordBytes: alertRecordBytes,
		concurrency: 1, requests: messagesPerPublish, pace: slackPace,
		judge: judgeSlack, check: checkSlack,
	}
}

// slackMessage makes a message of the sections of its events. The text is what notifications
// show.
func slackMessage(records []sink.Record, blocks []byte) []byte {
	message := append([]byte(nil), `{"mrkdwn":false,"unfurl_links":false,"unfurl_media":false,"text":`...)
	message = rawjson.AppendString(message, slackText.Replace(headline(records)))
	message = append(message, `,"blocks":[`...)
	message = append(message, blocks...)
	return append(message, `]}`...)
}

// slackReasons are the texts of Slack's answers (docs.slack.dev, messaging/sending-messages-
// using-incoming-webhooks, "Handling errors"). An answer has nothing else in it.
var slackReasons = map[string]posting.Rule{
	"invalid_payload": {Verdict: posting.Rejected},
	"invalid_blocks":  {Verdict: posting.Rejected},
	"msg_too_long":    {Verdict: posting.Split},
	"no_text":         {Verdict: posting.Rejected},

	"user_not_found":                    {Verdict: posting.Destination, Hint: slackChannel},
	"channel_not_found":                 {Verdict: posting.Destination, Hint: slackChannel},
	"channel_is_archived":               {Verdict: posting.Destination, Hint: slackChannel},
	"posting_to_general_channel_denied": {Verdict: posting.Destination, Hint: slackPolicy},
	"action_prohibited":                 {Verdict: posting.Destination, Hint: slackPolicy},
	"team_disabled":                     {Verdict: posting.Destination, Hint: "the workspace is disabled; enable it, or set url to a webhook of another one"},

	"invalid_token":    {Verdict: posting.Unauthorized, Hint: slackRevoked},
	"no_service":       {Verdict: posting.Unauthorized, Hint: slackRevoked},
	"no_service_id":    {Verdict: posting.Unauthorized, Hint: slackRevoked},
	"no_active_hooks":  {Verdict: posting.Unauthorized, Hint: slackRevoked},
	"no_team":          {Verdict: posting.Unauthorized, Hint: slackRevoked},
	"token_revoked":    {Verdict: posting.Unauthorized, Hint: slackRevoked},
	"account_inactive": {Verdict: posting.Unauthorized, Hint: slackRevoked},
}

const (
	slackChannel = "the channel or the user of the webhook is gone or archived; add a webhook for another channel to the app, and set url to it"
	slackPolicy  = "the administrators of the workspace do not allow this; ask them, or set url to a webhook of another channel"
	slackRevoked = "the webhook is revoked or the address is not whole; copy url from the app's page Incoming Webhooks again"
)

var slackStatuses = posting.Common.With(posting.Statuses{
	http.StatusUnauthorized: {Verdict: posting.Unauthorized, Hint: slackRevoked},
	http.StatusForbidden:    {Verdict: posting.Unauthorized, Hint: slackRevoked},
	http.StatusNotFound:     {Verdict: posting.Unauthorized, Hint: slackRevoked},
	http.StatusGone:         {Verdict: posting.Destination, Hint: slackChannel},
	2:                       {Verdict: posting.Destination, Hint: notTheService("Slack")},
})

// judgeSlack goes by the text before the status, since several errors share a status. Only
// "ok" says that the message is in the channel.
func judgeSlack(r posting.Reply) posting.Rule {
	text := strings.TrimSpace(string(r.Body))
	if r.Status == http.StatusOK && text == "ok" {
		return posting.Rule{Verdict: posting.Delivered}
	}
	if rule, known := slackReasons[text]; known && r.Status >= 400 && r.Status < 500 && r.Status != http.StatusTooManyRequests {
		return rule
	}
	return slackStatuses.Judge(r.Status)
}

// checkSlack posts a message without a text. Slack refuses it, and says whether that is for
// the text or for the webhook.
func checkSlack(ctx context.Context, p *poster) (string, error) {
	ask := func(ctx context.Context) (*http.Request, error) {
		address, err := p.address()
		if err != nil {
			return nil, err
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, address.String(), nil)
		if err == nil {
			r.Header.Set("Content-Type", "application/json")
		}
		return r, err
	}
	reply, rule, err := p.client.Post(ctx, ask, []byte(`{"text":""}`), judgeSlack)
	if err != nil {
		return "", err
	}
	switch text := strings.TrimSpace(string(reply.Body)); {
	case text == "no_text" || text == "missing_text_or_fallback_or_attachments" || text == "invalid_payload":
		return fmt.Sprintf("Slack at %s knows the webhook: it refuses a message without a text for that alone", p.client.Shown), nil
	case rule.Verdict == posting.Delivered:
		return "", sink.Destination(p.client.Wrap(errors.New("a message without a text was taken, which Slack refuses")), notTheService("Slack"))
	}
	return "", p.client.Fault(reply, rule)
}
