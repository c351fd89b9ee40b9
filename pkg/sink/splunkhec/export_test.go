package splunkhec

import (
	"net/http"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// OpenOver opens a sink with the test's transport.
func OpenOver(over http.RoundTripper, env sink.Env, s Settings) (sink.Sink, error) {
	return openOver(over, env, s)
}

// NewTransport returns the transport that setting.TLS clones.
func NewTransport() *http.Transport { return newTransport() }
