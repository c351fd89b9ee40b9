package httpsink

import (
	"net/http"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// OpenOver opens a sink with the test's transport.
func OpenOver(over http.RoundTripper, env sink.Env, s Settings) (sink.Sink, error) {
	e, err := s.endpoint(env)
	if err != nil {
		return nil, err
	}
	return e.openOver(over), nil
}
