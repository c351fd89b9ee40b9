package cursorlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/sluice-siem/sluice/pkg/internal/httpclient"
	"github.com/sluice-siem/sluice/pkg/source"
)

// ReadAnswer reads an HTTP response with any status, for a Client that holds at most so
// many bytes of a body. Of a larger body it reads one byte more, and the error is
// TooLarge. Any other error means that the body broke off. The caller closes the body.
func ReadAnswer(r *http.Response, most int64) (Answer, error) {
	a := Answer{Status: r.StatusCode}
	if date, err := http.ParseTime(r.Header.Get("Date")); err == nil {
		a.Date = date
	}
	var err error
	limited := io.LimitReader(r.Body, most+1)
	if r.ContentLength < 0 || r.ContentLength > most {
		a.Body, err = io.ReadAll(limited)
	} else {
		// The length that the server states, and room to find the end without growing.
		body := bytes.NewBuffer(make([]byte, 0, r.ContentLength+bytes.MinRead))
		_, err = body.ReadFrom(limited)
		a.Body = body.Bytes()
	}
	switch {
	case err != nil:
		return a, fmt.Errorf("reading the answer: %w", err)
	case int64(len(a.Body)) > most:
		return a, TooLarge(fmt.Errorf("the answer exceeds %d bytes", most))
	}
	return a, nil
}

// Refusal is the error of List when the server answers a request behind cursor with a
// status other than 200. People see what the server said and the hint; each may be
// empty. The server may repeat a secret in said, so the Client must remove it first. The
// cursor is not shown.
func Refusal(r *http.Response, cursor, said, hint string) error {
	text := fmt.Sprintf("%d %s", r.StatusCode, http.StatusText(r.StatusCode))
	if said != "" {
		text += ": " + said
	}
	e := &source.Error{Class: source.Refused, Err: errors.New(text), Hint: hint}
	switch code := r.StatusCode; {
	case code == http.StatusTooManyRequests:
		return Throttled(httpclient.RetryAfter(r.Header), said)
	case cursor != "" && (code == http.StatusNotFound || code == http.StatusBadRequest || code == http.StatusUnprocessableEntity || code == http.StatusGone):
		e.Class, e.Hint = source.Malformed, ""
		e.Err = fmt.Errorf("the cursor is refused: %w", e.Err)
		return CursorRefused(e)
	case code < 400 || code >= 500:
		e.Class, e.RetryAfter = source.Unavailable, httpclient.RetryAfter(r.Header)
	}
	return e
}
