package splunkhec

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/echo"
	"github.com/sluice-siem/sluice/pkg/internal/httpclient"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// answer is what HEC says to a request.
type answer struct {
	status  int // of HTTP
	wait    time.Duration
	excerpt string // of a body that is none of HEC's, for people

	// HEC's own words, of which no answer has all. Code is nil where something
	// else answered: a proxy, or Splunk's web server, which says in HTML that a
	// body is too large.
	Text   string          `json:"text"`
	Code   *int            `json:"code"`
	AckID  *int64          `json:"ackId"`
	Number *int            `json:"invalid-event-number"`
	Acks   map[string]bool `json:"acks"`
}

func readAnswer(r *http.Response, body []byte, sent *echo.Filter) answer {
	a := answer{status: r.StatusCode, wait: httpclient.RetryAfter(r.Header)}
	said := a
	if err := json.Unmarshal(body, &said); err != nil {
		// A word of another type leaves 0 where it should stand, which as a code means
		// success: an answer that cannot be read as a whole is none of HEC's.
		a.excerpt = excerpt(body, sent)
		return a
	}
	said.Text = sent.Text(said.Text[:min(len(said.Text), lookedAt)])
	return said
}

// verdict is what an answer means for the records of its request.
type verdict int

const (
	accepted    verdict = iota
	refused             // one of them is what Splunk does not take
	tooLarge            // together they are too large
	unavailable         // none of it is theirs: try again
	misled              // nor is it, and a person must act
)

// rule says what a code means, and what to do about it.
type rule struct {
	verdict verdict
	hint    string
}

const (
	tokenHint   = "see that token is the one of an HTTP Event Collector input of this Splunk; a new one takes a moment to reach all nodes of a cluster"
	enableHint  = "enable the token, and HTTP Event Collector in its global settings"
	channelHint = "set ack: auto or ack: required, or turn indexer acknowledgement off for the token"
	noAckHint   = "turn indexer acknowledgement on for the token, or set ack: auto"
	urlHint     = "see that url is the address of HTTP Event Collector, which listens on port 8088 by default"
)

// rules are the codes of HEC (Splunk, "Troubleshoot HTTP Event Collector",
// possible error codes).
var rules = map[int]rule{
	0:  {accepted, ""},        // Success
	1:  {misled, enableHint},  // Token disabled
	2:  {misled, tokenHint},   // Token is required
	3:  {misled, tokenHint},   // Invalid authorization
	4:  {misled, tokenHint},   // Invalid token
	5:  {unavailable, ""},     // No data: of a body cut on its way, since none is sent empty
	6:  {refused, ""},         // Invalid data format
	7:  {misled, ""},          // Incorrect index; see indexHint
	8:  {unavailable, ""},     // Internal server error
	9:  {unavailable, ""},     // Server is busy
	10: {misled, channelHint}, // Data channel is missing
	11: {misled, channelHint}, // Invalid data channel
	12: {refused, ""},         // Event field is required
	13: {refused, ""},         // Event field cannot be blank
	14: {misled, noAckHint},   // ACK is disabled
	15: {refused, ""},         // Error in handling indexed fields
	16: {misled, tokenHint},   // Query string authorization is not enabled
	18: {unavailable, ""},     // HEC is unhealthy, queues are full
	19: {unavailable, ""},     // HEC is unhealthy, ack service unavailable
	20: {unavailable, ""},     // HEC is unhealthy, queues are full, ack service unavailable
	21: {misled, tokenHint},   // Invalid token
	22: {misled, enableHint},  // Token disabled
	23: {unavailable, ""},     // Server is shutting down
	24: {accepted, ""},        // Success, queue approaching capacity
	25: {accepted, ""},        // Success, ack channel approaching capacity
	26: {unavailable, ""},     // Queue at capacity
	27: {unavailable, ""},     // Ack channel at capacity
}

// judge decides by the code where there is one. A success counts only if HTTP
// and HEC both say so: a proxy's page comes with 200 too, and a code 0 is what an
// answer without a code would decode to.
func (a answer) judge() rule {
	if a.Code != nil {
		r, known := rules[*a.Code]
		if known && (r.verdict != accepted || a.status == http.StatusOK) {
			return r
		}
	}
	switch {
	case a.status == http.StatusOK:
		return rule{unavailable, "what answers at url is not HTTP Event Collector, or something between changes its answers"}
	case a.status == http.StatusRequestEntityTooLarge:
		return rule{tooLarge, ""}
	case a.status == http.StatusUnauthorized || a.status == http.StatusForbidden:
		return rule{misled, tokenHint}
	case a.status == http.StatusRequestTimeout || a.status == http.StatusTooManyRequests || a.status >= 500:
		return rule{unavailable, ""}
	case a.status == http.StatusUnsupportedMediaType:
		return rule{misled, "set compression: none if what answers at url cannot read gzip"}
	case a.status >= 300 && a.status < 400:
		return rule{misled, "redirects are not followed, since they would carry the token to another address; set url to the address of HTTP Event Collector itself"}
	}
	return rule{misled, urlHint}
}

// position is where the refused record may be among n: at it, or just before it
// where the server counts from one. It is not ok if the answer does not say.
func (a answer) position(n int) (at int, ok bool) {
	if a.Number == nil || *a.Number < 0 || *a.Number > n {
		return 0, false
	}
	return *a.Number, true
}

// strange reports whether the channel is unknown where this answer comes from.
func (a answer) strange() bool { return a.Code != nil && (*a.Code == 10 || *a.Code == 11) }

// crowded reports whether a success came with a plea to slow down.
func (a answer) crowded() bool { return a.Code != nil && (*a.Code == 24 || *a.Code == 25) }

// Error says for people what was answered.
func (a answer) Error() string {
	text := fmt.Sprintf("%d %s", a.status, http.StatusText(a.status))
	switch {
	case a.Code != nil:
		return fmt.Sprintf("%s: %s (code %d)", text, httpclient.Printable(a.Text, shown), *a.Code)
	case a.excerpt != "":
		return text + ": " + a.excerpt
	}
	return text
}

// fault is the error of a request that was answered so, apart from what is about
// its records.
func (h *hec) fault(a answer) error {
	r := a.judge()
	if a.Code != nil && *a.Code == 7 {
		r.hint = h.indexHint()
	}
	err := h.posting(a)
	if r.verdict == misled {
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

func (h *hec) indexHint() string {
	if h.settings.Index == "" {
		return "the token has a default index that does not exist; change it, or set index"
	}
	return fmt.Sprintf("index %s does not exist or the token may not write to it; create it, or add it to the token's allowed indexes", h.settings.Index)
}

const (
	// shown is how much of an answer's text, in characters.
	shown = 200
	// lookedAt is how much of a text may become that, in bytes.
	lookedAt = 8 << 10
)

// excerpt is what a body that is none of HEC's says for people.
func excerpt(body []byte, sent *echo.Filter) string {
	text := strings.TrimSpace(string(body[:min(len(body), lookedAt)]))
	if strings.HasPrefix(text, "<") {
		return "HTML"
	}
	return httpclient.Printable(sent.Text(text), shown)
}
