package estest

import (
	"compress/gzip"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
)

// authorize refuses a request with other credentials, in the words of Elasticsearch.
func (s *Server) authorize(r *http.Request) *Answer {
	c := s.config
	if c.APIKey == "" && c.User == "" && c.Bearer == "" {
		return nil
	}
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	right := scheme == "ApiKey" && c.APIKey != "" && value == c.APIKey ||
		scheme == "Bearer" && c.Bearer != "" && value == c.Bearer ||
		scheme == "Basic" && c.User != "" && value == base64.StdEncoding.EncodeToString([]byte(c.User+":"+c.Password))
	if right {
		return nil
	}
	reason := "missing authentication credentials for REST request [" + r.URL.Path + "]"
	if scheme != "" {
		reason = "unable to authenticate with provided credentials and anonymous access is not allowed for this request"
	}
	return &Answer{Status: http.StatusUnauthorized, Type: "security_exception", Reason: reason}
}

// read returns the body, or an answer that refuses it.
func (s *Server) read(r *http.Request) ([]byte, *Answer) {
	var from io.Reader = http.MaxBytesReader(nil, r.Body, s.config.MaxBytes)
	switch r.Header.Get("Content-Encoding") {
	case "":
	case "gzip":
		unzipped, err := gzip.NewReader(from)
		if err != nil {
			return nil, &Answer{Status: http.StatusBadRequest, Type: "not_x_content_exception", Reason: "the body is not gzip"}
		}
		from = io.LimitReader(unzipped, s.config.MaxBytes+1)
	default:
		return nil, &Answer{Status: http.StatusUnsupportedMediaType, Type: "media_type_header_exception", Reason: "unknown Content-Encoding"}
	}
	body, err := io.ReadAll(from)
	switch {
	case errors.As(err, new(*http.MaxBytesError)) || int64(len(body)) > s.config.MaxBytes:
		return nil, &Answer{Status: http.StatusRequestEntityTooLarge, Raw: `{"ok":false}`}
	case err != nil:
		return nil, &Answer{Status: http.StatusBadRequest, Type: "i_o_exception", Reason: "Unexpected end of ZLIB input stream"}
	}
	if kind := r.Header.Get("Content-Type"); len(body) > 0 && kind != "application/x-ndjson" && kind != "application/json" {
		return nil, &Answer{Status: http.StatusNotAcceptable, Type: "media_type_header_exception", Reason: "Content-Type header [" + kind + "] is not supported"}
	}
	return body, nil
}
