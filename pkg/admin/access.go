package admin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/internal/cadence"
	"github.com/sluice-siem/sluice/pkg/setting"
)

// Wrong tokens are answered late, so that guessing is slow. So many may wait at a time, and
// further ones are refused at once, so that they take no connections from others. The right
// token is never delayed: a stranger cannot lock anybody out. A token has at least
// setting.LeastToken characters, which no rate of guesses finds.
const (
	wrongToken    = time.Second
	wrongTokens   = 16
	tokenCheck    = 5 * time.Second // how often a request under way is checked against a rotated token
	authenticate  = `Basic realm="Sluice: any user name, and admin.token as the password", charset="UTF-8"`
	noTokenHelp   = "this page needs the token of admin.token in Sluice's configuration: write it as the password, with any user name\n"
	wrongHelp     = "the token is not that of admin.token in Sluice's configuration\n"
	tooManyHelp   = "too many wrong tokens at a time; wait a second\n"
	unreadable    = "the token of this server cannot be used; see Sluice's log\n"
	crossSiteHelp = "this page answers requests of its own pages only; open it in a tab of its own\n"
)

// access lets requests pass that have the token. An unset token lets all pass.
type access struct {
	next  http.Handler
	token setting.Secret
	log   zerolog.Logger
	wrong chan struct{} // holds one element for each wrong token that waits for its answer
	told  cadence.Cadence
}

func newAccess(next http.Handler, token setting.Secret, log zerolog.Logger) *access {
	return &access{next: next, token: token, log: log, wrong: make(chan struct{}, wrongTokens)}
}

// ServeHTTP implements http.Handler.
func (a *access) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case !sameSite(r):
		http.Error(w, crossSiteHelp, http.StatusForbidden)
		return
	case !a.token.IsSet():
		a.next.ServeHTTP(w, r)
		return
	}
	want, err := a.current()
	if err != nil {
		http.Error(w, unreadable, http.StatusServiceUnavailable)
		return
	}
	got, given := tokenOf(r)
	if given && equal(got, want) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		go a.watch(ctx, cancel, got)
		a.next.ServeHTTP(w, r.WithContext(ctx))
		return
	}
	w.Header().Set("WWW-Authenticate", authenticate)
	if !given {
		http.Error(w, noTokenHelp, http.StatusUnauthorized)
		return
	}
	select {
	case a.wrong <- struct{}{}:
	default:
		w.Header().Set("Connection", "close")
		http.Error(w, tooManyHelp, http.StatusTooManyRequests)
		return
	}
	defer func() { <-a.wrong }()
	timer := time.NewTimer(wrongToken)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
	http.Error(w, wrongHelp, http.StatusUnauthorized)
}

// current returns the token, which may have been rotated.
func (a *access) current() (string, error) {
	token, err := a.token.Token()
	if err == nil && len(token) < setting.LeastToken {
		err = fmt.Errorf("it has fewer than %d characters, so it could be guessed", setting.LeastToken)
	}
	if err != nil && a.told.Due(err.Error()) {
		a.log.Error().Err(err).Msg("admin: admin.token cannot be used; nobody can open the console")
	}
	return token, err
}

// watch ends a request when its token is no longer the right one. A stream goes on for as
// long as a page is open.
func (a *access) watch(ctx context.Context, end context.CancelFunc, got string) {
	ticker := time.NewTicker(tokenCheck)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if want, err := a.current(); err != nil || !equal(got, want) {
			end()
			return
		}
	}
}

// tokenOf returns the token of a request: the password of HTTP Basic (RFC 7617), which
// browsers ask for, or a bearer token (RFC 6750).
func tokenOf(r *http.Request) (token string, given bool) {
	if _, password, ok := r.BasicAuth(); ok {
		return password, true
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), strings.EqualFold(scheme, "Bearer")
}

// equal compares two tokens in a time that tells nothing about them, not even the length.
func equal(got, want string) bool {
	a, b := sha256.Sum256([]byte(got)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// sameSite refuses requests that a page of another site makes in a person's browser. Such a
// page cannot read the answers, but it could learn from their time or size, and a browser
// adds the token by itself. A link to the console may be followed.
func sameSite(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" {
		u, err := url.Parse(origin)
		if err != nil || u.Host != r.Host {
			return false
		}
	}
	switch r.Header.Get("Sec-Fetch-Site") { // https://www.w3.org/TR/fetch-metadata/
	case "", "same-origin", "none":
		return true
	}
	return r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}
