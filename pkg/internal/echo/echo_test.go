package echo_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/echo"
)

// each writes every character of a text in the same way.
func each(text, format string) string {
	var out strings.Builder
	for _, r := range text {
		fmt.Fprintf(&out, format, r)
	}
	return out.String()
}

// bytewise writes every byte of a text in the same way.
func bytewise(text, format string) string {
	var out strings.Builder
	for _, b := range []byte(text) {
		fmt.Fprintf(&out, format, b)
	}
	return out.String()
}

func quoted(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err) // of a string
	}
	return string(b)
}

// forms are the ways in which a server gives back a token and its header.
func forms(token string) map[string]string {
	slashes := strings.ReplaceAll(token, "/", `\/`)
	all := map[string]string{
		"as it is":              token,
		"JSON":                  quoted(token),
		"JSON twice":            quoted(quoted(token)),
		"slashes escaped":       slashes,
		"hyphens escaped":       strings.ReplaceAll(slashes, "-", `\u002d`),
		"hyphens escaped twice": strings.ReplaceAll(slashes, "-", `\\u002D`),
		"all in JSON's escapes": each(token, `\u%04x`),
		"all in hexadecimal":    bytewise(token, `\x%02X`),
		"some in JSON's":        token[:1] + each(token[1:3], `\u%04X`) + token[3:],
		"a query":               url.QueryEscape(token),
		"a query twice":         url.QueryEscape(url.QueryEscape(token)),
		"a path":                url.PathEscape(token),
		"all in percents":       bytewise(token, "%%%02x"),
		"HTML":                  html.EscapeString(token),
		"all in references":     each(token, "&#%d;"),
		"all in hex references": each(token, "&#x%X;"),
		"a query in JSON":       quoted(url.QueryEscape(token)),
	}
	for _, header := range []string{token, "id:" + token, "user12:" + token, "Bearer " + token, "Splunk " + token, "x" + token + "\r\nHost: a"} {
		std := base64.StdEncoding.EncodeToString([]byte(header))
		all["base64 of "+header] = std
		all["base64 without padding of "+header] = base64.RawStdEncoding.EncodeToString([]byte(header))
		all["base64 for addresses of "+header] = base64.URLEncoding.EncodeToString([]byte(header))
		all["base64 in JSON of "+header] = strings.ReplaceAll(strings.ReplaceAll(std, "/", `\/`), "+", `\u002b`)
		all["base64 in an address of "+header] = url.QueryEscape(std)
	}
	return all
}

var tokens = []string{
	"pscale_tkn_abc-DEF/ghi+jkl==", "11111111-2222-3333-4444-555555555555", `quo"te\back&amp<x>%41é`, "canary-secret/42", "1234",
}

func TestEveryFormIsRedacted(t *testing.T) {
	for _, token := range tokens {
		var f echo.Filter
		f.Sent(token)
		for name, form := range forms(token) {
			t.Run(name, func(t *testing.T) {
				text := "refused: <" + form + "> was sent"
				got := f.Text(text)
				if !strings.Contains(got, "[redacted]") || !strings.HasPrefix(got, "refused: <") || !strings.HasSuffix(got, "> was sent") {
					t.Errorf("%q: got %q", text, got)
				}
				if strings.Contains(got, form) || strings.Contains(got, token) {
					t.Errorf("got %q, which still has it", got)
				}
			})
		}
	}
}

func TestOtherTextStays(t *testing.T) {
	var f echo.Filter
	if got, want := f.Text("nothing was sent"), "nothing was sent"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	f.Sent("", "canary-secret/42")
	for _, text := range []string{"", "canary-secret/4", `\`, "%", "%4", "&", "&#", `\u00`, "é\xff%zz&nope;", "Y2FuYXJ5", strings.Repeat("%25", 1000)} {
		if got := f.Text(text); got != text {
			t.Errorf("got %q, want %q", got, text)
		}
	}
}

// After a rotation an answer may still be about the old secret.
func TestOldSecretsAreRemembered(t *testing.T) {
	var f echo.Filter
	for i := range 5 {
		f.Sent(fmt.Sprintf("secret-number-%d", i))
	}
	f.Sent("secret-number-1")
	if got, want := f.Text("secret-number-0 secret-number-1 secret-number-4"), "[redacted] [redacted] [redacted]"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRequest(t *testing.T) {
	for _, header := range []string{"Bearer canary-secret/42", "id:canary-secret/42", "Splunk canary-secret/42", "canary-secret/42"} {
		var f echo.Filter
		r, err := http.NewRequest(http.MethodGet, "https://api.example.com", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", header)
		f.Request(r)
		if got, want := f.Text("got canary-secret/42"), "got [redacted]"; got != want {
			t.Errorf("%s: got %q, want %q", header, got, want)
		}
	}
}

func TestError(t *testing.T) {
	var f echo.Filter
	f.Sent("canary-secret/42")
	err := f.Error(fmt.Errorf("malformed answer canary-secret/42: %w", io.ErrUnexpectedEOF))
	if got, want := err.Error(), "malformed answer [redacted]: unexpected EOF"; got != want || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %q, want %q that wraps its cause", got, want)
	}
	if got := f.Error(io.EOF); got != io.EOF {
		t.Errorf("got %v, want the same error", got)
	}
	if got := f.Error(nil); got != nil {
		t.Errorf("got %v, want nil", got)
	}
}

// A text that is made to be read in as many ways as possible takes bounded time.
func TestHostileTextTakesBoundedTime(t *testing.T) {
	var f echo.Filter
	f.Sent("pscale_tkn_aaaaaaaaaaaaaaaaaaaaaaa", strings.Repeat(`\`, 30)+"x")
	for _, unit := range []string{`\`, `\u005c`, `\\u005cu005c`, "%25", "%2525", "&amp;", "&#38;amp;", `aA%61`} {
		done := make(chan string, 1)
		go func() { done <- f.Text(strings.Repeat(unit, 2<<10/len(unit))) }()
		select {
		case <-done:
		case <-time.After(30 * time.Second):
			t.Fatalf("%s over and over takes more than 30 s", unit)
		}
	}
}

func FuzzText(f *testing.F) {
	for _, token := range tokens {
		for _, form := range forms(token) {
			f.Add(token, form)
		}
	}
	f.Fuzz(func(t *testing.T, token, text string) {
		var filter echo.Filter
		filter.Sent(token)
		got := filter.Text(text + token)
		// What stands around a place that was taken out may be a secret by chance.
		for _, part := range strings.Split(got, "[redacted]") {
			if token != "" && strings.Contains(part, token) {
				t.Errorf("got %q with %q in it", got, token)
			}
		}
	})
}
