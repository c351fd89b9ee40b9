package splunkhec

import (
	"net/http"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// OpenOver opens a sink that reaches Splunk over a transport of the test's own.
func OpenOver(over http.RoundTripper, env sink.Env, s Settings) (sink.Sink, error) {
	return openOver(over, env, s)
}

// NewTransport is the pattern that connections are made by.
func NewTransport() *http.Transport { return newTransport() }
