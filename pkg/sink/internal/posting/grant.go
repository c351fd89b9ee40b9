package posting

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// Grant is a Credential that sends tokens of an OAuth 2 server, which it gets for the
// credentials of a client (RFC 6749, section 4.4). A token is renewed before it runs out, and
// once after a request was refused with it.
type Grant struct {
	Log          zerolog.Logger
	Client       *Client // makes the requests for tokens; its Shown is the address of the token server
	TokenURL     string
	ClientID     string
	ClientSecret setting.Secret
	SecretKey    string                    // the key of ClientSecret in the settings
	Scope        string                    // empty: none is asked for
	Parameters   map[string]setting.Secret // further parameters of the request

	mu       sync.Mutex
	token    string
	renew    time.Time // when a new token is asked for; zero: not known
	ends     time.Time // when the token runs out; zero: not known
	accepted bool      // a server accepted the token
	inBody   bool      // the token server wants the client's credentials in the body
}

// Authorize implements Credential.
func (g *Grant) Authorize(ctx context.Context, r *http.Request, _ []byte) (string, error) {
	token, err := g.Token(ctx)
	if err != nil {
		return "", err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	return token, nil
}

// Token returns a token that is valid as far as is known. Requests that need a new one wait
// for the same one. If a token cannot be renewed, it is used until it runs out.
func (g *Grant) Token(ctx context.Context) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if g.token != "" && (g.renew.IsZero() || now.Before(g.renew)) {
		return g.token, nil
	}
	err := g.fetch(ctx)
	if err != nil && (g.token == "" || !now.Before(g.ends)) {
		return "", fmt.Errorf("token: %w", err)
	}
	if err != nil {
		// Not with each request.
		g.renew = now.Add(min(renewRetry, g.ends.Sub(now)))
	}
	return g.token, nil
}

// renewRetry is how long a token that could not be renewed is used before the next attempt.
const renewRetry = 30 * time.Second

// Accepted implements Credential.
func (g *Grant) Accepted(used string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if used == g.token {
		g.accepted = true
	}
}

// Refused implements Credential. A token that was never accepted is asked for anew at the
// next Publish: a second one at once would be refused, too.
func (g *Grant) Refused(used, _ string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if used != g.token {
		return true // Another request has a new one.
	}
	again := g.accepted
	g.token, g.accepted = "", false
	return again
}

// fetch asks for a token. A client secret that was rotated and is refused gives way to the
// former one.
func (g *Grant) fetch(ctx context.Context) error {
	rotation := g.ClientSecret.Rotation()
	for try := 1; ; try++ {
		value, err := rotation.Value()
		if err != nil {
			return unreadable(g.SecretKey, err)
		}
		g.Client.Echo.Sent(value)
		reply, err := g.ask(ctx, value)
		if err != nil {
			return err
		}
		if reply.Status == http.StatusOK {
			if err := g.keep(reply); err != nil {
				return err
			}
			rotation.Accepted(g.Log, value)
			return nil
		}
		failed := refusal(reply)
		if !failed.aboutClient() {
			return g.fault(failed)
		}
		if !rotation.Refused(g.Log, value, failed.Error()) || try == maxTries {
			return g.fault(failed)
		}
	}
}

// ask makes a request for a token, with the credentials in the header, which every server
// must understand, or else in the body (RFC 6749, section 2.3.1).
func (g *Grant) ask(ctx context.Context, secret string) (Reply, error) {
	reply, err := g.askWith(ctx, secret, g.inBody)
	if err != nil || !refusal(reply).aboutClient() {
		return reply, err
	}
	other, err := g.askWith(ctx, secret, !g.inBody)
	if err != nil || other.Status != http.StatusOK {
		return reply, nil // The first reply says as much.
	}
	g.inBody = !g.inBody
	return other, nil
}

func (g *Grant) askWith(ctx context.Context, secret string, inBody bool) (Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	form := url.Values{"grant_type": {"client_credentials"}}
	if g.Scope != "" {
		form.Set("scope", g.Scope)
	}
	var sent []string
	for name, parameter := range g.Parameters {
		value, err := parameter.Value()
		if err != nil {
			return Reply{}, unreadable("auth.parameters."+name, err)
		}
		sent = append(sent, value)
		form.Set(name, value)
	}
	g.Client.Echo.Sent(sent...)
	if inBody {
		form.Set("client_id", g.ClientID)
		form.Set("client_secret", secret)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, g.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return Reply{}, g.Client.Unreachable(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	if !inBody {
		r.SetBasicAuth(url.QueryEscape(g.ClientID), url.QueryEscape(secret))
	}
	return g.Client.Do(r)
}

// keep stores the token of a reply.
func (g *Grant) keep(r Reply) error {
	var said struct {
		Token   string          `json:"access_token"`
		Type    string          `json:"token_type"`
		Expires json.RawMessage `json:"expires_in"`
	}
	if err := json.Unmarshal(r.Body, &said); err != nil || said.Token == "" {
		return sink.Destination(g.Client.Wrap(errors.New("the answer has no access_token")), tokenURLHint)
	}
	g.Client.Echo.Sent(said.Token)
	if said.Type != "" && !strings.EqualFold(said.Type, "bearer") {
		return sink.Destination(g.Client.Wrap(fmt.Errorf("the token has the type %s, and only bearer is known", r.Excerpt(said.Type))), tokenURLHint)
	}
	if err := setting.NewSecret(said.Token).CheckToken(); err != nil {
		return sink.Destination(g.Client.Wrap(errors.New("the access_token is no token of RFC 6750")), tokenURLHint)
	}
	seconds, err := secondsOf(said.Expires)
	if err != nil {
		return sink.Destination(g.Client.Wrap(fmt.Errorf("expires_in is %s, which is no number of seconds", r.Excerpt(string(said.Expires)))), tokenURLHint)
	}
	g.token, g.accepted, g.renew, g.ends = said.Token, false, time.Time{}, time.Time{}
	if seconds > 0 {
		life := time.Duration(min(seconds, 1e8) * float64(time.Second))
		g.ends = time.Now().Add(life)
		g.renew = g.ends.Add(-max(min(life/4, renewAhead), life/10))
	}
	return nil
}

// secondsOf decodes expires_in, which some servers send as a string; 0: not known.
func secondsOf(expires json.RawMessage) (float64, error) {
	text := strings.Trim(string(expires), `"`)
	if text == "" && len(expires) == 0 || text == "null" {
		return 0, nil
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if errors.Is(err, strconv.ErrRange) {
		return seconds, nil // The limit is far below.
	}
	return seconds, err
}

// renewAhead is how long before its end a token of some minutes is renewed.
const renewAhead = time.Minute

const tokenURLHint = "make sure that token_url is the address at which an OAuth 2 server gives tokens"

// denial is an answer of a token server that gives no token (RFC 6749, section 5.2).
type denial struct {
	reply       Reply
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

func refusal(r Reply) denial {
	d := denial{reply: r}
	if err := json.Unmarshal(r.Body, &d); err != nil {
		return denial{reply: r}
	}
	d.Code, d.Description = r.Excerpt(d.Code), r.Excerpt(d.Description)
	return d
}

// aboutClient reports whether the server does not accept the credentials of the client.
func (d denial) aboutClient() bool {
	return d.reply.Status == http.StatusUnauthorized || d.reply.Status == http.StatusForbidden ||
		d.reply.Status == http.StatusBadRequest && (d.Code == "invalid_client" || d.Code == "unauthorized_client")
}

func (d denial) Error() string {
	if d.Code == "" {
		return d.reply.Error()
	}
	return strings.TrimSuffix(fmt.Sprintf("%d %s: %s", d.reply.Status, cmp.Or(d.Code, "error"), d.Description), ": ")
}

func (g *Grant) fault(d denial) error {
	rule := Common.Judge(d.reply.Status)
	switch {
	case d.aboutClient():
		rule = Rule{Unauthorized, "make sure that client_id and client_secret are those of a client that may get tokens there"}
	case rule.Verdict != Retry:
		rule = Rule{Destination, tokenURLHint}
	}
	return g.Client.FaultOf(d, d.reply, rule)
}
