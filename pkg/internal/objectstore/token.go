package objectstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/echo"
	"github.com/sluice-siem/sluice/pkg/internal/httpclient"
)

// bearer holds a token of OAuth 2, and renews it before it runs out.
type bearer struct {
	sent *echo.Filter
	// ask makes the request for a token, and says who sends it.
	ask func(context.Context) (*http.Request, *http.Client, error)

	mu    sync.Mutex
	held  string // empty: none
	renew time.Time
}

const (
	// earlier is how long before its end a token is renewed.
	earlier = 5 * time.Minute
	// mostToken is the most that is read of an answer with a token.
	mostToken = 64 << 10
)

// token returns a token that is valid as far as is known.
func (b *bearer) token(ctx context.Context) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.held != "" && time.Now().Before(b.renew) {
		return b.held, nil
	}
	r, client, err := b.ask(ctx)
	if err != nil {
		return "", err
	}
	token, valid, err := b.fetch(client, r)
	if err != nil {
		return "", fmt.Errorf("asking %s for a token: %w", httpclient.Origin(r.URL), err)
	}
	b.sent.Sent(token)
	b.held, b.renew = token, time.Now().Add(max(valid-earlier, valid/2))
	return token, nil
}

func (b *bearer) fetch(client *http.Client, r *http.Request) (token string, valid time.Duration, err error) {
	r.Header.Set("User-Agent", "sluice")
	answered, err := client.Do(r)
	if err != nil {
		return "", 0, err
	}
	defer answered.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answered.Body, mostToken))
	if err != nil {
		return "", 0, err
	}
	var said struct {
		Token       string      `json:"access_token"`
		Valid       json.Number `json:"expires_in"` // Azure writes it in quotes.
		Error       string      `json:"error"`
		Description string      `json:"error_description"`
	}
	err = json.Unmarshal(body, &said)
	switch {
	case answered.StatusCode != http.StatusOK:
		text := strings.TrimSpace(said.Error + " " + said.Description)
		return "", 0, fmt.Errorf("it answers %d %s", answered.StatusCode, httpclient.Excerpt(text, b.sent, 300))
	case err != nil:
		return "", 0, fmt.Errorf("its answer cannot be read: %w", err)
	case said.Token == "":
		return "", 0, errors.New("its answer has no token")
	}
	seconds, err := said.Valid.Int64()
	if err != nil {
		return "", 0, fmt.Errorf("its answer has no expires_in: %w", err)
	}
	return said.Token, time.Duration(seconds) * time.Second, nil
}

// forget has the next request get another token.
func (b *bearer) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held = ""
}

// newMetadataClient is a client of a cloud's metadata server, which no proxy leads to.
func newMetadataClient() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext, DisableKeepAlives: true}}
}
