package cursorlog

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/source"
)

func TestAnswersOverHTTP(t *testing.T) {
	date := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		body   io.Reader
		length int64
		date   string
		read   string
		want   string
		large  bool
	}{
		"as large as allowed":       {strings.NewReader("12345"), 5, date.Format(http.TimeFormat), "12345", "", false},
		"no length":                 {strings.NewReader("12345"), -1, date.Format(http.TimeFormat), "12345", "", false},
		"one byte too large":        {strings.NewReader("123456"), 6, date.Format(http.TimeFormat), "123456", "the answer exceeds 5 bytes", true},
		"too large, no length":      {strings.NewReader("123456789"), -1, date.Format(http.TimeFormat), "123456", "the answer exceeds 5 bytes", true},
		"longer than it says":       {strings.NewReader("123456789"), 2, date.Format(http.TimeFormat), "123456", "the answer exceeds 5 bytes", true},
		"broken off":                {io.MultiReader(strings.NewReader("12"), iotest.ErrReader(io.ErrUnexpectedEOF)), 5, date.Format(http.TimeFormat), "12", "reading the answer: unexpected EOF", false},
		"without a date":            {strings.NewReader("1"), 1, "", "1", "", false},
		"with a date that is wrong": {strings.NewReader("1"), 1, "today", "1", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			r := &http.Response{StatusCode: 418, Body: io.NopCloser(c.body), ContentLength: c.length, Header: http.Header{"Date": {c.date}}}
			a, err := ReadAnswer(r, 5)
			if a.Status != 418 || string(a.Body) != c.read || a.Date.Equal(date) != (len(c.date) > 10) {
				t.Errorf("got status %d, %q, date %s", a.Status, a.Body, a.Date)
			}
			if (err == nil) != (c.want == "") || err != nil && err.Error() != c.want || errors.As(err, new(tooLarge)) != c.large {
				t.Errorf("got error %v, want %q, large %t", err, c.want, c.large)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		status     int
		cursor     string
		class      source.Class
		retryAfter time.Duration
		text, hint string
	}{
		{401, "", source.Refused, 30 * time.Second, "401 Unauthorized: no", "help"},
		{403, "8", source.Refused, 30 * time.Second, "403 Forbidden: no", "help"},
		{404, "", source.Refused, 30 * time.Second, "404 Not Found: no", "help"},
		{404, "8", source.Malformed, 0, "the cursor is refused: 404 Not Found: no", ""},
		{410, "8", source.Malformed, 0, "the cursor is refused: 410 Gone: no", ""},
		{400, "8", source.Malformed, 0, "the cursor is refused: 400 Bad Request: no", ""},
		{422, "8", source.Malformed, 0, "the cursor is refused: 422 Unprocessable Entity: no", ""},
		{422, "", source.Refused, 30 * time.Second, "422 Unprocessable Entity: no", "help"},
		{429, "8", source.Throttled, 17 * time.Second, "no", ""},
		{500, "8", source.Unavailable, 17 * time.Second, "500 Internal Server Error: no", "help"},
		{302, "", source.Unavailable, 17 * time.Second, "302 Found: no", "help"},
		{204, "", source.Unavailable, 17 * time.Second, "204 No Content: no", "help"},
	} {
		err := Refusal(&http.Response{StatusCode: c.status, Header: http.Header{"Retry-After": {"17"}}}, c.cursor, "no", "help")
		got, ok := errors.AsType[*source.Error](err)
		if !ok || got.Class != c.class || failure.RetryAfter(err) != c.retryAfter || err.Error() != c.text || got.Hint != c.hint {
			t.Errorf("%d behind %q: got %v of class %s, to be retried after %s, hint %q", c.status, c.cursor, err, got.Class, failure.RetryAfter(err), got.Hint)
		}
		if refused := errors.As(err, new(cursorRefused)); refused != (c.class == source.Malformed) {
			t.Errorf("%d behind %q: the cursor was refused: %t", c.status, c.cursor, refused)
		}
	}
	if got := Refusal(&http.Response{StatusCode: 500}, "", "", "").Error(); got != "500 Internal Server Error" {
		t.Errorf("got %q of a server that said nothing", got)
	}
}
