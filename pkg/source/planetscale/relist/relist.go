// Package relist lists a whole audit log again, to find out what a source should have
// delivered. It judges the reader, so it shares no code with it: it requests the pages with
// net/http, reads them with encoding/json, and believes the server as little.
//
// The rules for the token are the same. It is sent to the configured host alone, and no
// redirect is followed.
//
// # How the log is listed
//
// From the top, each page behind the last event of the page before, to the end. The order
// does not matter. Where the server says that nothing follows, it is asked once more for
// what follows. A page that makes no sense is requested again; a cursor that is refused, as
// after its event was deleted, begins the listing anew. What is listed twice is handed on
// once.
package relist

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/echo"
	"github.com/sluice-siem/sluice/pkg/internal/httpclient"
	"github.com/sluice-siem/sluice/pkg/source"
)

// Log is how to reach a log.
type Log struct {
	Endpoint  string // without a query
	Transport http.RoundTripper
	PerMinute int // most requests in a minute; 0 is no limit

	// Authorize puts the credential into a request, and returns the secret in it.
	Authorize func(*http.Request) (secret string, err error)
	// Explain says what can be done about a request without an answer.
	Explain func(error) string
}

const (
	page      = 100 // events; the documented maximum of limit
	most      = 16 << 20
	mostAlone = 256 << 20   // bytes of an answer with one event
	tries     = 8           // of a request
	listings  = 4           // until one reaches the end
	shortest  = time.Second // pause before another try
	longest   = time.Minute
	timeout   = time.Minute // of a request
)

// List calls each for every event that the log lists, once for each id. each may keep what
// it gets.
func (l *Log) List(ctx context.Context, each func(source.Listed) error) error {
	w := walk{
		log: l, seen: map[string]bool{}, each: each, limit: page,
		client: &http.Client{
			Transport: l.Transport, Timeout: timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	defer w.client.CloseIdleConnections()
	for n := 1; ; n++ {
		err := w.toTheEnd(ctx)
		if err == nil || !errors.Is(err, errCursor) || n == listings {
			return err
		}
	}
}

// errCursor means that the listing must begin anew.
var errCursor = errors.New("the log cannot be listed behind an event")

// walk lists the log.
type walk struct {
	log    *Log
	client *http.Client
	sent   echo.Filter
	seen   map[string]bool
	each   func(source.Listed) error
	limit  int
	next   time.Time // of the next request, by the budget
}

// toTheEnd lists the log once.
func (w *walk) toTheEnd(ctx context.Context) error {
	cursor, ended, asked := "", false, map[string]bool{}
	for {
		a, err := w.request(ctx, cursor)
		if ended && errors.Is(err, errCursor) { // The last event is not there any more.
			return nil
		}
		if err != nil {
			return err
		}
		if len(a.Data) == 0 && !ended && cursor != "" {
			return fmt.Errorf("%w: it said that more follows, and there is nothing", errCursor)
		}
		for _, raw := range a.Data {
			if err := w.hand(raw); err != nil {
				return err
			}
		}
		behind := ""
		if a.CursorEnd != nil {
			behind = *a.CursorEnd
		}
		ended = !*a.HasNext
		switch again := behind == "" || asked[behind]; {
		case again && ended:
			return nil
		case again:
			return fmt.Errorf("%w: it says that more follows, and not where, or where it was already", errCursor)
		}
		cursor, asked[behind] = behind, true
	}
}

// answer is a page.
type answer struct {
	Type      string            `json:"type"`
	HasNext   *bool             `json:"has_next"`
	CursorEnd *string           `json:"cursor_end"`
	Data      []json.RawMessage `json:"data"`
}

// hand hands an event on, if it is a new one.
func (w *walk) hand(raw json.RawMessage) error {
	e := read(raw)
	if w.seen[e.ID] {
		return nil
	}
	w.seen[e.ID] = true
	return w.each(e)
}

// maxID is the longest id of an event, in bytes. What has a longer one, or none, is named
// after its bytes.
const maxID = 255

func read(raw json.RawMessage) source.Listed {
	e := source.Listed{Raw: raw}
	var members map[string]json.RawMessage // A struct would take "ID" for "id".
	if json.Unmarshal(raw, &members) == nil {
		e.ID = text(members["id"])
		if at, err := time.Parse(time.RFC3339Nano, text(members["created_at"])); err == nil && at.UnixMilli() > 0 {
			e.Time = at.UTC()
		}
	}
	if e.ID == "" || len(e.ID) > maxID {
		sum := sha256.Sum256(raw)
		e.ID, e.Time = "sha256:"+hex.EncodeToString(sum[:]), time.Time{}
	}
	return e
}

// text is that of a string, a number or a boolean.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	if len(raw) > 0 && raw[0] != '{' && raw[0] != '[' {
		return string(raw)
	}
	return ""
}

// request requests a page until there is one that makes sense.
func (w *walk) request(ctx context.Context, cursor string) (a answer, err error) {
	for n := 1; ; n++ {
		if err := w.budget(ctx); err != nil {
			return a, err
		}
		var pause time.Duration
		a, pause, err = w.ask(ctx, cursor)
		if err == nil || ctx.Err() != nil || pause == never || n == tries {
			return a, err
		}
		if err := sleep(ctx, max(pause, min(shortest<<(n-1), longest))); err != nil {
			return a, err
		}
	}
}

// never is the pause before a request that is of no use.
const never = time.Duration(-1)

// budget waits until the rate allows the next request.
func (w *walk) budget(ctx context.Context) error {
	if w.log.PerMinute == 0 {
		return ctx.Err()
	}
	now := time.Now()
	at := now
	if w.next.After(now) {
		at = w.next
	}
	w.next = at.Add(time.Minute / time.Duration(w.log.PerMinute))
	return sleep(ctx, at.Sub(now))
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return ctx.Err()
	}
}

// ask sends one request. pause is the least pause before another.
func (w *walk) ask(ctx context.Context, cursor string) (a answer, pause time.Duration, err error) {
	query := url.Values{"limit": {fmt.Sprint(w.limit)}}
	if cursor != "" {
		query.Set("starting_after", cursor)
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, w.log.Endpoint+"?"+query.Encode(), nil)
	if err != nil {
		return a, never, err
	}
	q.Header.Set("Accept", "application/json")
	q.Header.Set("User-Agent", "sluice-verify")
	secret, err := w.log.Authorize(q)
	if err != nil {
		return a, never, err
	}
	w.sent.Sent(secret)
	w.sent.Request(q)
	r, err := w.client.Do(q)
	if err != nil {
		return a, 0, hinted{w.sent.Error(err), w.log.Explain(err)}
	}
	defer r.Body.Close()
	bound := int64(most)
	if w.limit == 1 {
		bound = mostAlone
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, bound+1))
	switch {
	case r.StatusCode != http.StatusOK:
		return w.refused(r, body, cursor)
	case err != nil:
		return a, 0, w.sent.Error(err)
	case int64(len(body)) > bound && w.limit > 1:
		w.limit = max(1, w.limit/4)
		return a, 0, fmt.Errorf("the answer exceeds %d bytes", bound)
	case int64(len(body)) > bound:
		return a, never, fmt.Errorf("an event exceeds %d bytes", bound)
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return a, 0, fmt.Errorf("the answer is no page of a log: %w", w.sent.Error(err))
	}
	if a.Type != "list" || a.HasNext == nil || a.Data == nil {
		return a, 0, errors.New("the answer is no page of a log")
	}
	if *a.HasNext && len(a.Data) == 0 {
		return a, 0, errors.New("the answer has no events, and says that more follow")
	}
	return a, 0, nil
}

// refused says what an answer other than 200 means.
func (w *walk) refused(r *http.Response, body []byte, cursor string) (a answer, pause time.Duration, err error) {
	err = fmt.Errorf("%d %s: %s", r.StatusCode, http.StatusText(r.StatusCode), httpclient.Excerpt(string(body), &w.sent, 120))
	switch code := r.StatusCode; {
	case code == http.StatusTooManyRequests || code >= 500:
		return a, httpclient.RetryAfter(r.Header), err
	case cursor != "" && (code == http.StatusNotFound || code == http.StatusBadRequest || code == http.StatusUnprocessableEntity || code == http.StatusGone):
		return a, never, fmt.Errorf("%w: %w", errCursor, err)
	case code < 400:
		return a, never, hinted{err, "redirects are not followed, since they would carry the token to another address; set url to the API's own host"}
	}
	return a, never, hinted{err, "check the token: it needs the organization access read_audit_logs; sluice check says more"}
}

// hinted is an error with advice.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error     { return h.error }
func (h hinted) ErrorHint() string { return h.hint }
