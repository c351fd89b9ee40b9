package planetscale

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/internal/echo"
	"github.com/sluice-siem/sluice/pkg/internal/httpclient"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/cursorlog"
)

const (
	pageLimit = 100      // the documented maximum of limit
	maxBody   = 16 << 20 // of an answer; for a larger one a smaller page is requested
)

// client sends requests and classifies the answers. It knows the API's transport,
// not its log.
type client struct {
	http     *http.Client
	endpoint string
	settings *Settings
	echo     echo.Filter // takes what was sent out of texts
	log      zerolog.Logger

	mostHeld  int64 // bytes of an answer that are held in memory
	mostBytes int64 // bytes that are read of an answer with an oversized event
}

func newClient(s *Settings, u *url.URL, transport http.RoundTripper, log zerolog.Logger) *client {
	return &client{
		http: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		endpoint: httpclient.Origin(u) + "/v1/organizations/" + url.PathEscape(s.Organization) + "/audit-log",
		settings: s, log: log, mostHeld: maxBody, mostBytes: maxOversized,
	}
}

// slowBody is the number of bytes received from which a time-out means that the answer
// is too large for the link. A page of ordinary events has a tenth of that.
const slowBody = 1 << 20

// List requests one page. If it is too large for memory or for the link, the error asks
// for smaller pages. A single event that is too large becomes an outline.
func (c *client) List(ctx context.Context, cursor string, limit int) (cursorlog.Answer, error) {
	began := time.Now()
	answer, err := c.send(ctx, cursor, limit)
	if err != nil {
		return cursorlog.Answer{}, err
	}
	defer answer.Body.Close()
	got, err := cursorlog.ReadAnswer(answer, c.mostHeld)
	large := int64(len(got.Body)) > c.mostHeld
	switch {
	case answer.StatusCode != http.StatusOK:
		return got, c.refusal(answer, got.Body, c.excerpt(got.Body, err), cursor)
	case large && limit == 1:
		got.Body, got.Unsure, err = c.outline(ctx, got.Body, answer.Body)
		return got, err
	case large:
		return got, err
	case err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) && len(got.Body) >= slowBody && limit > 1:
		return got, cursorlog.TooLarge(fault(source.Unavailable, fmt.Errorf("the answer is too large for this link: %d bytes received in %s", len(got.Body), time.Since(began).Round(time.Second)), ""))
	case err != nil:
		return got, c.unreachable(err)
	case isOversized(got.Body):
		return got, fault(source.Malformed, errors.New("the answer is not a list of events"), "")
	}
	return got, nil
}

// send requests up to limit events after cursor. If a token that was rotated is refused, it
// requests them again with the former one.
func (c *client) send(ctx context.Context, cursor string, limit int) (*http.Response, error) {
	for {
		token, err := c.token().Token()
		if err != nil {
			return nil, fault(source.Refused, err, "the credential cannot be read on this machine")
		}
		answer, err := c.request(ctx, cursor, limit, token)
		if err != nil || !c.judge(answer, token) {
			return answer, err
		}
		// What it says of the refused token does not matter any more.
		_ = answer.Body.Close()
	}
}

// judge reports whether another token may be accepted in place of a refused one.
func (c *client) judge(answer *http.Response, token string) (again bool) {
	switch answer.StatusCode {
	case http.StatusOK:
		c.token().Accepted(c.log, token)
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound: // A token without permission finds nothing.
		return c.token().Refused(c.log, token, answer.Status)
	}
	return false
}

func (c *client) token() *setting.Rotation { return c.settings.Rotation() }

func (c *client) request(ctx context.Context, cursor string, limit int, token string) (*http.Response, error) {
	query := "?limit=" + strconv.Itoa(limit)
	if cursor != "" {
		query += "&starting_after=" + url.QueryEscape(cursor)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.endpoint+query, nil)
	if err != nil {
		return nil, fault(source.Refused, err, "")
	}
	c.authorize(r, token)
	c.echo.Request(r)
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, c.unreachable(err)
	}
	return answer, nil
}

// unreachable returns the error of a request without an answer.
func (c *client) unreachable(err error) error {
	class, advice := source.Unavailable, c.settings.peer().Explain(err)
	if advice.Stays {
		class = source.Refused
	}
	return fault(class, c.echo.Error(err), advice.Hint)
}

func (c *client) authorize(r *http.Request, token string) {
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "sluice")
	if c.settings.AccessToken.IsSet() {
		r.Header.Set("Authorization", "Bearer "+token)
		return
	}
	r.Header.Set("Authorization", c.settings.ServiceTokenID+":"+token)
}

// refusal returns the error for a status other than 200.
func (c *client) refusal(answer *http.Response, body []byte, said, cursor string) error {
	hint := c.settings.peer().ExplainAnswer(answer.StatusCode, body).Hint
	switch code := answer.StatusCode; {
	case code == http.StatusUnauthorized:
		hint = "the token is not accepted: it may be mistyped, deleted or expired; check service_token_id and service_token, or access_token"
	case code == http.StatusForbidden:
		hint = "grant the service token the organization access read_audit_logs (an organization administrator can), or use an access token of an administrator"
	case code == http.StatusNotFound:
		hint = fmt.Sprintf("organization %q does not exist, or the token lacks the organization access read_audit_logs", c.settings.Organization)
	case code >= 300 && code < 400:
		hint = "redirects are not followed, since they would carry the token to another address; set url to the API's own host"
	}
	return cursorlog.Refusal(answer, cursor, said, hint)
}

func fault(class source.Class, err error, hint string) error {
	return &source.Error{Class: class, Err: err, Hint: hint}
}

// shown is the longest excerpt of a refusal, in characters.
const shown = 120

// excerpt returns the part of a body that people can read. A body that was cut off may
// end within a secret, so none of it is shown.
func (c *client) excerpt(body []byte, broken error) string {
	if broken != nil {
		return ""
	}
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
	return httpclient.Excerpt(text, &c.echo, shown)
}
