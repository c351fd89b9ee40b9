package admin_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/admin"
	"github.com/sluice-siem/sluice/pkg/admin/console"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/setting"
)

const token = "correct-horse-battery"

// asked returns the answer to a GET with headers, in pairs.
func asked(h http.Handler, path string, headers ...string) *httptest.ResponseRecorder {
	r := ask(http.MethodGet, path)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, r)
	return answer
}

func basic(user, password string) string {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.SetBasicAuth(user, password)
	return r.Header.Get("Authorization")
}

func TestTheConsoleAsksForTheToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := deps(pipeline.Status{Lane: "a/b", Ready: true})
		d.Token = setting.NewSecret(token)
		h := admin.Handler(d)
		for header, want := range map[string]int{
			"":                        401,
			basic("", token):          200,
			basic("anybody", token):   200,
			"Bearer " + token:         200,
			"bearer " + token:         200,
			basic(token, ""):          401,
			basic("", token+"x"):      401,
			basic("", token[1:]):      401,
			"Bearer":                  401,
			"Bearer wrong":            401,
			"Basic !":                 401,
			"Digest " + token:         401,
			token:                     401,
			basic("", "\x00"):         401,
			"Bearer " + token + ", x": 401,
		} {
			for _, path := range []string{"/", "/events", "/live"} {
				var headers []string
				if header != "" {
					headers = []string{"Authorization", header}
				}
				want := want
				if want == 200 && path != "/" {
					want = 404 // page has only one path
				}
				answer := asked(h, path, headers...)
				if answer.Code != want {
					t.Errorf("%s with %q: got status %d, want %d", path, header, answer.Code, want)
				}
				if refused := answer.Code == 401; refused != strings.HasPrefix(answer.Header().Get("WWW-Authenticate"), "Basic ") {
					t.Errorf("%s with %q: got WWW-Authenticate %q", path, header, answer.Header().Get("WWW-Authenticate"))
				}
				if strings.Contains(answer.Body.String(), token) {
					t.Error("the answer has the token")
				}
			}
		}
		for _, path := range []string{"/metrics", "/healthz", "/readyz"} {
			if got := asked(h, path).Code; got != 200 {
				t.Errorf("%s, which monitoring needs: got status %d, want 200", path, got)
			}
		}
	})
}

func TestARotatedTokenIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "token")
		write := func(text string) {
			if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write(token)
		d := deps()
		d.Token = setting.SecretFile(path)
		h := admin.Handler(d)
		if got := asked(h, "/", "Authorization", "Bearer "+token).Code; got != 200 {
			t.Errorf("got status %d, want 200", got)
		}
		write("another-" + token)
		if got := asked(h, "/", "Authorization", "Bearer "+token).Code; got != 401 {
			t.Errorf("with the former token got status %d, want 401", got)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if got := asked(h, "/", "Authorization", "Bearer "+token).Code; got != 503 {
			t.Errorf("without the file got status %d, want 503", got)
		}
	})
}

// A file that was rotated may hold anything. What is wrong with it is told, but not at each
// request.
func TestARotatedTokenThatIsTooShortLetsNobodyIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "token")
		const short = "fifteen-letters"
		if err := os.WriteFile(path, []byte(short), 0o600); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		d := deps()
		d.Token, d.Log = setting.SecretFile(path), zerolog.New(&log)
		h := admin.Handler(d)
		for range 3 {
			if got := asked(h, "/", "Authorization", "Bearer "+short).Code; got != 503 {
				t.Errorf("got status %d, want 503", got)
			}
		}
		if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "fewer than 16 characters") || strings.Contains(got, short) {
			t.Errorf("got the log %s, want one line with the reason", got)
		}
		log.Reset()
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			asked(h, "/")
		}
		time.Sleep(5 * time.Minute) // of synctest's clock
		asked(h, "/")
		if got := log.String(); strings.Count(got, "\n") != 2 || strings.Count(got, "no such file") != 2 {
			t.Errorf("got the log %s, want another reason at once, and again after five minutes", got)
		}
	})
}

// A stream lasts for as long as a page is open, but not longer than its token.
func TestAStreamEndsWithItsToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "token")
		write := func(text string) {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write(token)
		d := deps()
		d.Token = setting.SecretFile(path)
		d.Console = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		h := admin.Handler(d)
		ended := make(chan struct{})
		go func() {
			asked(h, "/live", "Authorization", "Bearer "+token)
			close(ended)
		}()
		time.Sleep(time.Hour) // of synctest's clock
		select {
		case <-ended:
			t.Fatal("the stream ended while its token was right")
		default:
		}
		write("another-" + token)
		rotated := time.Now()
		<-ended
		if got, want := time.Since(rotated), 10*time.Second; got > want {
			t.Errorf("the stream ended %v after its token was rotated, want at most %v", got, want)
		}
	})
}

func TestWrongTokensAreSlowAndLockNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := deps()
		d.Token = setting.NewSecret(token)
		h := admin.Handler(d)
		began := time.Now()
		if asked(h, "/", "Authorization", "Bearer wrong"); time.Since(began) < time.Second {
			t.Errorf("a wrong token is answered after %s, want a second", time.Since(began))
		}
		const guesses = 100
		codes := make(chan int, guesses)
		for range guesses {
			go func() { codes <- asked(h, "/", "Authorization", "Bearer wrong").Code }()
		}
		synctest.Wait() // Some wait, and the others are refused.
		began = time.Now()
		if got := asked(h, "/", "Authorization", "Bearer "+token).Code; got != 200 || time.Since(began) != 0 {
			t.Errorf("the right token got status %d after %s, want 200 at once", got, time.Since(began))
		}
		count := map[int]int{}
		for range guesses {
			count[<-codes]++
		}
		if count[401] != 16 || count[429] != guesses-16 {
			t.Errorf("got %v, want 16 times 401 and else 429", count)
		}
	})
}

// A page of another site must not make requests, since a browser adds the token to them.
func TestPagesOfOtherSitesAreRefused(t *testing.T) {
	h := admin.Handler(deps(pipeline.Status{Lane: "a/b", Ready: true}))
	for _, c := range []struct {
		headers []string
		want    int
	}{
		{nil, 200},
		{[]string{"Sec-Fetch-Site", "none", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 200},
		{[]string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"}, 200},
		{[]string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 200}, // a link
		{[]string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, 403},
		{[]string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}, 403},
		{[]string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"}, 403},
		{[]string{"Origin", "http://localhost"}, 200},
		{[]string{"Origin", "https://evil.example"}, 403},
		{[]string{"Origin", "null"}, 403},
		{[]string{"Origin", "http://localhost:1"}, 403},
	} {
		if got := asked(h, "/", c.headers...).Code; got != c.want {
			t.Errorf("%q: got status %d, want %d", c.headers, got, c.want)
		}
	}
}

func TestEveryAnswerRestrictsTheBrowser(t *testing.T) {
	h := admin.Handler(deps())
	for _, path := range []string{"/", "/metrics", "/healthz", "/readyz", "/nothing"} {
		header := asked(h, path).Header()
		for name, want := range map[string]string{
			"Content-Security-Policy":      console.Policy,
			"Cross-Origin-Opener-Policy":   "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin",
			"Referrer-Policy":              "no-referrer",
			"X-Content-Type-Options":       "nosniff",
			"Cache-Control":                "no-store",
		} {
			if got := header.Get(name); got != want {
				t.Errorf("%s: got %s %q, want %q", path, name, got, want)
			}
		}
	}
}

// What a reload would do is for those who may open the console, and one request reads the
// configuration at a time.
func TestTheReloadAsksForTheToken(t *testing.T) {
	d := deps(pipeline.Status{Lane: "a/b", Ready: true})
	d.Token = setting.NewSecret(token)
	began, goOn := make(chan struct{}), make(chan struct{})
	d.Reload = func() admin.Reload {
		began <- struct{}{}
		<-goOn
		return admin.Reload{File: "/etc/sluice/sluice.yaml", Keys: []string{"sinks.siem"}}
	}
	h := admin.Handler(d)
	if got := asked(h, "/reload"); got.Code != http.StatusUnauthorized {
		t.Errorf("without a token: %d", got.Code)
	}
	first := make(chan *httptest.ResponseRecorder)
	go func() { first <- asked(h, "/reload", "Authorization", "Bearer "+token) }()
	<-began
	if got := asked(h, "/reload", "Authorization", "Bearer "+token); got.Code != http.StatusTooManyRequests {
		t.Errorf("a second one at the same time: %d", got.Code)
	}
	close(goOn)
	if got := <-first; got.Code != http.StatusOK || !strings.Contains(got.Body.String(), `"file": "/etc/sluice/sluice.yaml"`) {
		t.Errorf("got %d %s", got.Code, got.Body)
	}
	d.Reload = nil
	if got := asked(admin.Handler(d), "/reload", "Authorization", "Bearer "+token); strings.Contains(got.Body.String(), "refused") {
		t.Errorf("without reloads: %s", got.Body)
	}
}
