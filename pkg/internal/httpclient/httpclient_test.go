package httpclient_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/echo"
	"github.com/sluice-siem/sluice/pkg/internal/httpclient"
)

func TestCheckURL(t *testing.T) {
	const example = "https://api.example.com"
	tests := []struct {
		url   string
		allow bool
		want  string // in the error; empty: none
	}{
		{"https://api.example.com", false, ""},
		{"https://api.example.com:8088/", false, ""},
		{"HTTPS://api.example.com", false, ""},
		{"HTTP://localhost", false, ""},
		{"HTTP://api.example.com", false, "clear text"},
		{"https://[fe80::1%25eth0]:8088", false, ""},
		{"https://[fe80::1%25eth0]:8088/secret", false, "write https://[fe80::1%25eth0]:8088"},
		{"http://127.0.0.1:8088", false, ""},
		{"http://[::1]:8088", false, ""},
		{"http://localhost", false, ""},
		{"http://api.example.com", true, ""},
		{"http://api.example.com", false, "clear text"},
		{"http://localhost.example.com", false, "clear text"},
		{"http://127.0.0.1.example.com", false, "clear text"},
		{"http://127.0.0.1.example.com:8088", false, "clear text"},
		{"http://example.localhost.com", false, "clear text"},
		{"http://mylocalhost", false, "clear text"},
		{"http://localhost.", false, "clear text"}, // The standard library asks a name server about it.
		{"http://127.0.0.1.", false, "clear text"},
		{"http://127.1", false, "clear text"},
		{"http://2130706433", false, "clear text"},
		{"http://0x7f000001", false, "clear text"},
		{"http://0.0.0.0", false, "clear text"},
		{"http://[::]", false, "clear text"},
		{"http://[::ffff:10.0.0.1]", false, "clear text"},
		{"http://[::ffff:127.0.0.1]", false, ""},
		{"http://127.8.9.10", false, ""},
		{"http://127.0.0.1@example.com", false, "write http://example.com"},
		{"http://localhost:secret@example.com", true, "write http://example.com"},
		{"", false, "such as " + example},
		{"api.example.com:8088", false, "such as " + example},
		{"ftp://api.example.com", true, "such as " + example},
		{"https://u:secret@api.example.com", false, "write https://api.example.com"},
		{"https://api.example.com/secret", false, "write https://api.example.com"},
		{"https://api.example.com?secret", false, "write https://api.example.com"},
		{"https://api.example.com#secret", false, "write https://api.example.com"},
		{"https://secret:x y", false, "such as " + example},
	}
	for _, test := range tests {
		t.Run(test.url, func(t *testing.T) {
			err := httpclient.CheckURL(test.url, example, test.allow)
			switch {
			case err == nil && test.want != "" || err != nil && test.want == "":
				t.Errorf("got %v, want %q", err, test.want)
			case err != nil && (!strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "secret")):
				t.Errorf("got %v, want %q and no secret", err, test.want)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := func(d time.Duration, form string) string { return time.Now().Add(d).UTC().Format(form) }
		rfc850, asctime := "Monday, 02-Jan-06 15:04:05 GMT", time.ANSIC
		for _, test := range []struct {
			value, date string
			want        time.Duration
		}{
			{value: "", want: 0},
			{value: "soon", want: 0},
			{value: "-5", want: 0},
			{value: "1.5", want: 0},
			{value: "0", want: time.Second},
			{value: "7", want: 7 * time.Second},
			{value: "60", want: time.Minute},
			{value: "3600", want: time.Minute},
			{value: "99999999999999", want: time.Minute},
			{value: "99999999999999999999999999", want: time.Minute},
			{value: in(30*time.Second, http.TimeFormat), want: 30 * time.Second},
			{value: in(30*time.Second, rfc850), want: 30 * time.Second},
			{value: in(30*time.Second, asctime), want: 30 * time.Second},
			{value: in(-time.Minute, http.TimeFormat), want: time.Second},
			{value: in(48*time.Hour, http.TimeFormat), want: time.Minute},
			// The clocks of the two sides differ by an hour.
			{value: in(time.Hour+20*time.Second, http.TimeFormat), date: in(time.Hour, http.TimeFormat), want: 20 * time.Second},
			{value: in(20*time.Second-time.Hour, http.TimeFormat), date: in(-time.Hour, http.TimeFormat), want: 20 * time.Second},
			{value: in(20*time.Second, http.TimeFormat), date: "noon", want: 20 * time.Second},
		} {
			if got := httpclient.RetryAfter(http.Header{"Retry-After": {test.value}, "Date": {test.date}}); got != test.want {
				t.Errorf("%q at %q: got %s, want %s", test.value, test.date, got, test.want)
			}
		}
	})
}

// Wherever an excerpt is cut, it shows no part of a secret.
func TestExcerptHasNoneOfASecret(t *testing.T) {
	const token = "pscale_tkn_canary"
	var sent echo.Filter
	sent.Sent(token)
	for _, before := range []string{"", "\x00", "\u200b", token, "refused: "} {
		for _, at := range []int{0, 110, echo.Most - 110, echo.Most - 17, echo.Most} {
			for more := range len(token) {
				padding := strings.Repeat(before, (at+more)/max(1, len(before)))
				got := httpclient.Excerpt(padding+token+strings.Repeat(".", echo.Most), &sent, 120)
				if strings.Contains(got, token[:3]) || strings.Contains(got, token[len(token)-3:]) {
					t.Fatalf("behind %d bytes of %q: got %q", len(padding), before, got)
				}
				if before == "\u200b" && !strings.HasPrefix(got, "[redacted]....") {
					t.Fatalf("behind %d bytes of %q: got %q, want what stands behind them", len(padding), before, got)
				}
			}
		}
	}
}

// Redacted secrets are so short that the excerpt reaches the cut of the text.
func TestExcerptOfLongSecrets(t *testing.T) {
	token := strings.Repeat("canary", 200)
	var sent echo.Filter
	sent.Sent(token)
	if got, want := httpclient.Excerpt(strings.Repeat(token+".", 10), &sent, 120), strings.Repeat("[redacted].", 6); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestExcerpt(t *testing.T) {
	var sent echo.Filter
	for _, test := range []struct{ text, want string }{
		{"", ""},
		{" \n\x00", ""},
		{"refused\n", "refused"},
		{"too long a text", "too long a"},
		{"<!doctype html>", "HTML"},
		{"\ufeff\r\n<html>", "HTML"},
		{"<html>\n<TITLE> 400\nBad\n</TITLE>", "HTML: 400 Bad"[:10]},
		{"<title>a&amp;b</title>", "HTML"},
		{"<title>\n</title>", "HTML"},
		{"<title>" + strings.Repeat("a", echo.Most) + "</title>", "HTML"},
		{strings.Repeat("\u200b", 2<<10) + "refused", "refused"},
		{strings.Repeat("\u200b", 4<<20) + "refused", ""},
		{"a" + strings.Repeat("\x1b", 16<<20), "a"},
	} {
		if got := httpclient.Excerpt(test.text, &sent, 10); got != test.want {
			t.Errorf("%.20q: got %q, want %q", test.text, got, test.want)
		}
	}
}

func TestPrintable(t *testing.T) {
	if got, want := httpclient.Printable(" a\x1b[2J\u202e\xffb\n", 100), "a [2J  b"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := httpclient.Printable("äöü", 2), "äö"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
