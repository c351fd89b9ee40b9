package collectortest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// TokenPath is where a Server gives tokens to its Client (RFC 6749, section 4.4).
const TokenPath = "/oauth2/token"

// Client may get tokens, if it has a name.
type Client struct {
	ID, Secret string
	Scope      string
	InBody     bool          // its credentials must be in the body
	Life       time.Duration // of a token; 0: it does not run out by itself, and has no expires_in
}

// issuer gives tokens.
type issuer struct {
	given int

	until map[string]time.Time // zero: it does not run out
	down  bool
}

// Revoke makes all tokens invalid.
func (s *Server) Revoke() { s.change(func() { s.tokens.until = nil }) }

// SetClient replaces the client that may get tokens.
func (s *Server) SetClient(c Client) { s.change(func() { s.config.Client = c }) }

// SetTokensDown makes the server answer requests for tokens with status 503.
func (s *Server) SetTokensDown(down bool) { s.change(func() { s.tokens.down = down }) }

// Tokens returns how many tokens were given.
func (s *Server) Tokens() (n int) {
	s.change(func() { n = s.tokens.given })
	return n
}

func (i *issuer) serve(w http.ResponseWriter, r *http.Request, body []byte, c Client) {
	if i.down {
		reply(w, Answer{Status: http.StatusServiceUnavailable})
		return
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || form.Get("grant_type") != "client_credentials" || form.Get("scope") != c.Scope {
		deny(w, http.StatusBadRequest, "invalid_request", "not as configured")
		return
	}
	id, secret, inHeader := r.BasicAuth()
	if c.InBody {
		id, secret, inHeader = url.QueryEscape(form.Get("client_id")), url.QueryEscape(form.Get("client_secret")), true
	}
	if !inHeader || id != url.QueryEscape(c.ID) || secret != url.QueryEscape(c.Secret) {
		deny(w, http.StatusUnauthorized, "invalid_client", "wrong secret "+secret)
		return
	}
	i.given++
	token := fmt.Sprintf("access-token-%06d", i.given)
	if i.until == nil {
		i.until = map[string]time.Time{}
	}
	said := map[string]any{"access_token": token, "token_type": "Bearer"}
	i.until[token] = time.Time{}
	if c.Life > 0 {
		i.until[token] = time.Now().Add(c.Life)
		said["expires_in"] = int(c.Life.Seconds())
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(said) // an error means that the client disconnected
}

func deny(w http.ResponseWriter, status int, code, description string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": code, "error_description": description})
}

// knows reports whether a request has a token that is valid.
func (i *issuer) knows(r *http.Request) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	until, known := i.until[token]
	return ok && known && (until.IsZero() || time.Now().Before(until))
}
