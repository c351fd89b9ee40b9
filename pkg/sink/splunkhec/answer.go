package splunkhec

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/echo"
	"github.com/sluice-siem/sluice/pkg/internal/httpclient"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// answer is the answer to a request.
type answer struct {
	status  int            // of HTTP
	wait    time.Duration  // of Retry-After
	excerpt string         // of a body that is not HEC's, for people
	advice  setting.Advice // of an answer that is not the server's

	// HEC's fields; no answer has all of them. They are empty if something else
	// answered: a gateway, or Splunk's web server, which reports a too large body in
	// HTML. Code is one of codes, and the answer has its status.
	Text   string          `json:"text"`
	Code   *int            `json:"code"`
	AckID  *int64          `json:"ackId"`
	Number *int            `json:"invalid-event-number"`
	Acks   map[string]bool `json:"acks"`
}

func readAnswer(r *http.Response, body []byte, sent *echo.Filter) answer {
	a := answer{status: r.StatusCode, wait: httpclient.RetryAfter(r.Header)}
	said := a
	if err := json.Unmarshal(body, &said); err != nil || said.Code != nil && codes[*said.Code].status != a.status {
		// A field of the wrong type would stay 0, which as a code means success. So an
		// answer that cannot be decoded as a whole is not HEC's. Gateways of gRPC have
		// codes too, and 13 with status 500 is not an event that is blank.
		a.excerpt = httpclient.Excerpt(string(body), sent, shown)
		return a
	}
	said.Text = httpclient.Excerpt(said.Text, sent, shown)
	return said
}

// verdict is what an answer means for the records of its request.
type verdict int

const (
	accepted      verdict = iota
	refused               // Splunk refuses one of them
	tooLarge              // together they are too large
	unavailable           // no fault of the records: try again
	misconfigured         // no fault of the records: a person must act
)

// rule is the meaning of a code, with a hint.
type rule struct {
	verdict verdict
	hint    string
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
	rule
}{
	0:  {200, rule{accepted, ""}},               // Success
	1:  {403, rule{misconfigured, enableHint}},  // Token disabled
	2:  {401, rule{misconfigured, tokenHint}},   // Token is required
	3:  {401, rule{misconfigured, tokenHint}},   // Invalid authorization
	4:  {403, rule{misconfigured, tokenHint}},   // Invalid token
	5:  {400, rule{unavailable, ""}},            // No data: the body was cut on its way, since the sink sends none that is empty
	6:  {400, rule{refused, ""}},                // Invalid data format
	7:  {400, rule{misconfigured, ""}},          // Incorrect index; see indexHint
	8:  {500, rule{unavailable, ""}},            // Internal server error
	9:  {503, rule{unavailable, ""}},            // Server is busy
	10: {400, rule{misconfigured, channelHint}}, // Data channel is missing
	11: {400, rule{misconfigured, channelHint}}, // Invalid data channel
	12: {400, rule{refused, ""}},                // Event field is required
	13: {400, rule{refused, ""}},                // Event field cannot be blank
	14: {400, rule{misconfigured, noAckHint}},   // ACK is disabled
	15: {400, rule{refused, ""}},                // Error in handling indexed fields
	16: {400, rule{misconfigured, tokenHint}},   // Query string authorization is not enabled
	17: {200, rule{unavailable, strangeHint}},   // HEC is healthy, which answers another question
	18: {503, rule{unavailable, ""}},            // HEC is unhealthy, queues are full
	19: {503, rule{unavailable, ""}},            // HEC is unhealthy, ack service unavailable
	20: {503, rule{unavailable, ""}},            // HEC is unhealthy, queues are full, ack service unavailable
	21: {400, rule{misconfigured, tokenHint}},   // Invalid token
	22: {400, rule{misconfigured, enableHint}},  // Token disabled
	23: {503, rule{unavailable, ""}},            // Server is shutting down
	24: {200, rule{accepted, ""}},               // Success, queue approaching capacity
	25: {200, rule{accepted, ""}},               // Success, ack channel approaching capacity
	26: {429, rule{unavailable, ""}},            // Queue at capacity
	27: {429, rule{unavailable, ""}},            // Ack channel at capacity
}

// judge uses the code of HEC, or else the status alone.
func (a answer) judge() rule {
	if a.Code != nil {
		return codes[*a.Code].rule
	}
	switch {
	case a.status == http.StatusOK:
		return rule{unavailable, strangeHint}
	case a.status == http.StatusRequestEntityTooLarge:
		return rule{tooLarge, ""}
	case a.status == http.StatusUnauthorized || a.status == http.StatusForbidden:
		return rule{misconfigured, tokenHint}
	case a.status == http.StatusRequestTimeout || a.status == http.StatusTooManyRequests || a.status >= 500:
		return rule{unavailable, ""}
	case a.status == http.StatusUnsupportedMediaType:
		return rule{misconfigured, "set compression: none if the server at url cannot read gzip"}
	case a.status >= 300 && a.status < 400:
		return rule{misconfigured, "redirects are not followed, since they would carry the token to another address; set url to the address of HTTP Event Collector itself"}
	}
	return rule{misconfigured, urlHint}
}

// lacksAck reports whether the answer to a query about acknowledgements is that of a
// receiver without them. Splunk answers code 14. OpenTelemetry's receiver takes the query
// for an event, and answers code 12; others do not know the path. An answer about the
// token, or that asks to come again, says nothing.
func (a answer) lacksAck() bool {
	if a.Code != nil {
		v := a.judge().verdict
		return *a.Code == 14 || *a.Code == 5 || v == refused || v == accepted
	}
	switch a.status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return false
	}
	return a.status < 500
}

// aboutData reports whether HEC objects to the data of a request, or takes it, and so objects
// to neither address nor token.
func (a answer) aboutData() bool {
	if a.Code == nil {
		return false
	}
	v := a.judge().verdict
	return *a.Code == 5 || v == refused || v == accepted
}

// saysNothing reports whether a receiver other than Splunk refuses a request with words of
// its own, which may be about its data or about the token.
func (a answer) saysNothing() bool {
	return a.Code == nil && a.status == http.StatusBadRequest && a.excerpt != "HTML"
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
	text := fmt.Sprintf("%d %s", a.status, http.StatusText(a.status))
	switch {
	case a.Code != nil:
		return fmt.Sprintf("%s: %s (code %d)", text, a.Text, *a.Code)
	case a.excerpt != "":
		return text + ": " + a.excerpt
	}
	return text
}

// fault returns the error of an answer that is no fault of the records.
func (h *hec) fault(a answer) error {
	if a.advice.Hint != "" {
		return advised(h.wrap(a), a.advice)
	}
	r := a.judge()
	if a.Code != nil && *a.Code == 7 {
		r.hint = h.indexHint()
	}
	err := h.wrap(a)
	switch {
	case a.refusesToken():
		return sink.Refused(err, r.hint)
	case r.verdict == misconfigured:
		return sink.Destination(err, r.hint)
	}
	if a.wait > 0 {
		err = sink.RetryAfter(err, a.wait)
	}
	if r.hint != "" {
		err = sink.Hint(err, r.hint)
	}
	return err
}

// refusesToken reports whether HEC, or what stands in front of it, does not accept the token.
func (a answer) refusesToken() bool {
	hint := a.judge().hint
	return hint == tokenHint || hint == enableHint
}

func (h *hec) indexHint() string {
	if h.settings.Index == "" {
		return "the token's default index does not exist; change it, or set index"
	}
	return fmt.Sprintf("index %s does not exist, or the token may not write to it; create it, or add it to the token's allowed indexes", h.settings.Index)
}

// shown is how much of an answer's text an error shows, in characters.
const shown = 200
