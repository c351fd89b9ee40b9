package httpclient_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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
		{"http://127.0.0.1:8088", false, ""},
		{"http://[::1]:8088", false, ""},
		{"http://localhost", false, ""},
		{"http://api.example.com", true, ""},
		{"http://api.example.com", false, "clear text"},
		{"http://localhost.example.com", false, "clear text"},
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
		in := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
		for value, want := range map[string]time.Duration{
			"": 0, "soon": 0, "-5": 0, "7": 7 * time.Second, "86400": time.Hour, "99999999999999": time.Hour,
			in(time.Minute): time.Minute, in(-time.Minute): 0, in(48 * time.Hour): time.Hour,
		} {
			if got := httpclient.RetryAfter(http.Header{"Retry-After": {value}}); got != want {
				t.Errorf("%q: got %s, want %s", value, got, want)
			}
		}
	})
}

func TestPrintable(t *testing.T) {
	if got, want := httpclient.Printable(" a\x1b[2J\u202e\xffb\n", 100), "a [2J  b"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := httpclient.Printable("äöü", 2), "äö"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
