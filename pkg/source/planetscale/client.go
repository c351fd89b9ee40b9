package planetscale

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/echo"
	"github.com/sluice-siem/sluice/pkg/internal/httpclient"
	"github.com/sluice-siem/sluice/pkg/source"
)

const (
	pageLimit      = 100              // the documented maximum of limit
	maxBody        = 16 << 20         // of an answer; beyond it a smaller page is asked for
	requestTimeout = 30 * time.Second // for an answer with its body
	slowRetry      = 30 * time.Second // where a person must act first
	blindPause     = 10 * time.Second // after a 429 without Retry-After

	// maxPause is the longest pause after a 429, whatever its Retry-After says. The
	// API documents a limit of requests a minute, so a client that sent none for a
	// minute is within it again. Whoever asks for more is probed once a minute.
	maxPause = httpclient.MaxRetryAfter
)

// client sends requests and says what the answers mean. It knows the API's
// transport, not its log.
type client struct {
	http     *http.Client
	endpoint string
	settings *Settings
	budget   *budget
	echo     echo.Filter // of what was sent
	clock    *clock

	mostHeld  int64 // bytes of an answer that are held in memory
	mostBytes int64 // that are read of an answer with an oversized event

	mu      sync.Mutex
	answers map[string]uint64
	limit   int // of the last page that was not too large; 0 before there was one
	smaller int // answers that were too large, of the pages being requested
}

// errCursor is an answer that refuses a cursor, or may: an API that no longer
// knows the event a cursor names may say so with any of these statuses.
type errCursor struct{ error }

func (e errCursor) Unwrap() error { return e.error }

var errTooLarge = fmt.Errorf("the answer exceeds %d bytes", maxBody)

// errTooSlow is a large page that a slow link did not bring in time.
var errTooSlow = errors.New("the answer is too large for this link")

// slowBody is how much of an answer must have come for it to count as a large one
// over a slow link. A page of ordinary events has a tenth of that.
const slowBody = 1 << 20

// list requests one page, from the top where cursor is empty. A page that is too
// large is requested again with half the limit, down to a single event, of which
// an outline is enough. The next page begins with twice the limit that was small
// enough.
func (c *client) list(ctx context.Context, cursor string, u urgency) (*page, error) {
	retried := 0
	defer func() { c.sawSmaller(-retried) }()
	for limit := c.firstLimit(); ; limit /= 2 {
		p, err := c.request(ctx, cursor, limit, u)
		if err == nil {
			c.sawLimit(limit)
		}
		if !errors.Is(err, errTooLarge) && !errors.Is(err, errTooSlow) || limit == 1 {
			return p, err
		}
		retried++
		c.sawSmaller(1)
	}
}

func (c *client) firstLimit() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.limit == 0 {
		return pageLimit
	}
	return min(2*c.limit, pageLimit)
}

func (c *client) sawLimit(limit int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit = limit
}

func (c *client) sawSmaller(more int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.smaller += more
}

// retriedSmaller is how many answers were too large of the pages being requested.
func (c *client) retriedSmaller() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.smaller
}

func (c *client) request(ctx context.Context, cursor string, limit int, u urgency) (*page, error) {
	g, err := c.budget.take(ctx, u)
	if err != nil {
		return nil, err
	}
	parent, timeout := ctx, requestTimeout
	if limit == 1 {
		timeout += requestTimeout // The event may be oversized.
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	sent, machine := time.Now(), c.clock.now()
	answer, err := c.send(ctx, cursor, limit)
	if err != nil {
		c.budget.answered(g, false)
		return nil, err
	}
	defer answer.Body.Close()
	pause := c.settle(g, answer)
	body, err := c.readBody(answer)
	clocks := reading{sent: sent, machine: machine, date: serverTime(answer, sent)}
	switch {
	case pause != nil:
		pause.Err = fmt.Errorf("%w%s", pause.Err, c.excerpt(body))
		return nil, pause
	case answer.StatusCode != http.StatusOK:
		return nil, c.refusal(answer, body, cursor)
	case err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) && parent.Err() == nil && len(body) >= slowBody && limit > 1:
		return nil, fault(source.Unavailable, fmt.Errorf("%w: %d bytes came in %s", errTooSlow, len(body), timeout), "")
	case err != nil:
		return nil, fault(source.Unavailable, fmt.Errorf("reading the answer: %w", c.echo.Error(err)), "")
	case int64(len(body)) > c.mostHeld && limit == 1:
		return c.outline(parent, ctx, body, answer, clocks, u)
	case int64(len(body)) > c.mostHeld:
		return nil, fault(source.Malformed, errTooLarge, "")
	}
	p, err := c.clock.skim(body, clocks)
	if err != nil {
		return nil, fault(source.Malformed, fmt.Errorf("the answer is not a list of events: %w", c.echo.Error(err)), "")
	}
	return p, nil
}

// send requests up to limit events behind cursor.
func (c *client) send(ctx context.Context, cursor string, limit int) (*http.Response, error) {
	query := "?limit=" + strconv.Itoa(limit)
	if cursor != "" {
		query += "&starting_after=" + url.QueryEscape(cursor)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.endpoint+query, nil)
	if err != nil {
		return nil, fault(source.Refused, err, "")
	}
	if err := c.authorize(r); err != nil {
		return nil, fault(source.Refused, err, "the credential cannot be read on this machine")
	}
	c.echo.Request(r)
	answer, err := c.http.Do(r)
	if err != nil {
		err = c.echo.Error(err)
		c.count("error")
		return nil, fault(source.Unavailable, err, "see that url is right and that this machine reaches it; HTTPS_PROXY and NO_PROXY are honoured")
	}
	c.count(strconv.Itoa(answer.StatusCode))
	return answer, nil
}

// settle tells the budget what the server answered. After a 429 it returns what
// the pause means for the reader.
func (c *client) settle(g *grant, answer *http.Response) *source.Error {
	if answer.StatusCode != http.StatusTooManyRequests {
		c.budget.answered(g, true)
		return nil
	}
	wait := httpclient.RetryAfter(answer.Header)
	if wait == 0 {
		wait = blindPause
	}
	refusal := c.budget.pause(wait)
	c.budget.answered(g, false)
	return &source.Error{Op: op, Class: source.Throttled, Err: errors.New(refusal), Patience: wait}
}

// readBody reads an answer up to a byte more than may be. Where the server says
// how long it is, that much memory is asked for at once, and a byte more to find
// the end without growing.
func (c *client) readBody(answer *http.Response) ([]byte, error) {
	limited := io.LimitReader(answer.Body, c.mostHeld+1)
	if answer.ContentLength < 0 || answer.ContentLength > c.mostHeld {
		return io.ReadAll(limited)
	}
	body := bytes.NewBuffer(make([]byte, 0, answer.ContentLength+bytes.MinRead))
	_, err := body.ReadFrom(limited)
	return body.Bytes(), err
}

func (c *client) authorize(r *http.Request) error {
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "sluice")
	if c.settings.AccessToken.IsSet() {
		token, err := c.settings.AccessToken.Value()
		r.Header.Set("Authorization", "Bearer "+token)
		return err
	}
	token, err := c.settings.ServiceToken.Value()
	r.Header.Set("Authorization", c.settings.ServiceTokenID+":"+token)
	return err
}

// serverTime is the server's clock at the latest when it looked at the log: its
// Date header, less the time the request took, since the header may have been
// written when the answer was complete. It is zero where there is none.
func serverTime(answer *http.Response, sent time.Time) time.Time {
	date, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil || date.Unix() <= 0 {
		return time.Time{}
	}
	return date.Add(-time.Since(sent)).UTC()
}

// refusal says what a status other than 200 means.
func (c *client) refusal(answer *http.Response, body []byte, cursor string) error {
	err := fmt.Errorf("%d %s%s", answer.StatusCode, http.StatusText(answer.StatusCode), c.excerpt(body))
	switch code := answer.StatusCode; {
	case code == http.StatusUnauthorized:
		return fault(source.Refused, err, "the token is not accepted: it may be mistyped, deleted or expired; check service_token_id and service_token, or access_token")
	case code == http.StatusForbidden:
		return fault(source.Refused, err, "grant the service token the organization access read_audit_logs (an organization administrator can), or use an access token of an administrator")
	case cursor != "" && (code == http.StatusNotFound || code == http.StatusBadRequest || code == http.StatusUnprocessableEntity || code == http.StatusGone):
		return errCursor{fault(source.Malformed, fmt.Errorf("cursor %q: %w", c.echo.Text(cursor), err), "")}
	case code == http.StatusNotFound:
		return fault(source.Refused, err, fmt.Sprintf("organization %q does not exist, or the token lacks the organization access read_audit_logs", c.settings.Organization))
	case code >= 300 && code < 400:
		return fault(source.Unavailable, err, "redirects are not followed, since they would carry the token to another address; set url to the API's own host")
	case code < 500:
		return fault(source.Refused, err, "")
	}
	return &source.Error{Op: op, Class: source.Unavailable, Err: err, Patience: httpclient.RetryAfter(answer.Header)}
}

const op = "planetscale: reading the audit log"

func fault(class source.Class, err error, hint string) error {
	e := &source.Error{Op: op, Class: class, Err: err, Advice: hint}
	if class == source.Refused {
		e.Patience = slowRetry
	}
	return e
}

// maxRefusal is how much of a refusal is looked at; a part of it is shown.
const maxRefusal = 8 << 10

// excerpt is what a body says for people, without what could drive a terminal.
func (c *client) excerpt(body []byte) string {
	var known struct {
		Message     string `json:"message"`
		Description string `json:"error_description"`
		Error       string `json:"error"`
	}
	text := string(body)
	if json.Unmarshal(body, &known) == nil {
		text = known.Message
		if text == "" {
			text = strings.TrimSpace(known.Error + " " + known.Description)
		}
	}
	if strings.HasPrefix(strings.TrimSpace(text), "<") {
		return " (HTML)"
	}
	text = c.echo.Text(text[:min(len(text), maxRefusal)])
	if text = httpclient.Printable(text, 120); text == "" {
		return ""
	}
	return ": " + text
}

func (c *client) count(answer string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answers[answer]++
}

func (c *client) usage() source.Usage {
	c.mu.Lock()
	defer c.mu.Unlock()
	return source.Usage{Answers: maps.Clone(c.answers), BudgetLeft: c.budget.left()}
}
