package httpsink_test

import (
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/klauspost/compress/gzip"
)

// newRecorder returns an answer.
func newRecorder(status int, text string) *http.Response {
	w := httptest.NewRecorder()
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // It writes to memory.
	return w.Result()
}

// handled returns the answer of a handler.
func handled(handler http.Handler, r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w.Result()
}

// readBody reads the body of a request, decompressed.
func readBody(r *http.Request) string {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			return err.Error()
		}
		body = unzipped
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
