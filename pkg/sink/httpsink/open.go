package httpsink

import (
	"context"
	"net/http"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/internal/posting"
)

func open(_ context.Context, env sink.Env, s Settings) (sink.Sink, error) {
	e, err := s.endpoint(env)
	if err != nil {
		return nil, err
	}
	return e.open(), nil
}

// endpoint returns what the settings come to.
func (s *Settings) endpoint(env sink.Env) (endpoint, error) {
	for _, warning := range s.warnings() {
		env.Log.Warn().Msg(warning)
	}
	e := endpoint{
		method: s.Method, url: s.URL, allowHTTP: s.AllowHTTP, headers: s.Headers, tls: s.TLS,
		framing: posting.NDJSON, contentType: s.contentType, compression: posting.Compression(s.Compression),
		maxBytes: int(s.MaxRequestBytes), maxEvents: s.MaxRequestEvents, concurrency: s.Concurrency,
		judge: s.table().Reply,
	}
	if s.Auth != nil {
		e.auth = func(over http.RoundTripper) posting.Credential { return s.Auth.credential(env.Log, over, s.TLS) }
	}
	return e, s.setBody(&e)
}

// setBody sets how records become the body of a request.
func (s *Settings) setBody(e *endpoint) error {
	switch s.Body {
	case bodyNDJSON:
		e.encode = func(dst []byte, r *sink.Record) ([]byte, error) { return posting.AppendLine(dst, r), nil }
	case bodyArray:
		e.framing = posting.Array
	case bodySingle:
		e.framing, e.maxEvents = posting.Bare, 1
		e.encode = func(dst []byte, r *sink.Record) ([]byte, error) {
			if r.MediaType != "application/json" {
				return append(dst, r.Body...), nil
			}
			return posting.AppendBody(dst, r), nil
		}
	case bodyTemplate:
		e.framing, e.maxEvents = posting.Bare, 1
		asJSON := isJSON(s.contentType(nil))
		t, err := parseTemplate(s.Template, asJSON)
		if err != nil {
			return setting.Invalid("template", err)
		}
		e.encode = func(dst []byte, r *sink.Record) ([]byte, error) {
			out, err := render(t, asJSON, dst, r)
			// It would fail in the same way again.
			return out, sink.Permanent(err)
		}
	}
	return nil
}

func (s *Settings) warnings() (list []string) {
	address := originOf(s.URL)
	if s.TLS.InsecureSkipVerify {
		list = append(list, "tls.insecure_skip_verify: anyone on the network path to the server can read the events and the credential")
	}
	if s.AllowHTTP && !encrypted(address) {
		list = append(list, "allow_http: the events and the credential are sent in clear text")
	}
	return append(list, s.Auth.warnings(address)...)
}
