package httpsink_test

import (
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink/httpsink"
)

func TestValidate(t *testing.T) {
	tests := []struct {
		name   string
		change func(*httpsink.Settings)
		want   string // empty: nothing is wrong
	}{
		{"all is well", func(*httpsink.Settings) {}, ""},
		{"no address", func(s *httpsink.Settings) { s.URL = setting.Secret{} }, "url: missing; write the address"},
		{"clear text", func(s *httpsink.Settings) { s.URL = setting.NewSecret("http://siem.example.com/x") }, "url: http://siem.example.com would send the token in clear text"},
		{"clear text that is allowed", func(s *httpsink.Settings) {
			s.URL, s.AllowHTTP = setting.NewSecret("http://siem.example.com/x"), true
		}, ""},
		{"a user in the address", func(s *httpsink.Settings) { s.URL = setting.NewSecret("https://u:canary@siem.example.com/") }, "url: has a user in it"},
		{"a fragment", func(s *httpsink.Settings) { s.URL = setting.NewSecret("https://siem.example.com/#canary") }, "url: has a #"},
		{"another scheme", func(s *httpsink.Settings) { s.URL = setting.NewSecret("tcp://siem.example.com") }, "url: has a scheme other than https://"},
		{"a port that is none", func(s *httpsink.Settings) { s.URL = setting.NewSecret("https://siem.example.com:99999/canary") }, "url: "},
		{"a header of our own", func(s *httpsink.Settings) { s.Headers = headers("content-type", "text/csv") }, "headers.content-type: is a header of Sluice's own; write content_type"},
		{"a header with a blank", func(s *httpsink.Settings) { s.Headers = headers("X Y", "z") }, "headers.X Y: is no name of a header"},
		{"a header with a line end", func(s *httpsink.Settings) { s.Headers = headers("X-Y", "canary\r\nForged: yes") }, "headers.X-Y: has a line end"},
		{"a header in two cases", func(s *httpsink.Settings) { s.Headers = headers("X-Y", "z", "x-y", "z") }, "headers.x-y: is given twice"},
		{"a status twice", func(s *httpsink.Settings) { s.Retry = append(s.Retry, 400) }, "retry_status[5]: is in reject_status, too"},
		{"no success", func(s *httpsink.Settings) { s.Accept = nil }, "accept_status: is empty"},
		{"a token with a blank", func(s *httpsink.Settings) {
			s.Auth = &httpsink.Auth{Type: "bearer", Token: setting.NewSecret("Bearer canary")}
		}, ""}, // Auth.Validate, which the configuration calls
		{"an address for tokens in clear text", func(s *httpsink.Settings) {
			s.Auth = &httpsink.Auth{Type: "oauth2_client_credentials", TokenURL: "http://login.example.com/"}
		}, "auth.token_url: http://login.example.com would send"},
		{"too many at once", func(s *httpsink.Settings) { s.Concurrency = 65 }, "concurrency: is 65"},
		{"a request too small", func(s *httpsink.Settings) { s.MaxRequestBytes = 100 }, "max_request_bytes: 100"},
		{"a template of a form", forms("application/x-www-form-urlencoded; charset=utf-8"), "content_type: \"application/x-www-form-urlencoded; charset=utf-8\" has other escapes"},
		{"a template of XML", forms("application/xml"), "content_type: \"application/xml\" has other escapes"},
		{"a template of lines", forms("application/x-ndjson"), "content_type: \"application/x-ndjson\" has other escapes"},
		{"a content type with a line end", func(s *httpsink.Settings) { s.ContentType = "a\r\nb: c" }, "content_type: has a line end"},
	}
	for _, test := range tests {
		s := defaults("https://siem.example.com/events?key=canary")
		test.change(&s)
		errs := s.Validate()
		if test.want == "" && len(errs) == 0 {
			continue
		}
		if len(errs) != 1 || !strings.HasPrefix(errs[0].Error(), test.want) || strings.Contains(errs[0].Error(), "canary") {
			t.Errorf("%s: got %v, want %q", test.name, errs, test.want)
		}
	}
}

func headers(pairs ...string) map[string]setting.Secret {
	all := map[string]setting.Secret{}
	for i := 0; i < len(pairs); i += 2 {
		all[pairs[i]] = setting.NewSecret(pairs[i+1])
	}
	return all
}

func TestAuthValidate(t *testing.T) {
	for want, a := range map[string]*httpsink.Auth{
		"token: has a blank":                  {Type: "bearer", Token: setting.NewSecret("Bearer canary")},
		"type: ":                              {Type: "digest"},
		"header: is a header of Sluice's own": {Type: "header", Header: "X-Idempotency-Key", Token: setting.NewSecret("canary")},
		"type: has no use for scope":          {Type: "bearer", Token: setting.NewSecret("canary"), Scope: "x"},
		"username: has a colon":               {Type: "basic", Username: "a:b", Password: setting.NewSecret("canary")},
	} {
		if errs := a.Validate(); len(errs) != 1 || !strings.HasPrefix(errs[0].Error(), want) || strings.Contains(errs[0].Error(), "canary") {
			t.Errorf("got %v, want %q", errs, want)
		}
	}
}

func TestStatusText(t *testing.T) {
	for text, want := range map[string]int{"200": 200, "2xx": 2, "5xx": 5, "599": 599} {
		var s httpsink.Status
		if err := s.UnmarshalText([]byte(text)); err != nil || int(s) != want {
			t.Errorf("%s: %d, %v", text, s, err)
		}
		if back, err := s.MarshalText(); err != nil || string(back) != text {
			t.Errorf("%s: %s, %v", text, back, err)
		}
	}
	for _, text := range []string{"", "1xx", "199", "600", "2XX", "xx", "20", "-200", "2x"} {
		if err := new(httpsink.Status).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

// forms writes events as a template of another content type.
func forms(contentType string) func(*httpsink.Settings) {
	return func(s *httpsink.Settings) {
		s.Body, s.Template, s.ContentType = "template", `a={{.ID}}`, contentType
	}
}
