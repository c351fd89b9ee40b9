package servicetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// NewSlack returns an incoming webhook of Slack at a secret path.
func NewSlack(path string) *Server {
	s := &Server{Path: path, Largest: 1 << 20, TooMany: "invalid_payload"}
	s.refusal = answered(http.StatusBadRequest, "invalid_blocks")
	s.take = func(r *http.Request, body []byte) ([]Event, Answer) {
		var m struct {
			Text   string
			Blocks []json.RawMessage
		}
		switch {
		case r.Header.Get("Content-Encoding") != "" || json.Unmarshal(body, &m) != nil:
			return nil, answered(http.StatusBadRequest, "invalid_payload")
		case m.Text == "" && len(m.Blocks) == 0:
			return nil, answered(http.StatusBadRequest, "no_text")
		case len(m.Blocks) > 50:
			return nil, s.refusal
		}
		s.slackMarkup("the text of a notification", m.Text)
		var events []Event
		for _, block := range m.Blocks {
			e, err := s.slackSection(block)
			if err != nil {
				return nil, s.refusal
			}
			events = append(events, e)
		}
		return events, answered(http.StatusOK, "ok")
	}
	s.other = func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/services/") {
			reply(w, answered(http.StatusForbidden, "invalid_token"))
			return
		}
		reply(w, answered(http.StatusNotFound, "no_service"))
	}
	return s
}

type slackText struct {
	Type, Text string
	Emoji      *bool `json:",omitempty"`
	Verbatim   bool  `json:",omitempty"`
}

// slackSection reads a block as the reference of Block Kit has it: a section with a text of
// at most 3,000 characters, and at most ten fields of 2,000.
func (s *Server) slackSection(block json.RawMessage) (Event, error) {
	var b struct {
		Type   string
		Text   slackText
		Fields []slackText
	}
	if err := strictly(block, &b); err != nil {
		return Event{}, err
	}
	if b.Type != "section" || len(b.Fields) > 10 || !within(b.Text, 3000) {
		return Event{}, fmt.Errorf("a section is malformed")
	}
	e := Event{Text: b.Text.shown()}
	for _, f := range b.Fields {
		if !within(f, 2000) {
			return Event{}, fmt.Errorf("a field is malformed")
		}
		s.slackMarkup("a field", f.Text)
		e.Text += "\n" + f.shown()
		if id, found := strings.CutPrefix(f.shown(), "*Id*\n`"); found {
			e.ID = strings.TrimSuffix(id, "`")
		}
	}
	s.slackMarkup("a text", b.Text.Text)
	return e, nil
}

func within(t slackText, most int) bool {
	return (t.Type == "mrkdwn" && t.Emoji == nil || t.Type == "plain_text" && !t.Verbatim) && t.Text != "" && utf8.RuneCountInString(t.Text) <= most
}

// shown is the text as Slack shows it, but for its markup.
func (t slackText) shown() string {
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(t.Text)
}

var slackEntity = regexp.MustCompile(`&(amp|lt|gt);`)

// slackMarkup notes control sequences, such as links and mentions, and text that ends the
// code in which it is: the sink writes neither of them.
func (s *Server) slackMarkup(what, text string) {
	if strings.ContainsAny(slackEntity.ReplaceAllString(text, ""), "<>&") {
		s.breaks("%s has a control sequence of Slack: %q", what, text)
	}
	if name, value, isFact := strings.Cut(text, "\n"); isFact {
		if len(value) < 2 || value[0] != '`' || strings.Count(value, "`") != 2 || strings.Contains(value, "\n") || !strings.HasPrefix(name, "*") {
			s.breaks("%s has markup that is not ours: %q", what, text)
		}
	}
}

// NewTeams returns a workflow of Teams that begins with a webhook. Sig is the signature in
// the query of its address.
func NewTeams(path, sig string) *Server {
	s := &Server{Path: path, Largest: 28_000, TooMany: `{"error":{"code":"RequestEntityTooLarge"}}`}
	s.refusal = answered(http.StatusBadRequest, `{"error":{"code":"TriggerInputSchemaMismatch"}}`)
	s.take = func(r *http.Request, body []byte) ([]Event, Answer) {
		if r.URL.Query().Get("sig") != sig {
			return nil, answered(http.StatusUnauthorized, `{"error":{"code":"DirectApiAuthorizationRequired"}}`)
		}
		var m struct {
			Type        string
			Attachments []struct {
				ContentType string
				ContentURL  *string
				Content     struct {
					Schema        string `json:"$schema"`
					Type, Version string
					MSTeams       any
					Body          []json.RawMessage
				}
			}
		}
		if r.Header.Get("Content-Type") != "application/json" || strictly(body, &m) != nil || m.Type != "message" || len(m.Attachments) != 1 ||
			m.Attachments[0].ContentType != "application/vnd.microsoft.card.adaptive" || m.Attachments[0].Content.Type != "AdaptiveCard" {
			return nil, s.refusal
		}
		var events []Event
		for _, element := range m.Attachments[0].Content.Body {
			e, err := s.teamsContainer(element)
			if err != nil {
				return nil, s.refusal
			}
			events = append(events, e)
		}
		return events, answered(http.StatusAccepted, "")
	}
	return s
}

// teamsContainer reads a container of text that knows no markdown.
func (s *Server) teamsContainer(element json.RawMessage) (Event, error) {
	var c struct {
		Type, Spacing string
		Separator     bool
		Items         []struct {
			Type, Spacing string
			Inlines       []struct{ Type, Size, Weight, Color, Text string }
		}
	}
	if err := strictly(element, &c); err != nil {
		return Event{}, err
	}
	if c.Type != "Container" {
		return Event{}, fmt.Errorf("%s is not ours", c.Type)
	}
	var e Event
	for _, item := range c.Items {
		if item.Type != "RichTextBlock" || len(item.Inlines) == 0 {
			return Event{}, fmt.Errorf("%s is not ours", item.Type)
		}
		line := ""
		for _, run := range item.Inlines {
			if run.Type != "TextRun" || run.Text == "" {
				return Event{}, fmt.Errorf("%s is not ours", run.Type)
			}
			if strings.Contains(run.Text, "{{") || strings.ContainsAny(run.Text, "\r\n") {
				s.breaks("a text has markup: %q", run.Text)
			}
			line += run.Text
		}
		if id, found := strings.CutPrefix(line, "Id  "); found {
			e.ID = id
		}
		e.Text += line + "\n"
	}
	return e, nil
}

// NewPagerDuty returns the Events API v2 of PagerDuty, for one integration. An event that has
// the key of one that it took before is the same alert: Events returns only the first.
func NewPagerDuty(routingKey string) *Server {
	s := &Server{Path: "/v2/enqueue", Largest: 512 << 10, TooMany: `{"status":"event too large"}`}
	s.refusal = answered(http.StatusBadRequest, `{"status":"invalid event","message":"Event object is invalid","errors":["refused"]}`)
	s.once = true
	s.take = func(_ *http.Request, body []byte) ([]Event, Answer) {
		e, errs := pagerDutyEvent(body, routingKey)
		if len(errs) > 0 {
			text, _ := json.Marshal(map[string]any{"status": "invalid event", "message": "Event object is invalid", "errors": errs}) // It has texts alone.
			return nil, Answer{http.StatusBadRequest, string(text)}
		}
		return []Event{e}, answered(http.StatusAccepted, `{"status":"success","message":"Event processed","dedup_key":%q}`, e.ID)
	}
	return s
}

func pagerDutyEvent(body []byte, routingKey string) (e Event, errs []string) {
	var event struct {
		RoutingKey  string `json:"routing_key"`
		EventAction string `json:"event_action"`
		DedupKey    string `json:"dedup_key"`
		Client      string `json:"client"`
		Payload     struct {
			Summary, Severity, Source, Timestamp, Component, Group, Class string

			CustomDetails json.RawMessage `json:"custom_details"`
		} `json:"payload"`
	}
	if strictly(body, &event) != nil {
		return e, []string{"JSON parse error"}
	}
	p := event.Payload
	wrong := func(bad bool, text string) {
		if bad {
			errs = append(errs, text)
		}
	}
	wrong(len(event.RoutingKey) != 32, "Length of 'routing_key' is incorrect (should be 32 characters)")
	wrong(len(event.RoutingKey) == 32 && event.RoutingKey != routingKey, "Invalid routing key")
	wrong(event.EventAction != "trigger", "'event_action' is missing or invalid")
	wrong(len(event.DedupKey) > 255, "'dedup_key' is too long (maximum is 255 characters)")
	wrong(p.Summary == "", "'payload.summary' is missing or blank")
	wrong(utf8.RuneCountInString(p.Summary) > 1024, "'summary' is too long (maiximum is 1024 characters)")
	wrong(p.Source == "", "'payload.source' is missing or blank")
	wrong(!slices.Contains([]string{"critical", "error", "warning", "info"}, p.Severity), "'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')")
	_, err := time.Parse(time.RFC3339, p.Timestamp)
	wrong(err != nil, "'payload.timestamp' is invalid")
	_, err = membersOf(p.CustomDetails)
	wrong(err != nil, "'payload.custom_details' is invalid")
	return Event{ID: event.DedupKey, Body: p.CustomDetails, Text: p.Severity + ": " + p.Summary}, errs
}

// strictly decodes JSON, and refuses members that it does not know.
func strictly(text []byte, to any) error {
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return err
	}
	if d.More() {
		return fmt.Errorf("more than one value")
	}
	return nil
}
