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

// OpenPreset opens the sink of a preset's settings over a transport; without pace its
// requests follow one another at once.
func OpenPreset(over http.RoundTripper, env sink.Env, settings any, pace bool) sink.Sink {
	e := openPreset(env, settings.(preset))
	if !pace {
		e.pace = 0
	}
	return e.openOver(over)
}

// Shown is how alerts show a text.
var Shown = shown
