package hectest

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
)

func (s *Server) authorize(r *http.Request) *Answer {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch {
	case r.URL.Query().Has("token"):
		return &Answer{Status: http.StatusBadRequest, Code: 16}
	case scheme == "":
		return &Answer{Status: http.StatusUnauthorized, Code: 2}
	case scheme != "Splunk" || token == "":
		return &Answer{Status: http.StatusUnauthorized, Code: 3}
	case token != s.config.Token:
		return &Answer{Status: http.StatusForbidden, Code: 4}
	case s.disabled:
		return &Answer{Status: http.StatusForbidden, Code: 1}
	}
	return nil
}

var guid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

func (s *Server) checkChannel(asked Request) *Answer {
	switch {
	case asked.Channel == "" && s.config.Ack:
		return &Answer{Status: http.StatusBadRequest, Code: 10}
	case asked.Channel != "" && !guid.MatchString(asked.Channel):
		return &Answer{Status: http.StatusBadRequest, Code: 11}
	}
	return nil
}

func channelOf(r *http.Request) string {
	if c := r.Header.Get("X-Splunk-Request-Channel"); c != "" {
		return c
	}
	return r.URL.Query().Get("channel")
}

// read returns the body, or an answer that refuses it. Splunk's web server refuses
// some bodies in HTML, before HEC sees the request.
func (s *Server) read(r *http.Request) ([]byte, *Answer) {
	var from io.Reader = http.MaxBytesReader(nil, r.Body, s.config.MaxBytes)
	switch r.Header.Get("Content-Encoding") {
	case "", "identity":
	case "gzip":
		unzipped, err := gzip.NewReader(from)
		if err != nil {
			return nil, &Answer{Status: http.StatusBadRequest, Code: 6}
		}
		from = io.LimitReader(unzipped, s.config.MaxBytes+1)
	default:
		return nil, &Answer{Status: http.StatusUnsupportedMediaType, HTML: true}
	}
	body, err := io.ReadAll(from)
	switch {
	case errors.As(err, new(*http.MaxBytesError)) || int64(len(body)) > s.config.MaxBytes:
		return nil, &Answer{Status: http.StatusRequestEntityTooLarge, HTML: true}
	case err != nil:
		return nil, &Answer{Status: http.StatusBadRequest, Code: 6}
	}
	return body, nil
}
