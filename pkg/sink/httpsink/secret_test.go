package httpsink_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink/httpsink"
	"github.com/sluice-siem/sluice/pkg/sink/httpsink/collectortest"
)

const token = "canary-secret/42"

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Each way to authorize a request sends what it says, and a token that is changed in its file
// is used at once; while it is refused, the former one is.
func TestAuth(t *testing.T) {
	value := func(r *http.Request, _ []byte) string {
		_, password, _ := r.BasicAuth()
		return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ") + r.Header.Get("X-Key") + "|" + password
	}
	tests := map[string]struct {
		auth  func(setting.Secret) *httpsink.Auth
		sends func(secret string) func(*http.Request, []byte) bool
	}{
		"bearer": {func(s setting.Secret) *httpsink.Auth { return &httpsink.Auth{Type: "bearer", Token: s} },
			func(secret string) func(*http.Request, []byte) bool {
				return func(r *http.Request, b []byte) bool { return value(r, b) == secret+"|" }
			}},
		"header": {func(s setting.Secret) *httpsink.Auth {
			return &httpsink.Auth{Type: "header", Header: "x-key", Token: s}
		},
			func(secret string) func(*http.Request, []byte) bool {
				return func(r *http.Request, b []byte) bool { return value(r, b) == secret+"|" }
			}},
		"basic": {func(s setting.Secret) *httpsink.Auth {
			return &httpsink.Auth{Type: "basic", Username: "sluice", Password: s}
		},
			func(secret string) func(*http.Request, []byte) bool {
				return func(r *http.Request, b []byte) bool {
					name, password, ok := r.BasicAuth()
					return ok && name == "sluice" && password == secret
				}
			}},
		"hmac_sha256": {func(s setting.Secret) *httpsink.Auth { return &httpsink.Auth{Type: "hmac_sha256", Secret: s} }, signed},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "secret")
			write(t, path, token+"\n")
			bubble(t, collectortest.Config{Allow: test.sends(token)}, func(t *testing.T, r *rig) {
				r.settings.Auth = test.auth(setting.SecretFile(path))
				snk := r.open(t)
				publish := func(want string) {
					t.Helper()
					err := snk.Publish(t.Context(), batch(1))
					if kindOf(err) != want {
						t.Errorf("%s, want %s: %v", kindOf(err), want, err)
					}
					if err != nil && (strings.Contains(err.Error(), token) || strings.Contains(r.log.String(), token)) {
						t.Errorf("shows the secret: %v", err)
					}
				}
				publish("delivered")
				write(t, path, "canary-secret/43") // too early
				publish("delivered")
				r.SetAllow(test.sends("canary-secret/43"))
				time.Sleep(2 * time.Minute)
				publish("delivered")
				r.SetAllow(test.sends("another secret"))
				publish("credential")
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
				publish("destination")
			})
		})
	}
}

// signed checks a signature as docs/http.md shows it.
func signed(secret string) func(*http.Request, []byte) bool {
	return func(r *http.Request, body []byte) bool {
		at, v1, ok := strings.Cut(r.Header.Get("X-Sluice-Signature"), ",v1=")
		seconds, err := strconv.ParseInt(strings.TrimPrefix(at, "t="), 10, 64)
		age := time.Since(time.Unix(seconds, 0))
		sum := hmac.New(sha256.New, []byte(secret))
		fmt.Fprintf(sum, "%d.%s", seconds, body)
		return ok && err == nil && age < 5*time.Minute && age > -5*time.Minute && hmac.Equal([]byte(v1), []byte(hex.EncodeToString(sum.Sum(nil))))
	}
}

// A token of OAuth 2 is fetched once for all requests, renewed before it runs out, and once
// after it was refused.
func TestOAuth2(t *testing.T) {
	for _, inBody := range []bool{false, true} {
		client := collectortest.Client{ID: "sluice id", Secret: token, Scope: "audit.write", Life: time.Hour, InBody: inBody}
		path := filepath.Join(t.TempDir(), "secret")
		write(t, path, token)
		bubble(t, collectortest.Config{Client: client}, func(t *testing.T, r *rig) {
			r.settings.Auth = &httpsink.Auth{Type: "oauth2_client_credentials", TokenURL: origin + collectortest.TokenPath, ClientID: client.ID, ClientSecret: setting.SecretFile(path), Scope: client.Scope}
			r.settings.MaxRequestEvents = 1
			snk := r.open(t)
			publish := func(want string, tokens int) {
				t.Helper()
				err := snk.Publish(t.Context(), batch(20))
				if kindOf(err) != want || r.Tokens() != tokens {
					t.Errorf("%s with %d tokens, want %s with %d: %v", kindOf(err), r.Tokens(), want, tokens, err)
				}
				if err != nil && strings.Contains(err.Error(), token) {
					t.Errorf("shows the secret: %v", err)
				}
			}
			publish("delivered", 1)
			time.Sleep(50 * time.Minute)
			publish("delivered", 1)
			time.Sleep(9*time.Minute + 30*time.Second)
			publish("delivered", 2) // before the first one ran out
			r.Revoke()
			publish("delivered", 3)
			r.SetTokensDown(true) // while the token is valid, nobody notices
			time.Sleep(59*time.Minute + 30*time.Second)
			publish("delivered", 3)
			time.Sleep(time.Minute)
			publish("retry", 3)
			r.SetTokensDown(false)
			publish("delivered", 4)
			r.Revoke()
			client.Secret = "canary-secret/43"
			r.SetClient(client)
			publish("credential", 4)
			write(t, path, client.Secret)
			publish("delivered", 5)
		})
	}
}

// The address, headers and credential are in no message, although the server repeats them.
func TestSecretsStaySecret(t *testing.T) {
	bubble(t, collectortest.Config{Query: "code=query-canary-77&x=1", Script: func(q collectortest.Request) collectortest.Fault {
		text := fmt.Sprintf("no: %s?code=query-canary-77&x=1 %v", collectortest.Path, q.Header)
		return collectortest.Fault{Answer: &collectortest.Answer{Status: []int{401, 400, 500, 404}[q.Number%4], Raw: text}}
	}}, func(t *testing.T, r *rig) {
		r.settings.URL = setting.NewSecret(origin + collectortest.Path + "?code=query-canary-77&x=1")
		r.settings.Headers = map[string]setting.Secret{"X-Key": setting.NewSecret("header-canary-99")}
		r.settings.Auth = &httpsink.Auth{Type: "bearer", Token: setting.NewSecret(token)}
		snk := r.open(t)
		for range 8 {
			err := snk.Publish(t.Context(), batch(1))
			said := fmt.Sprint(err, failure.Hint(err), r.log.String())
			for _, secret := range []string{"canary", token, "in/events", "code="} {
				if err == nil || strings.Contains(said, secret) {
					t.Errorf("%q is in %s", secret, said)
				}
			}
			if !strings.Contains(said, origin) {
				t.Errorf("%s does not say where", said)
			}
		}
	})
}

// An address in a file is read again for each request.
func TestAddressIsRotated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "url")
	write(t, path, origin+"/of/yesterday")
	bubble(t, collectortest.Config{}, func(t *testing.T, r *rig) {
		r.settings.URL = setting.SecretFile(path)
		snk := r.open(t)
		for text, want := range map[string]string{
			"http://siem.example.com/":                "destination", // would send in clear text
			"https://u:p@siem.example.com/":           "destination",
			"not an address":                          "destination",
			origin + collectortest.Path + "#fragment": "destination",
		} {
			write(t, path, text)
			if err := snk.Publish(t.Context(), batch(1)); kindOf(err) != want || strings.Contains(err.Error(), "u:p") {
				t.Errorf("%s: %v", text, err)
			}
		}
		write(t, path, origin+collectortest.Path+"\n")
		if err := snk.Publish(t.Context(), batch(1)); err != nil {
			t.Error(err)
		}
	})
}

// expires_in that is no number of seconds is the fault of the token server.
func TestExpiresInOfATokenServer(t *testing.T) {
	for expires, want := range map[string]string{
		`3600`: "", `"3600"`: "", `null`: "", `1e400`: "", `0.5`: "",
		`""`: `expires_in is "", which is no number`, `"never"`: `expires_in is "never", which is no number`, `{}`: `expires_in is {}, which is no number`,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/token" {
				_, _ = io.WriteString(w, `{"access_token":"tok-123456","token_type":"bearer","expires_in":`+expires+`}`)
			}
		}))
		s := defaults(server.URL + "/x")
		s.Auth = &httpsink.Auth{Type: "oauth2_client_credentials", TokenURL: server.URL + "/token", ClientID: "c", ClientSecret: setting.NewSecret("client-secret-1")}
		err := openAt(t, s).Publish(t.Context(), batch(2))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", expires, err, want)
		}
		server.Close()
	}
}

// A sink may have many headers, and the address many parts: answers show none of them.
func TestManySecretsShowNowhere(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = fmt.Fprint(w, "what is this: ", r.URL.Query().Get("key"), r.Header.Get("X-Header-0"))
	}))
	defer server.Close()
	s := defaults(server.URL + "/services/collector/receiver1/ingest1?a=aaaaaaaa&b=bbbbbbbb&c=cccccccc&d=dddddddd&e=eeeeeeee&f=ffffffff&g=gggggggg&key=CANARY-0123456789")
	s.Headers = map[string]setting.Secret{}
	for i := range 100 {
		s.Headers[fmt.Sprintf("X-Header-%d", i)] = setting.NewSecret(fmt.Sprintf("CANARY-%06d", i))
	}
	err := openAt(t, s).Publish(t.Context(), batch(1))
	if !strings.Contains(fmt.Sprint(err), "what is this: ") || strings.Contains(err.Error(), "CANARY") {
		t.Errorf("got %v", err)
	}
}

// A token server may repeat its address and the parameters, which may be secrets.
func TestTokenServerThatRepeatsTheRequest(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, "bad request %s %s", r.URL.RequestURI(), b)
	}))
	defer server.Close()
	s := defaults(server.URL + "/x")
	file := filepath.Join(t.TempDir(), "assertion")
	write(t, file, "CANARY-assertion")
	s.Auth = &httpsink.Auth{
		Type: "oauth2_client_credentials", TokenURL: server.URL + "/CANARY-tenant/token?code=CANARY-code", ClientID: "c", ClientSecret: setting.NewSecret("client-secret-1"),
		Parameters: map[string]setting.Secret{"client_assertion": setting.SecretFile(file), "audience": setting.NewSecret("CANARY-audience")},
	}
	err := openAt(t, s).Publish(t.Context(), batch(1))
	if !strings.Contains(fmt.Sprint(err), "bad request") || strings.Contains(err.Error(), "CANARY") {
		t.Errorf("got %v", err)
	}
}

// Errors name the address of the request, also after url_file was changed.
func TestErrorsNameTheChangedAddress(t *testing.T) {
	refusing := func() string {
		s := httptest.NewServer(http.NotFoundHandler())
		t.Cleanup(s.Close)
		return s.URL
	}
	first, second := refusing(), refusing()
	file := filepath.Join(t.TempDir(), "url")
	s := defaults(first)
	s.URL = setting.SecretFile(file)
	write(t, file, first+"/x")
	snk := openAt(t, s)
	for _, address := range []string{first, second} {
		write(t, file, address+"/x")
		if err := snk.Publish(t.Context(), batch(1)); !strings.Contains(fmt.Sprint(err), "posting to "+address+": 404") {
			t.Errorf("the request went to %s: %v", address, err)
		}
	}
	write(t, file, "https"+strings.TrimPrefix(second, "http")+"/x")
	if err := snk.Publish(t.Context(), batch(1)); !strings.Contains(failure.Hint(err), "the port does not use TLS") {
		t.Errorf("got %v with the hint %q", err, failure.Hint(err))
	}
}
