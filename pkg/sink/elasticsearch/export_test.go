package elasticsearch

import (
	"context"
	"net/http"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// OpenOver opens a sink with the test's transport.
func OpenOver(over http.RoundTripper, env sink.Env, s Settings) (sink.Sink, error) {
	return openOver(func(*setting.TLS) http.RoundTripper { return over }, env, s)
}

// DocumentID returns the id of a record's document.
func DocumentID(r sink.Record) string { return documentID(&r) }

// InstallOver is Install with the test's transport.
func InstallOver(ctx context.Context, over http.RoundTripper, s Settings, log zerolog.Logger, how Installation) error {
	opened, err := OpenOver(over, sink.Env{Log: log}, s)
	if err != nil {
		return err
	}
	return opened.(*cluster).install(ctx, how)
}
