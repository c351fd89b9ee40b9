package splunkhec

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/sluice-siem/sluice/pkg/sink/internal/posting"
)

// answer is the answer to a request.
type answer struct {
	reply   posting.Reply
	excerpt string // of a body that is not HEC's, for people

	// HEC's fields; no answer has all of them. They are empty if something else
	// answered: a gateway, or Splunk's web server, which reports a too large body in
	// HTML. Code is one of codes, and the answer has its status.
	Text   string          `json:"text"`
	Code   *int            `json:"code"`
	AckID  *int64          `json:"ackId"`
	Number *int            `json:"invalid-event-number"`
	Acks   map[string]bool `json:"acks"`
}

func readAnswer(r posting.Reply) answer {
	a := answer{reply: r}
	said := a
	if err := json.Unmarshal(r.Body, &said); err != nil || said.Code != nil && codes[*said.Code].status != r.Status {
		// A field of the wrong type would stay 0, which as a code means success. So an
		// answer that cannot be decoded as a whole is not HEC's. Gateways of gRPC have
		// codes too, and 13 with status 500 is not an event that is blank.
		a.excerpt = r.Excerpt(string(r.Body))
		return a
	}
	said.Text = r.Excerpt(said.Text)
	return said
}

const (
	tokenHint   = "make sure that token belongs to an HTTP Event Collector input of this Splunk; a new token takes a moment to reach all nodes of a cluster; other receivers may want auth_scheme: Bearer"
	enableHint  = "enable the token, and HTTP Event Collector in its global settings"
	channelHint = "set ack: auto or ack: required, or turn indexer acknowledgement off for the token"
	noAckHint   = "turn indexer acknowledgement on for the token, or set ack: auto"
	strangeHint = "the server at url is not HTTP Event Collector, or a proxy changes its answers"
	urlHint     = "make sure that url is the address of HTTP Event Collector, which listens on port 8088 by default; where the vendor shows an address with a path, write it with the path"
)

// codes are the codes of HEC, each with the one HTTP status that it comes with (Splunk,
// "Troubleshoot HTTP Event Collector", possible error codes).
var codes = map[int]struct {
	status int
	posting.Rule
}{
	0:  {200, posting.Rule{Verdict: posting.Delivered}},                      // Success
	1:  {403, posting.Rule{Verdict: posting.Unauthorized, Hint: enableHint}}, // Token disabled
	2:  {401, posting.Rule{Verdict: posting.Unauthorized, Hint: tokenHint}},  // Token is required
	3:  {401, posting.Rule{Verdict: posting.Unauthorized, Hint: tokenHint}},  // Invalid authorization
	4:  {403, posting.Rule{Verdict: posting.Unauthorized, Hint: tokenHint}},  // Invalid token
	5:  {400, posting.Rule{Verdict: posting.Retry}},                          // No data: the body was cut on its way, since the sink sends none that is empty
	6:  {400, posting.Rule{Verdict: posting.Rejected}},                       // Invalid data format
	7:  {400, posting.Rule{Verdict: posting.Destination}},                    // Incorrect index; see indexHint
	8:  {500, posting.Rule{Verdict: posting.Retry}},                          // Internal server error
	9:  {503, posting.Rule{Verdict: posting.Retry}},                          // Server is busy
	10: {400, posting.Rule{Verdict: posting.Destination, Hint: channelHint}}, // Data channel is missing
	11: {400, posting.Rule{Verdict: posting.Destination, Hint: channelHint}}, // Invalid data channel
	12: {400, posting.Rule{Verdict: posting.Rejected}},                       // Event field is required
	13: {400, posting.Rule{Verdict: posting.Rejected}},                       // Event field cannot be blank
	14: {400, posting.Rule{Verdict: posting.Destination, Hint: noAckHint}},   // ACK is disabled
	15: {400, posting.Rule{Verdict: posting.Rejected}},                       // Error in handling indexed fields
	16: {400, posting.Rule{Verdict: posting.Unauthorized, Hint: tokenHint}},  // Query string authorization is not enabled
	17: {200, posting.Rule{Verdict: posting.Retry, Hint: strangeHint}},       // HEC is healthy, which answers another question
	18: {503, posting.Rule{Verdict: posting.Retry}},                          // HEC is unhealthy, queues are full
	19: {503, posting.Rule{Verdict: posting.Retry}},                          // HEC is unhealthy, ack service unavailable
	20: {503, posting.Rule{Verdict: posting.Retry}},                          // HEC is unhealthy, queues are full, ack service unavailable
	21: {400, posting.Rule{Verdict: posting.Unauthorized, Hint: tokenHint}},  // Invalid token
	22: {400, posting.Rule{Verdict: posting.Unauthorized, Hint: enableHint}}, // Token disabled
	23: {503, posting.Rule{Verdict: posting.Retry}},                          // Server is shutting down
	24: {200, posting.Rule{Verdict: posting.Delivered}},                      // Success, queue approaching capacity
	25: {200, posting.Rule{Verdict: posting.Delivered}},                      // Success, ack channel approaching capacity
	26: {429, posting.Rule{Verdict: posting.Retry}},                          // Queue at capacity
	27: {429, posting.Rule{Verdict: posting.Retry}},                          // Ack channel at capacity
}

// misconfigured reports whether a person must act.
func (a answer) misconfigured() bool {
	v := a.judge().Verdict
	return v == posting.Destination || v == posting.Unauthorized
}

// judge uses the code of HEC, or else the status alone.
func (a answer) judge() posting.Rule {
	if a.Code != nil {
		return codes[*a.Code].Rule
	}
	switch {
	case a.reply.Status == http.StatusOK:
		return posting.Rule{Verdict: posting.Retry, Hint: strangeHint}
	case a.reply.Status == http.StatusRequestEntityTooLarge:
		return posting.Rule{Verdict: posting.Split}
	case a.reply.Status == http.StatusUnauthorized || a.reply.Status == http.StatusForbidden:
		return posting.Rule{Verdict: posting.Unauthorized, Hint: tokenHint}
	case a.reply.Status == http.StatusRequestTimeout || a.reply.Status == http.StatusTooManyRequests || a.reply.Status >= 500:
		return posting.Rule{Verdict: posting.Retry}
	case a.reply.Status == http.StatusUnsupportedMediaType:
		return posting.Rule{Verdict: posting.Destination, Hint: "set compression: none if the server at url cannot read gzip"}
	case a.reply.Status >= 300 && a.reply.Status < 400:
		return posting.Rule{Verdict: posting.Destination, Hint: "redirects are not followed, since they would carry the token to another address; set url to the address of HTTP Event Collector itself"}
	}
	return posting.Rule{Verdict: posting.Destination, Hint: urlHint}
}

// lacksAck reports whether the answer to a query about acknowledgements is that of a
// receiver without them. Splunk answers code 14. OpenTelemetry's receiver takes the query
// for an event, and answers code 12; others do not know the path. An answer about the
// token, or that asks to come again, says nothing.
func (a answer) lacksAck() bool {
	if a.Code != nil {
		v := a.judge().Verdict
		return *a.Code == 14 || *a.Code == 5 || v == posting.Rejected || v == posting.Delivered
	}
	switch a.reply.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return false
	}
	return a.reply.Status < 500
}

// aboutData reports whether HEC objects to the data of a request, or takes it, and so objects
// to neither address nor token.
func (a answer) aboutData() bool {
	if a.Code == nil {
		return false
	}
	v := a.judge().Verdict
	return *a.Code == 5 || v == posting.Rejected || v == posting.Delivered
}

// saysNothing reports whether a receiver other than Splunk refuses a request with words of
// its own, which may be about its data or about the token.
func (a answer) saysNothing() bool {
	return a.Code == nil && a.reply.Status == http.StatusBadRequest && !strings.HasPrefix(a.excerpt, "HTML")
}

// position returns the number of the refused record among n records: its index, or
// one more if the server counts from one. ok is false if the answer has no valid
// number.
func (a answer) position(n int) (at int, ok bool) {
	if a.Code == nil || a.Number == nil || *a.Number < 0 || *a.Number > n {
		return 0, false
	}
	return *a.Number, true
}

// unknownChannel reports whether the answering indexer does not know the channel.
func (a answer) unknownChannel() bool { return a.Code != nil && (*a.Code == 10 || *a.Code == 11) }

// asksToSlowDown reports whether a success came with a warning that a queue or
// channel is nearly full.
func (a answer) asksToSlowDown() bool { return a.Code != nil && (*a.Code == 24 || *a.Code == 25) }

// Error describes the answer for people.
func (a answer) Error() string {
	text := fmt.Sprintf("%d %s", a.reply.Status, http.StatusText(a.reply.Status))
	switch {
	case a.Code != nil:
		return fmt.Sprintf("%s: %s (code %d)", text, a.Text, *a.Code)
	case a.excerpt != "":
		return text + ": " + a.excerpt
	}
	return text
}

// fault returns the error of an answer.
func (h *hec) fault(a answer) error {
	r := a.judge()
	if a.Code != nil && *a.Code == 7 {
		r.Hint = h.indexHint()
	}
	return h.client.FaultOf(a, a.reply, r)
}

func (h *hec) indexHint() string {
	if h.settings.Index == "" {
		return "the token's default index does not exist; change it, or set index"
	}
	return fmt.Sprintf("index %s does not exist, or the token may not write to it; create it, or add it to the token's allowed indexes", h.settings.Index)
}
